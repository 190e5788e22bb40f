// Which streams may be continued by another engine, and the body that continues one.
import { expect } from 'chai';
import { readObject } from '../../src/openai/json-object.ts';
import { isResumable, outputLimit, resumedBody } from '../../src/openai/resume.ts';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const chat = (more = ''): Buffer =>
  Buffer.from(`{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true${more}}`);
const may = (route: typeof CHAT | typeof COMPLETIONS, body: Buffer) => isResumable(route, readObject(body));
const resumed = (route: typeof CHAT | typeof COMPLETIONS, body: Buffer, text: string, tokens: number) =>
  resumedBody(route, body, { text }, tokens)?.toString();

describe('a stream that may be continued', () => {
  it('is one of plain text', () => {
    for (const more of [
      '',
      ',"n":1',
      ',"stop":null',
      ',"stop":[]',
      ',"logprobs":false',
      ',"seed":12345678901234567890',
      ',"response_format":{"type":"text"}',
      ',"tools":[{"type":"function"}]',
      ',"stream_options":{"include_usage":true}',
    ])
      expect(may(CHAT, chat(more)), more).to.equal(true);
  });

  it('is none with more than one choice, a grammar, log probabilities, stop words, or its own continuation', () => {
    for (const more of [
      ',"n":2',
      ',"response_format":{"type":"json_object"}',
      ',"guided_json":{}',
      ',"structured_outputs":{"regex":"a"}',
      ',"grammar":"a"',
      ',"logprobs":true',
      ',"top_logprobs":2',
      ',"stop":"x"',
      ',"stop":["x"]',
      ',"continue_final_message":true',
      ',"echo":true',
    ])
      expect(may(CHAT, chat(more)), more).to.equal(false);
  });

  it('is none without a stream, or whose last message is the assistant’s', () => {
    expect(may(CHAT, Buffer.from('{"messages":[{"role":"user","content":""}]}'))).to.equal(false);
    expect(may(CHAT, Buffer.from('{"stream":true,"messages":[{"role":"assistant","content":""}]}'))).to.equal(
      false,
    );
    expect(may(CHAT, Buffer.from('{"stream":true,"messages":[]}'))).to.equal(false);
    expect(may(CHAT, Buffer.from('{"stream":true,"messages":"x"}'))).to.equal(false);
  });

  it('of completions has one prompt of text and a limit', () => {
    expect(may(COMPLETIONS, Buffer.from('{"stream":true,"prompt":"a","max_tokens":9}'))).to.equal(true);
    expect(may(COMPLETIONS, Buffer.from('{"stream":true,"prompt":"a"}'))).to.equal(false);
    expect(may(COMPLETIONS, Buffer.from('{"stream":true,"prompt":["a"],"max_tokens":9}'))).to.equal(false);
  });
});

describe('the body that continues a stream', () => {
  it('has the emitted text as the last message, and the rest of the limit; all else is as it was', () => {
    const body = chat(',"max_tokens":80,"seed":12345678901234567890');
    expect(resumed(CHAT, body, ' 18 "19"\n', 3)).to.equal(
      '{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":" 18 \\"19\\"\\n"}],"stream":true,' +
        '"max_tokens":77,"seed":12345678901234567890,"continue_final_message":true,"add_generation_prompt":false}',
    );
  });

  it('of completions has the text at the end of the prompt', () => {
    const body = Buffer.from('{"prompt":"a\\"b" ,"max_tokens":5,"stream":true}');
    expect(resumed(COMPLETIONS, body, '"c"', 1)).to.equal(
      '{"prompt":"a\\"b\\"c\\"" ,"max_tokens":4,"stream":true}',
    );
  });

  it('has both limits less, if there are both, and what is left of the least', () => {
    const body = chat(',"max_tokens":80,"max_completion_tokens":70,"min_tokens":10');
    const values = JSON.parse(resumed(CHAT, body, 'x', 20)!) as Record<string, unknown>;
    expect(values).to.include({ max_tokens: 60, max_completion_tokens: 50, min_tokens: 0 });
    expect(outputLimit(readObject(body))).to.equal(70);
  });

  it('is none when nothing is left of the limit', () => {
    expect(resumed(CHAT, chat(',"max_tokens":3'), 'x', 3)).to.equal(undefined);
  });
});

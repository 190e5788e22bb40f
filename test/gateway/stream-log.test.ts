// What is noted of a stream, and what the next run's events become: of any cut, the same.
import { expect } from 'chai';
import { EventCutter } from '../../src/gateway/sse.ts';
import { StreamLog } from '../../src/gateway/stream-log.ts';
import { chunk, contentOf } from './support.ts';

const CHAT = '/v1/chat/completions';
const ROLE = chunk('', { delta: { role: 'assistant', content: '' } });
const passed = (log: StreamLog, text: string | Buffer): string =>
  log.pass(Buffer.from(text as string)).toString();

describe('events in bytes', () => {
  const text = 'data: a\n\n: c\r\n\r\ndata: b\r\ndata: é\n\r\nid: 1\n\nrest';
  const bytes = Buffer.from(text);
  const whole = ['data: a\n\n', ': c\r\n\r\n', 'data: b\r\ndata: é\n\r\n', 'id: 1\n\n'];

  it('are cut behind their blank lines, wherever the bytes were cut', () => {
    for (let first = 0; first <= bytes.length; first += 1)
      for (let second = first; second <= bytes.length; second += 1) {
        const cutter = new EventCutter();
        const parts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
        const events = parts.flatMap((part) => cutter.push(part)).map(String);
        expect(events).to.deep.equal(whole);
        expect(cutter.rest.toString()).to.equal('rest');
      }
  });
});

describe('the log of a stream', () => {
  const first =
    ROLE + chunk('one') + chunk(' é☃') + chunk(undefined, { finish_reason: 'stop' }) + 'data: [DONE]\n\n';

  it('passes a first run as it is, in whole events, wherever it was cut', () => {
    const bytes = Buffer.from(`${first}: behind`);
    for (let at = 0; at <= bytes.length; at += 1) {
      const log = new StreamLog(CHAT, false);
      const out = [log.pass(bytes.subarray(0, at)), log.pass(bytes.subarray(at))].map(String);
      expect(out[0]).to.match(/^$|\n\n$/);
      expect(out.join('') + log.end().toString()).to.equal(bytes.toString());
      expect(log.resume).to.deep.equal({ text: 'one é☃', chunks: 2 });
      expect([log.isComplete, log.isDone]).to.deep.equal([true, true]);
    }
  });

  it('continues with the first run’s id and time, without a second role, and with the usage of one run', () => {
    const log = new StreamLog(CHAT, true);
    passed(log, `${ROLE}${chunk('one')}data: {"cut`);
    log.continue(3);
    const usage =
      'data: {"id":"c2","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}\n\n';
    const next = passed(
      log,
      `: hi\n\n${ROLE}${chunk(' two', { delta: { role: 'assistant', content: ' two' } }, 'c2')}${usage}`,
    );
    expect(next).not.to.match(/role|c2|: hi/);
    expect(contentOf(next)).to.equal(' two');
    expect(next).to.include('"usage":{"prompt_tokens":6,"completion_tokens":7,"total_tokens":13}');
    expect(log.resume).to.deep.equal({ text: 'one two', chunks: 2 });
    log.continue(5);
    expect(contentOf(passed(log, chunk(' three', {}, 'c3')))).to.equal(' three');
  });

  it('can be continued only while all that was emitted is text of one choice', () => {
    const other: [string, string][] = [
      ['a call of a tool', chunk(undefined, { delta: { tool_calls: [{}] } })],
      ['a thought', chunk(undefined, { delta: { reasoning_content: 'hm' } })],
      ['log probabilities', chunk('a', { logprobs: { content: [] } })],
      ['a second choice', chunk('a', { index: 1 })],
      ['an error', 'data: {"error":{}}\n\n'],
      ['what is no JSON', 'data: x\n\n'],
      ['its end', chunk('a', { finish_reason: 'stop' })],
    ];
    for (const [name, event] of other) {
      const log = new StreamLog(CHAT, false);
      passed(
        log,
        chunk('one') + chunk('', { delta: { content: '', tool_calls: [], refusal: null }, logprobs: null }),
      );
      expect(log.canResume, name).to.equal(true);
      passed(log, event);
      expect(log.canResume, name).to.equal(false);
    }
  });

  it('is complete only with the usage, if that was asked for', () => {
    const log = new StreamLog(CHAT, true);
    passed(log, chunk('a', { finish_reason: 'stop' }));
    expect(log.isComplete).to.equal(false);
    passed(log, 'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n');
    expect(log.isComplete).to.equal(true);
  });

  it('of completions reads their texts', () => {
    const log = new StreamLog('/v1/completions', false);
    passed(log, 'data: {"id":"x","choices":[{"index":0,"text":"a"}]}\n\n');
    expect(log.resume).to.deep.equal({ text: 'a', chunks: 1 });
  });
});

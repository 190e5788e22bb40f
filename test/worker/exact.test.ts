// Byte for byte: whatever an engine answers, in whatever pieces it comes, is what the owner gets.
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SLICE } from '../../src/openai/wire.ts';
import { waitUntil } from '../support/server.ts';
import { ask, bytesOf, useWorkerFleet } from './support.ts';

const EVENTS = 'text/event-stream; charset=utf-8';
const usage = '{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}';

/** What engines send, with what passes through parsers badly. */
const ANSWERS: Readonly<Record<string, { type: string | undefined; bytes: Buffer; status?: number }>> = {
  'tool calls and an usage chunk': {
    type: EVENTS,
    bytes: Buffer.from(
      'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\\"a\\":"}}]}}]}\n\n' +
        `data: {"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`,
    ),
  },
  'logprobs, CRLF, comments, fields that nobody knows and data of several lines': {
    type: EVENTS,
    bytes: Buffer.from(
      ': ping\r\n\r\nevent: x\r\nid: 7\r\ndata: {"logprobs":[-0.10000000000000001,\r\ndata: null]}' +
        '\r\n\r\n:\r\ndata:[DONE]\r\n\r\n',
    ),
  },
  'split UTF-8, and an end without a newline': {
    type: EVENTS,
    bytes: Buffer.concat([
      Buffer.from('data: "é漢😀'),
      Buffer.from([0xff, 0xfe, 0x00]),
      Buffer.from('"\n\ndata: x'),
    ]),
  },
  'an error in JSON': {
    type: 'application/json',
    status: 422,
    bytes: Buffer.from('{"detail": [ {"loc":["body"]}] }\n'),
  },
  'bytes without a type': { type: undefined, bytes: Buffer.from([0, 1, 2, 253, 254, 255]) },
};

describe('an answer comes through byte for byte', () => {
  const fleet = useWorkerFleet();
  let server: Server;
  let answer: (response: ServerResponse) => Promise<void>;

  beforeEach(async () => {
    server = createServer((request, response) => {
      request.resume();
      if (request.method === 'GET') response.end('{"data":[{"id":"counting"}]}');
      else void answer(response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await fleet.worker(`http://127.0.0.1:${port}`, { kind: 'openai', slots: 64, blocks: 10_000 });
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

  for (const [name, { type, bytes, status = 200 }] of Object.entries(ANSWERS))
    it(`${name}, cut at every byte`, async () => {
      let cut = 0;
      answer = async (response) => {
        const at = cut;
        cut += 1;
        response.writeHead(status, type === undefined ? {} : { 'content-type': type });
        response.write(bytes.subarray(0, at));
        await turn();
        response.write(bytes.subarray(at));
        await turn();
        response.end();
      };
      const front = await fleet.front();
      const all = Array.from({ length: bytes.length + 1 }, () => ask(front));
      await Promise.all(all.map(({ ended }) => ended));
      for (const heard of all) {
        expect(hash(bytesOf(heard))).to.equal(hash(bytes));
        expect(heard.heads).to.deep.equal([{ status, ...(type === undefined ? {} : { contentType: type }) }]);
        expect(heard.final).to.equal('finished');
      }
    });

  it('an answer larger than a slice comes in slices, and one that is empty as its head alone', async () => {
    const large = Buffer.alloc(5 * SLICE + 17, 'sched-lua ');
    answer = async (response) => {
      response.setHeader('content-type', 'application/json');
      response.end(large);
      await turn();
    };
    const front = await fleet.front();
    const heard = ask(front, { stream: false });
    await heard.ended;
    expect(hash(bytesOf(heard))).to.equal(hash(large));
    expect(Math.max(...heard.parts.map(({ length }) => length))).to.be.at.most(SLICE);
    answer = async (response) => {
      response.writeHead(204).end();
      await turn();
    };
    const empty = ask(front, { stream: false });
    await empty.ended;
    expect(empty.heads).to.deep.equal([{ status: 204 }]);
    expect(bytesOf(empty)).to.have.length(0);
  });

  it('a reader that is behind holds up the engine, and loses nothing', async () => {
    const part = Buffer.alloc(65_536, 'abcdefg\n');
    const COUNT = 400;
    let sent = 0;
    let isBlocked = false;
    answer = async (response) => {
      response.writeHead(200, { 'content-type': EVENTS });
      for (; sent < COUNT; sent += 1) {
        isBlocked = !response.write(part);
        if (isBlocked) await new Promise((next) => response.once('drain', next));
        isBlocked = false;
      }
      response.end();
    };
    const front = await fleet.front();
    let read = (): void => undefined;
    const heard = ask(front, { readAfter: new Promise<void>((resolve) => (read = resolve)) });
    await waitUntil(() => isBlocked && front.stats().requests.unreadBytes >= 4 * 2 ** 20, 'the engine waits');
    expect(sent).to.be.below(COUNT - 1);
    read();
    await heard.ended;
    expect(heard.final).to.equal('finished');
    expect(hash(bytesOf(heard))).to.equal(hash(Buffer.concat(Array.from({ length: COUNT }, () => part))));
  });

  it('an answer that is cut off inside its length is no whole one', async () => {
    answer = async (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"a":1');
      await turn();
      response.socket?.destroy();
    };
    const heard = ask(await fleet.front(), { stream: false });
    await heard.ended;
    expect(String(bytesOf(heard))).to.equal('{"a":1');
    expect(heard.interrupted?.reason).to.equal('engine');
  });
});

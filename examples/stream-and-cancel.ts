// A front over HTTP. It streams the words of an answer as the engine makes them; a client that disconnects cancels its
// request, and the engine stops. On SIGTERM what has begun is answered to its end. Run it: npx tsx
// examples/stream-and-cancel.ts (Redis: SCHED_LUA_REDIS_URL, else localhost; port: PORT, else 8080), then:
// curl -N -d 'to be or not to be' localhost:8080

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as compute } from 'node:timers/promises';
import { Scheduler } from 'sched-lua';

interface Prompt {
  request_id: string;
  words: string[];
}

const fleet = { topic: 'stream-and-cancel', promptTokensOf: ({ words }: Prompt) => words.length };
// onRestart: what was streamed cannot be taken back, so if an engine dies half-way the request fails
const front = await Scheduler.start<Prompt, string>({ ...fleet, node: 'front', onRestart: 'fail' });
const engine = await Scheduler.start<Prompt, string>({ ...fleet, node: 'engine' });

const size = { availableBlocks: 4096, blockSize: 16, reservedOutputBlocks: 16, maxNumBatchedTokens: 8192 };
const served = engine.run(
  async function* ({ request, signal }) {
    signal.addEventListener('abort', () => console.log('stopped:', request.words[0]));
    for (const word of request.words) {
      await compute(50, undefined, { signal });
      yield `${word} `;
    }
  },
  { budget: { ...size, batch: 8 } },
);

async function answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort()); // at the end, too, when there is nothing left to cancel
  const prompt = { request_id: randomUUID(), words: (await text(incoming)).split(/\s+/) };
  for await (const { kind, output, reason } of front.submit(prompt, { signal: gone.signal })) {
    if (kind === 'failed' || kind === 'expired') throw new Error(`the request ${kind}: ${reason}`);
    if (output !== undefined && !response.write(output))
      await once(response, 'drain', { signal: gone.signal });
  }
  response.end();
}

const server = createServer((incoming, response) => {
  answer(incoming, response).catch((error: unknown) => {
    // before the first word the client is told why; later it sees that its answer was cut off
    if (response.headersSent) response.destroy();
    else response.writeHead(503).end(String(error));
  });
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on port ${(server.address() as AddressInfo).port}`);

const signalled = () => Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await signalled();
// no new ones; answers that have begun may end, for less than the 30 s that Kubernetes gives, or until the second signal
server.close();
await Promise.race([once(server, 'close'), signalled(), compute(25_000, undefined, { ref: false })]);
await Promise.all([front.close({ pending: 'cancel' }), engine.close({ drainMs: 1_000 }), served]);

/**
 * Gives a connection up when it should speak and does not: a peer that vanished sends no end of the connection (it stays
 * half-open). Bytes that move are a sign of life: what comes in, and what waited here to be sent and has left. Bytes that
 * the kernel takes at once are none.
 */
import type { Redis } from 'ioredis';

/** Looks per silence. One more than this without a sign of life, and the connection is given up. */
const LOOKS = 4;

/** What is looked at, of ioredis and of Node, that their types do not show. */
interface Inside {
  stream?: {
    bytesRead: number;
    destroy: (error: Error) => void;
    _handle?: { writeQueueSize?: number } | null;
  };
  commandQueue: { length: number };
}

/**
 * Watches a client for as long as it lives.
 *
 * @param silenceMs how long nothing may move while a command is unanswered; asked at every look, as it may change
 */
export function watchSilence(client: Redis, silenceMs: () => number): void {
  const redis = client as unknown as Inside;
  let before = { stream: redis.stream, read: 0, unsent: 0 };
  let quiet = 0;
  let timer: NodeJS.Timeout;
  const look = (): void => {
    timer = setTimeout(look, silenceMs() / LOOKS).unref();
    const { stream, commandQueue } = redis;
    const now = { stream, read: stream?.bytesRead ?? 0, unsent: stream?._handle?.writeQueueSize ?? 0 };
    const moved =
      now.stream !== before.stream ||
      now.read !== before.read ||
      (before.unsent > 0 && now.unsent !== before.unsent);
    before = now;
    // looks are counted, not ms: a process that stood still has not listened meanwhile
    quiet = moved || commandQueue.length === 0 ? 0 : quiet + 1;
    if (quiet <= LOOKS) return;
    quiet = 0;
    stream?.destroy(new Error(`Socket timeout: nothing moved for ${Math.ceil(silenceMs())} ms`));
  };
  timer = setTimeout(look, silenceMs() / LOOKS).unref();
  client.once('end', () => clearTimeout(timer));
}

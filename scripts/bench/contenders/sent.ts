/** Streams of those that have none: every chunk says of which it is. */
import { now } from '../../lib/harness/history.ts';
import { chunkOf, type Chunk, type Streams } from '../loads.ts';
import type { Place, ReaderPort, WriterPort } from './port.ts';

/** A chunk; `end`: its stream is over. */
export interface Sent extends Partial<Chunk> {
  stream: number;
  end?: true;
}

/** @param read gives what came, after a wait for some */
export function readerWith(
  { load }: Place,
  read: () => Promise<readonly Sent[]>,
  close: ReaderPort['close'],
): ReaderPort {
  const { streams } = load as Streams;
  let closed = false;
  return {
    open: (_, heard) => {
      const readAll = async (): Promise<void> => {
        for (let left = streams; left > 0;) {
          for (const sent of await read()) {
            if (sent.end) left -= 1;
            if (sent.end) heard.end(sent.stream);
            else heard.chunk(sent.stream, sent as Sent & Chunk);
          }
        }
      };
      // it may be cut off
      readAll().catch((error: unknown) => {
        if (!closed) throw error;
      });
      return Promise.resolve();
    },
    close: () => {
      closed = true;
      return close();
    },
  };
}

/** @param send takes what each stream has, in their order */
export function writerWith(
  { load }: Place,
  send: (sent: readonly Sent[]) => Promise<void>,
  close: WriterPort['close'],
): WriterPort {
  const { streams, pacedMs } = load as Streams;
  const each = (make: (stream: number) => Sent): Promise<void> =>
    send(Array.from({ length: streams }, (_, stream) => make(stream)));
  return {
    open: () => Promise.resolve(),
    send: (index) => {
      const chunk = chunkOf(index, pacedMs === undefined ? undefined : now());
      return each((stream) => ({ stream, ...chunk }));
    },
    end: () => each((stream) => ({ stream, end: true })),
    close,
  };
}

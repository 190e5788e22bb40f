/** What listens at an address that gives no connection to Redis: asked by hand, as ioredis would wait for it for ever. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { after } from '../base/clock.ts';

/** `plain` and `tls`: a server of Redis, or of anything else over TLS. undefined: it says nothing that is known. */
export type Listener = 'http' | 'plain' | 'tls' | undefined;

export interface Address {
  host: string;
  port: number;
}

/** A listener that is there says something, or takes a handshake, within this. */
const ANSWER_MS = 1_000;
/** Redis answers it with an error that is not one of the protocol, and any HTTP server with a status line. */
const QUESTION = 'GET / HTTP/1.0\r\n\r\n';
const REDIS = /^[-+:$*]/;
const HTTP = /^(HTTP\/|<)/i;

/** Never rejects. @param over ends it, with whatever is known */
export async function listenerAt(address: Address, over: AbortSignal): Promise<Listener> {
  const said = await answerOf(address, over);
  if (HTTP.test(said)) return 'http';
  if (REDIS.test(said)) return 'plain';
  return !over.aborted && (await takesTls(address, over)) ? 'tls' : undefined;
}

/** The beginning of what it answers to plain text; empty: nothing. */
function answerOf({ host, port }: Address, over: AbortSignal): Promise<string> {
  const socket = connect({ host, port });
  return asked(socket, over, '', (answer) => {
    socket.once('connect', () => socket.write(QUESTION));
    socket.once('data', (data) => answer(data.toString('latin1', 0, 16)));
  });
}

function takesTls({ host, port }: Address, over: AbortSignal): Promise<boolean> {
  // whether the certificate is a good one is another question, which ioredis asks
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  return asked(socket, over, false, (answer) => socket.once('secureConnect', () => answer(true)));
}

/** @param otherwise the answer if it breaks, ends or is silent */
function asked<T>(
  socket: Socket,
  over: AbortSignal,
  otherwise: T,
  ask: (answer: (value: T) => void) => void,
): Promise<T> {
  return new Promise((resolve) => {
    const answer = (value: T): void => {
      cancel();
      over.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(value);
    };
    const giveUp = (): void => answer(otherwise);
    const cancel = after(ANSWER_MS, giveUp);
    over.addEventListener('abort', giveUp);
    socket.on('error', giveUp).on('close', giveUp);
    ask(answer);
  });
}

/**
 * What is to be done with a call that has no result: one table for every error reply of Redis and Valkey, and for every
 * error of a connection. Pure.
 */
import { messageOf } from '../base/errors.ts';

/**
 * - `resend`: the server did not run the call, and soon will.
 * - `reconnect`: the same, but a new connection may sooner lead to a server that will.
 * - `broken`: the connection broke before the answer, and nobody knows whether the call was run.
 * - `refuse`: it was not run, and sending it again would change nothing.
 */
export type Verdict = 'resend' | 'reconnect' | 'broken' | 'refuse';

interface Row {
  verdict: Verdict;
  /** At the start nothing is lost yet: it fails at once, with this reason. */
  failsStart?: true;
}

/** By the first word of an error reply. A word that is not here is refused. */
export const REPLIES: Readonly<Record<string, Row>> = {
  // the server is busy with itself
  LOADING: { verdict: 'resend' },
  BUSY: { verdict: 'resend' },
  // the Cluster is; a client that is for one server alone refuses the last two (run-script.ts)
  TRYAGAIN: { verdict: 'resend' },
  CLUSTERDOWN: { verdict: 'resend' },
  MOVED: { verdict: 'resend' },
  ASK: { verdict: 'resend' },
  // this server may not write now. After a failover behind one address, open connections stay with the old master
  READONLY: { verdict: 'reconnect' },
  MASTERDOWN: { verdict: 'reconnect' },
  NOREPLICAS: { verdict: 'reconnect' },
  MISCONF: { verdict: 'reconnect' },
  // this connection is not let in, and the next one may be: the password is being changed, or the server was
  NOAUTH: { verdict: 'reconnect', failsStart: true },
  WRONGPASS: { verdict: 'reconnect', failsStart: true },
  DENIED: { verdict: 'reconnect', failsStart: true },
  // the server ran nothing, and would say the same again
  OOM: { verdict: 'refuse' },
  NOSCRIPT: { verdict: 'refuse' },
  NOPERM: { verdict: 'refuse' },
  CROSSSLOT: { verdict: 'refuse' },
  WRONGTYPE: { verdict: 'refuse' },
  // answers to commands that are never sent: EXEC, SCRIPT KILL, SENTINEL FAILOVER
  EXECABORT: { verdict: 'refuse' },
  UNKILLABLE: { verdict: 'refuse' },
  NOGOODSLAVE: { verdict: 'refuse' },
};

/** Replies of the kind ERR, by how they begin. */
export const ERR_REPLIES: readonly (readonly [beginning: string, Row])[] = [
  // to a connection that is just made; whatever waited for it is answered so
  ['ERR max number of clients', { verdict: 'resend' }],
  // what was sent broke a limit of the server, which closes the connection. It may be told to an earlier call
  ['ERR Protocol error', { verdict: 'broken' }],
];

const REFUSED: Row = { verdict: 'refuse' };
const BROKEN: Row = { verdict: 'broken' };

/** What ioredis says when a connection broke, or there is none. */
const OF_CONNECTIONS =
  /^(the connection broke|Connection is closed|Stream isn't writeable|Command timed out|Command aborted|Reached the max retries|Socket timeout|Failed to refresh slots|None of startup nodes|Cluster isn't ready|connect |read |write |getaddrinfo )/;
/** A Cluster client gave up following: the reason is what the last server said. */
const REDIRECTED = /^Too many Cluster redirections\. Last error: (?:\w*Error: )?/;
/** Redis before 7 puts what a command in a script answered behind a text of its own. */
const IN_SCRIPT = /^ERR Error running script .* -([A-Z]+) /s;

function rowOf(message: string): Row {
  const text = message.replace(REDIRECTED, '');
  if (OF_CONNECTIONS.test(text)) return BROKEN;
  const err = ERR_REPLIES.find(([beginning]) => text.startsWith(beginning));
  const word = IN_SCRIPT.exec(text)?.[1] ?? /^[A-Z]+/.exec(text)?.[0] ?? '';
  return err?.[1] ?? (Object.hasOwn(REPLIES, word) ? REPLIES[word]! : REFUSED);
}

export function verdictOf(error: unknown): Verdict {
  return rowOf(messageOf(error)).verdict;
}

/** At the start this is final: it is told at once, not after the time to connect. */
export function failsStart(error: unknown): boolean {
  const { verdict, failsStart: fails } = rowOf(messageOf(error));
  return verdict === 'refuse' || fails === true;
}

/** A call whose connection broke before its answer. */
export class BrokenConnection extends Error {
  /** It was written to a connection that was up. Else it was not sent, and cannot have broken anything. */
  readonly written: boolean;
  /** It was alone on its connection, while the node's other one stood. */
  isAlone = false;

  /** @param trouble of the connection: ioredis only says that it tries no more */
  constructor(cause: unknown, written: boolean, trouble?: Error) {
    const message = messageOf(cause);
    const silent = message.startsWith('Reached the max retries');
    super(silent ? `the connection broke: ${trouble?.message ?? 'the server closed it'}` : message, {
      cause,
    });
    this.written = written;
  }
}

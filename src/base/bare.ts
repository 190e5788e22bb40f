/**
 * Takes out of errors what was sent to Redis. An error of ioredis carries the command that failed, with its arguments: the
 * text of a script, the payload of a request, at the start a password. As the cause of ours it would come into every log.
 */

/** What ioredis adds to an error. */
interface Sent {
  command?: unknown;
  previousErrors?: unknown;
  lastNodeError?: unknown;
}

/** Redis names the first arguments of a command that it does not know, which may be the text of a script. */
const ARGUMENTS = /,? with args beginning with: [^]*/;

/** A text of Redis without the arguments of a command. */
export function withoutArguments(text: string): string {
  return text.replace(ARGUMENTS, '');
}

/** Takes the commands out of an error, and out of what caused it. It is changed itself. Never throws. */
export function makeBare(error: unknown, seen = new Set<unknown>()): void {
  try {
    if (!(error instanceof Error) || seen.has(error)) return;
    seen.add(error);
    const sent = error as Error & Sent;
    const { command, previousErrors, lastNodeError, cause } = sent;
    if (isCommand(command)) delete sent.command;
    if (ARGUMENTS.test(error.message)) {
      error.stack = withoutArguments(error.stack ?? '');
      error.message = withoutArguments(error.message);
    }
    const others: readonly unknown[] = Array.isArray(previousErrors) ? previousErrors : [];
    for (const one of [cause, lastNodeError, ...others]) makeBare(one, seen);
  } catch {
    // thrown by a user's code: it cannot be read or changed
  }
}

function isCommand(command: unknown): boolean {
  return typeof command === 'object' && command !== null && 'name' in command && 'args' in command;
}

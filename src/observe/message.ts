/**
 * What went wrong, for a log line or another error's message. Whatever was thrown, also by a user's code: an error that hides
 * its message, an object that cannot be a text. Never throws, and is never empty.
 */
export function messageOf(error: unknown): string {
  try {
    const message: unknown = isObject(error) ? error.message : undefined;
    if (typeof message === 'string' && message !== '') return message;
    const text = String(error);
    return text === '' ? 'an empty text' : text;
  } catch {
    return `a thrown ${typeof error} that has no message`;
  }
}

/** An error, or whatever else may have a message. */
function isObject(error: unknown): error is { message?: unknown } {
  return typeof error === 'object' && error !== null;
}

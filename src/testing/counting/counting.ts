/**
 * What the counting model says: after " 17" comes " 18", after anything else " 1", after " 999" nothing. So every right token is
 * known, also across a migration. A number with its blank is one token, every other character is one.
 */

export const LAST = 999;

/** Tokens of a text. */
export function tokensOf(text: string): string[] {
  return text.match(/ \d{1,3}(?!\d)|[^]/gu) ?? [];
}

/** The token after this one; undefined: the end. */
export function nextOf(token: string | undefined): string | undefined {
  const number = token !== undefined && /^ \d{1,3}$/.test(token) ? Number(token) : 0;
  return number === LAST ? undefined : ` ${number + 1}`;
}

/** ` 1 2 3 …`, so many numbers, from behind `after`. */
export function counted(count: number, after = 0): string {
  return Array.from({ length: count }, (_, i) => ` ${after + i + 1}`).join('');
}

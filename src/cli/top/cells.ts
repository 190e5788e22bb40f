/** Figures and texts in few characters, and how many cells of a terminal they take. */

/** `340ms`, `12.3s`, `210s`, `5.0m`, `2.5h`, `120h`: at most five characters for 11 years. */
export function short(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const of = (value: number, unit: string): string =>
    `${value < 99.95 ? value.toFixed(1) : String(Math.round(value))}${unit}`;
  if (ms < 300_000) return of(ms / 1_000, 's');
  return ms < 7_200_000 ? of(ms / 60_000, 'm') : of(ms / 3_600_000, 'h');
}

const UNITS = ['', 'k', 'M', 'G', 'T'] as const;

/** A number in at most four characters: `0`, `0.3`, `34`, `340`, `3.4k`, `34k`. */
export function figure(value: number): string {
  const size = Math.abs(value);
  const unit = size < 999.5 ? 0 : size < 999_500 ? 1 : size < 999.5e6 ? 2 : size < 999.5e9 ? 3 : 4;
  const scaled = size / 1000 ** unit;
  const text = scaled < 9.95 ? scaled.toFixed(1).replace(/\.0$/, '') : String(Math.round(scaled));
  return `${value < 0 && text !== '0' ? '-' : ''}${text}${UNITS[unit]}`;
}

/** The same with its sign. */
export function trend(value: number): string {
  return `${value < 0 ? '' : '+'}${figure(value)}`;
}

/** Letters that go over the one before, and characters without a shape. */
const NONE = /^(?:\p{M}|[\u200b-\u200d\u2060])$/u;
/** East Asian letters, and pictures. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

function cellsOfOne(character: string): number {
  if (character < '\u0300') return 1;
  if (NONE.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Cells of a terminal that a text without control characters takes. */
export function cells(text: string): number {
  let sum = 0;
  for (const character of text) sum += cellsOfOne(character);
  return sum;
}

/** Of the text so much from its beginning as fits. */
export function crop(text: string, most: number): string {
  if (text.length <= most && cells(text) <= most) return text;
  let [sum, end] = [0, 0];
  for (const character of text) {
    sum += cellsOfOne(character);
    if (sum > most) break;
    end += character.length;
  }
  return text.slice(0, end);
}

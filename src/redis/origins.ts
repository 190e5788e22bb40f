/**
 * Where the lines of an assembled script come from, as short text: an entry for each line, divided by commas. An entry is
 * `file:line` under lua/, `:line` of the file before, nothing: the line after the one before, or `-`: it is in no file.
 */
export interface Origin {
  /** Path under lua/; empty for a line that is in no file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export function encodeOrigins(lines: readonly Origin[]): string {
  let [file, next] = ['', 0];
  const entries = lines.map((one) => {
    if (one.file === '') return '-';
    const entry = one.file !== file ? `${one.file}:${one.line}` : one.line !== next ? `:${one.line}` : '';
    file = one.file;
    next = one.line + 1;
    return entry;
  });
  return entries.join(',');
}

/**
 * @param number of a line of the script, from 1
 * @returns `file:line`; undefined: there is no such line, or it is in no file
 */
export function originOf(origins: string, number: number): string | undefined {
  let [file, next] = ['', 0];
  const entries = origins.split(',').slice(0, number);
  for (const entry of entries) {
    if (entry === '-') continue;
    const [name, line] = entry.split(':');
    file = name || file;
    next = line === undefined ? next + 1 : Number(line);
  }
  return number < 1 || entries.length < number || entries.at(-1) === '-' ? undefined : `${file}:${next}`;
}

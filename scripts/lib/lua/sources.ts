import { readdirSync, readFileSync } from 'node:fs';

/** Texts of `lua/` and `lua/lib/`, by name. */
export interface Sources {
  scripts: Readonly<Record<string, string>>;
  helpers: Readonly<Record<string, string>>;
}

const folder = new URL('../../../lua/', import.meta.url);

let read: Sources | undefined;

/** The project's own, read once. */
export function sources(): Sources {
  read ??= { scripts: textsOf(folder), helpers: textsOf(new URL('lib/', folder)) };
  return read;
}

function textsOf(of: URL): Record<string, string> {
  const files = readdirSync(of).filter((file) => file.endsWith('.lua'));
  return Object.fromEntries(
    files.sort().map((file) => [file.slice(0, -4), readFileSync(new URL(file, of), 'utf8')]),
  );
}

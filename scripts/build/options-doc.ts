/** `npm run docs:options`: prints the table of options, from src/base/option-table.ts, into docs/options.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { OPTIONS, type Option } from '../../src/base/option-table.ts';

export const OPTIONS_DOC = 'docs/options.md';
const BEGIN = '<!-- options:begin -->';
const END = '<!-- options:end -->';
const HEAD = ['option', 'default', 'unit', 'allowed', 'meaning'];

/**
 * The document with the table of today between its two markers, formatted as `npm run format` leaves it.
 * @throws Error if a marker is missing
 */
export async function withOptions(document: string): Promise<string> {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${OPTIONS_DOC} lacks ${BEGIN} or ${END}`);
  const text = `${document.slice(0, begin)}${BEGIN}\n\n${optionsTable()}\n\n${document.slice(end)}`;
  return format(text, { ...(await resolveConfig(OPTIONS_DOC)), parser: 'markdown' });
}

function optionsTable(): string {
  const rows = Object.entries<Option<unknown>>(OPTIONS).map(([name, option]) => [
    `\`${name}\``,
    option.default.shown,
    option.unit ?? '',
    option.kind.allowed.replace(/\d{4,}/g, (digits) => Number(digits).toLocaleString('en-US')),
    option.meaning,
  ]);
  return [HEAD, HEAD.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(OPTIONS_DOC, await withOptions(readFileSync(OPTIONS_DOC, 'utf8')));

/** `npm run docs:options`: prints the tables of options and of their relations, from src/base/, into docs/options.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { RELATIONS } from '../../src/base/option-relations.ts';
import { OPTIONS, type Option } from '../../src/base/option-table.ts';

export const OPTIONS_DOC = 'docs/options.md';

/**
 * The document with the tables of today, each between its two markers, formatted as `npm run format` leaves it.
 * @throws Error if a marker is missing
 */
export async function withOptions(document: string): Promise<string> {
  const text = between(between(document, 'options', optionsTable()), 'relations', relationsTable());
  return format(text, { ...(await resolveConfig(OPTIONS_DOC)), parser: 'markdown' });
}

function between(document: string, name: string, table: string): string {
  const [first, last] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const [begin, end] = [document.indexOf(first), document.indexOf(last)];
  if (begin < 0 || end < begin) throw new Error(`${OPTIONS_DOC} lacks ${first} or ${last}`);
  return `${document.slice(0, begin)}${first}\n\n${table}\n\n${document.slice(end)}`;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function relationsTable(): string {
  const rows = RELATIONS.map(({ small, times, large, when, reason }) => [
    `${times} x \`${small}\` is at most \`${large}\`${when ? `, ${when.shown}` : ''}`,
    reason,
  ]);
  return tableOf(['relation', 'reason'], rows);
}

function optionsTable(): string {
  const rows = Object.entries<Option<unknown>>(OPTIONS).map(([name, option]) => [
    `\`${name}\``,
    option.default.shown,
    option.unit ?? '',
    option.kind.allowed.replace(/\d{4,}/g, (digits) => Number(digits).toLocaleString('en-US')),
    option.meaning,
  ]);
  return tableOf(['option', 'default', 'unit', 'allowed', 'meaning'], rows);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(OPTIONS_DOC, await withOptions(readFileSync(OPTIONS_DOC, 'utf8')));

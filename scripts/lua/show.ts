/** What `npm run lua` prints, as text and as JSON. */
import type { Report } from '../../src/cli/output.ts';
import { allScripts } from '../../src/redis/run-script.ts';
import type { Compiled } from '../lib/lua/compile.ts';
import type { Line } from '../lib/lua/module.ts';
import { sources } from '../lib/lua/sources.ts';
import { writtenBy } from './effects.ts';

/** Where a line comes from; empty: it is in no file. */
const originOf = ({ file, line }: Line): string => (file === '' ? '' : `lua/${file}:${line}`);

/** Every script with its size and the tables that it may write, helpers included. */
export function listing(scripts: readonly Compiled[]): Report {
  const rows = scripts.map(({ name, readable, lines }) => {
    const { bytes, sha1 } = allScripts()[name];
    const writes = writtenBy(readable.map(({ text }) => text).join('\n')).filter(
      (table) => table !== 'fresh',
    );
    return { name, lines: lines.length, bytes, sha1, writes: writes.sort() };
  });
  return {
    json: { scripts: rows },
    text: [
      `${'SCRIPT'.padEnd(14)}${'LINES'.padStart(7)}${'BYTES'.padStart(8)}  WRITES`,
      ...rows.map(
        ({ name, lines, bytes, writes }) =>
          `${name.padEnd(14)}${String(lines).padStart(7)}${String(bytes).padStart(8)}  ${writes.join(' ') || 'nothing'}`,
      ),
    ].join('\n'),
  };
}

/** A script's text, each line with its number and its origin. */
export function textOf({ name, lines }: Compiled): Report {
  const width = Math.max(...lines.map((line) => originOf(line).length));
  const digits = String(lines.length).length;
  return {
    json: {
      script: name,
      lines: lines.map((line, i) => ({ number: i + 1, origin: originOf(line), text: line.text })),
    },
    text: lines
      .map((line, i) => `${String(i + 1).padStart(digits)}  ${originOf(line).padEnd(width)}  ${line.text}`)
      .join('\n'),
  };
}

/**
 * Where one line of a script comes from, and what stands there.
 * @throws Error if the script has no such line
 */
export function lineOf({ name, lines }: Compiled, number: string): Report {
  const line = /^[1-9]\d*$/.test(number) ? lines[Number(number) - 1] : undefined;
  if (!line)
    throw new Error(`${name} has no line ${number}; allowed is an integer from 1 to ${lines.length}`);
  const origin = originOf(line);
  const source = sourceLine(line);
  return {
    json: { script: name, number: Number(number), origin, source, text: line.text },
    text:
      origin === ''
        ? `${name}:${number} is written by the assembler: ${line.text}`
        : `${name}:${number} is ${origin}: ${source.trim()}`,
  };
}

function sourceLine({ file, line }: Line): string {
  const [, helper, script] = /^(?:lib\/(\w+)|(\w+))\.lua$/.exec(file) ?? [];
  const source = helper === undefined ? sources().scripts[script ?? ''] : sources().helpers[helper];
  return source?.split('\n')[line - 1] ?? '';
}

/** What `top` shows of a report. Pure: a report, a view and a size in, lines out, of which none is wider and no more than fit. */
import { naturally } from '../../inspect/natural.ts';
import type { StatusFinding } from '../../inspect/status-report.ts';
import type { TopNode, TopReport } from '../../inspect/top-report.ts';
import { duration } from '../../base/words.ts';
import { fold, oneLine, shorten } from '../output.ts';
import { cells, crop } from './cells.ts';
import { NODE_COLUMNS, PLACE_COLUMNS, SHARD_COLUMNS, type Column } from './columns.ts';
import { headLines } from './head.ts';
import { KEYS, type Page, type View } from './view.ts';

export interface Size {
  columns: number;
  rows: number;
}

/** How a line is meant; a terminal with colours shows it. */
export type Tone = 'plain' | 'title' | 'heading' | 'bad' | 'warned' | 'faint';

export interface Line {
  text: string;
  tone: Tone;
}

export interface Picture extends Page {
  lines: Line[];
}

/** What is to be seen. */
export interface Scene {
  report: TopReport;
  view: View;
  /** ms between two looks. */
  everyMs: number;
  /** Redis does not answer: why, and for how long; the report is the last that there was. */
  trouble?: { why: string; ms: number } | undefined;
}

/** Less is not drawn: a terminal may say that it has no size at all. */
const LEAST: Size = { columns: 20, rows: 3 };
/** Findings may fill so much of the screen, and two lines at least. */
const OF_FINDINGS = 1 / 3;
const LONGEST_NAME = 40;
const NAME_CELLS = 10;
/** Titles of columns that the help explains, as far as a usual screen has room. */
const EXPLAINED = /^[QR]\.|^(ACC|FIN|CLM|IN|OUT|FAIL|LOST|BACK)\//;

const line = (text: string, tone: Tone = 'plain'): Line => ({ text, tone });

export function picture(scene: Scene, size: Size): Picture {
  const columns = Math.max(LEAST.columns, size.columns);
  const rows = Math.max(LEAST.rows, size.rows);
  const { report, view, trouble } = scene;
  const [title, ...figures] = headLines(report, scene.everyMs).map((text, i) =>
    line(text, i === 0 ? 'title' : 'plain'),
  );
  const banner = trouble
    ? folded(
        `no answer from Redis for ${duration(trouble.ms)}: ${trouble.why}; this is as of then`,
        columns,
        'bad',
      )
    : [];
  const most = Math.max(2, Math.floor(rows * OF_FINDINGS));
  const findings = findingLines(report.findings, columns, most);
  // of a small screen the table has three rows, and what is wrong comes before figures
  const room = Math.max(1, rows - 5);
  const above = [title!, ...figures, ...banner, ...findings, line('')];
  const urgent = [title!, ...banner, ...findings, ...figures];
  const shownAbove = view.help ? [title!] : above.length > room ? urgent.slice(0, room) : above;
  const height = Math.max(0, rows - shownAbove.length - 2);
  const body = view.help ? helpLines() : tableLines(scene, columns, height);
  const below = line(footOf(view, body.matching, body.rows));
  const lines = [...shownAbove, ...body.lines.slice(0, rows - shownAbove.length - 1)];
  while (lines.length < rows - 1) lines.push(line(''));
  const fitted = [...lines, below].map(({ text, tone }) => line(crop(text.trimEnd(), columns), tone));
  return { lines: fitted.slice(0, rows), rows: body.rows, height };
}

function folded(text: string, columns: number, tone: Tone): Line[] {
  const words = oneLine(text)
    .split(' ')
    .map((word) => shorten(word, Math.min(LONGEST_NAME, columns - 2)))
    .join(' ');
  return fold(words, columns)
    .split('\n')
    .map((one) => line(one, tone));
}

const TONES = { broken: 'bad', warning: 'warned', note: 'plain' } as const;

/** So many findings as fit, whole, but for the first. */
function findingLines(findings: readonly StatusFinding[], columns: number, most: number): Line[] {
  const lines: Line[] = [];
  for (const [i, { severity, text, step }] of findings.entries()) {
    const next = [
      ...folded(`${severity}: ${text}`, columns, TONES[severity]),
      ...folded(`=> ${step}`, columns, 'plain'),
    ];
    const rest = findings.length - i - 1;
    if (i > 0 && lines.length + next.length + (rest > 0 ? 1 : 0) > most)
      return [...lines, line(`and ${rest + 1} more, see sched-lua status`, 'warned')];
    lines.push(...next);
  }
  return lines.length === 0 ? [line('nothing is wrong')] : lines;
}

interface Body {
  lines: Line[];
  /** Rows of the whole table. */
  rows: number;
  /** `3 of 5 nodes`, if a filter leaves some out. */
  matching?: string;
}

function helpLines(): Body {
  const keys = KEYS.map(([key, means]) => line(`${key.padEnd(12)}  ${means}`));
  const columns = NODE_COLUMNS.filter(({ title }) => EXPLAINED.test(title)).map(({ title, means }) =>
    line(`${title.padEnd(12)}  ${means}`),
  );
  return { lines: [line('KEYS', 'heading'), ...keys, line('COLUMNS', 'heading'), ...columns], rows: 0 };
}

function tableLines({ report, view }: Scene, columns: number, height: number): Body {
  if (view.table === 'shards') {
    const isCluster = report.shards.some(({ place }) => place !== undefined);
    const all = isCluster ? [...SHARD_COLUMNS, ...PLACE_COLUMNS] : SHARD_COLUMNS;
    return drawn(all, report.shards, view, { columns, height });
  }
  const wanted = view.filter.toLowerCase();
  const nodes = report.nodes.filter(({ name }) => name.toLowerCase().includes(wanted));
  const body = drawn(NODE_COLUMNS, nodes, view, { columns, height }, toneOf);
  const matching = wanted === '' ? {} : { matching: `${nodes.length} of ${report.nodes.length} nodes` };
  return { ...body, ...matching };
}

function toneOf({ condition }: TopNode): Tone {
  if (condition === 'silent' || condition === 'down') return 'bad';
  if (condition === 'draining') return 'warned';
  return condition === 'left' ? 'faint' : 'plain';
}

function drawn<Row>(
  all: readonly Column<Row>[],
  rows: readonly Row[],
  view: View,
  room: { columns: number; height: number },
  tone: (row: Row) => Tone = () => 'plain',
): Body {
  const cellsOf = (row: Row): string[] => all.map((column) => cellOf(column, row));
  const text = new Map(rows.map((row) => [row, cellsOf(row)]));
  const widths = all.map(({ title }, at) =>
    Math.max(title.length, ...[...text.values()].map((row) => cells(row[at]!))),
  );
  const longest = widths[0]!;
  widths[0] = Math.min(longest, NAME_CELLS);
  let shown = 0;
  let used = -1;
  while (shown < all.length && used + 1 + widths[shown]! <= room.columns) used += 1 + widths[shown++]!;
  widths[0] = Math.min(longest, widths[0] + Math.max(0, room.columns - used));
  const isName = (at: number): boolean => rows.some((row) => typeof all[at]!.value(row) === 'string');
  const names = widths.map((_, at) => isName(at) || (at === 0 && rows.length === 0));
  const lineOf = (row: readonly string[]): string =>
    row
      .slice(0, shown)
      .map((cell, at) => {
        const cut = at === 0 ? shorten(cell, widths[at]!) : cell;
        const pad = ' '.repeat(Math.max(0, widths[at]! - cells(cut)));
        return names[at] ? cut + pad : pad + cut;
      })
      .join(' ');
  const ordered = inOrder(all, rows, view);
  const from = Math.max(0, Math.min(view.from, rows.length - room.height));
  const visible = ordered.slice(from, from + room.height);
  return {
    lines: [
      line(lineOf(all.map(({ title }) => title)), 'heading'),
      ...visible.map((row) => line(lineOf(text.get(row)!), tone(row))),
    ],
    rows: rows.length,
  };
}

function cellOf<Row>({ value, show }: Column<Row>, row: Row): string {
  const found = value(row);
  if (found === null) return '-';
  return typeof found === 'string' ? oneLine(found) : show(found);
}

/** What is not known comes last; what is equal stays in its order. */
function inOrder<Row>(columns: readonly Column<Row>[], rows: readonly Row[], view: View): Row[] {
  const column = columns.find(({ title }) => title === view.sort[view.table]) ?? columns[0]!;
  const isUp = column.title === 'SHARD' ? !view.reversed : view.reversed;
  const keyed = rows.map((row) => ({ row, value: column.value(row) }));
  return keyed
    .sort(({ value: a }, { value: b }) => {
      if (a === null || b === null) return Number(a === null) - Number(b === null);
      if (typeof a === 'number' && typeof b === 'number') return isUp ? a - b : b - a;
      const byName = naturally(String(a), String(b));
      return view.reversed ? -byName : byName;
    })
    .map(({ row }) => row);
}

function footOf(view: View, matching: string | undefined, rows: number): string {
  if (view.typed !== undefined)
    return `/${view.typed}_  ${matching ?? `${rows} nodes`}  Enter keep  Esc drop`;
  if (view.help) return 'any key: back  q quit';
  const way = view.reversed ? ', reversed' : '';
  const filter = matching === undefined ? '' : `/${view.filter}: ${matching}  `;
  const other = view.table === 'nodes' ? 'shards' : 'nodes';
  return `${filter}by ${view.sort[view.table]}${way}  q quit  h help  / filter  s sort  t ${other}`;
}

/** What is seen while the demo runs: a table that is repainted on a terminal, plain lines elsewhere. */
import { styleText } from 'node:util';
import { createLogUpdate } from 'log-update';
import { duration } from '../../src/cli/output.ts';
import { quantile } from '../lib/measure/statistics.ts';
import type { NodeFigures } from './figures.ts';

export interface Row extends NodeFigures {
  node: string;
  state: string;
  /** Of the requests it accepted. */
  waiting: number;
}

export interface View {
  elapsedMs: number;
  /** How long requests arrive. */
  arrivalMs: number;
  offered: number;
  rows: readonly Row[];
  /** What happened, oldest first. */
  events: readonly string[];
}

/** The screen shows the queueing delays of the last 5 s. */
export const RECENT_MS = 5_000;
const BAR = 20;
/** A picture that fits 80 columns. */
const GROUPS = ['', '', '', '', '', '', 'stolen', '', 'queueing', 'delay'];
const HEADER = ['node', 'state', 'waiting', 'running', 'accepted', 'finished', 'in', 'out', 'p50', 'p99'];

/** Paints what it is given, at its own pace. */
export interface Screen {
  /** How often it wants to be given a view, in ms. */
  readonly everyMs: number;
  show(view: View): void;
  /** The last view stays, and others may write. */
  done(): void;
}

export function openScreen(stream: NodeJS.WriteStream): Screen {
  return stream.isTTY ? repainted(stream) : lines(stream);
}

function repainted(stream: NodeJS.WriteStream): Screen {
  const update = createLogUpdate(stream);
  const colours = stream.hasColors();
  return {
    everyMs: 200,
    show: (view) => update(render(view, colours)),
    done: () => update.done(),
  };
}

function lines(stream: NodeJS.WriteStream): Screen {
  let told = 0;
  return {
    everyMs: 1_000,
    show: (view) => {
      const news = view.events.slice(told).map((event) => `   ${event}`);
      told = view.events.length;
      stream.write(`${[...news, renderLine(view)].join('\n')}\n`);
    },
    done: () => undefined,
  };
}

/** The whole picture, as lines joined by newlines. */
export function render(view: View, colours: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    colours ? styleText(style, text) : text;
  const [groups, top, ...body] = columns([
    GROUPS,
    HEADER,
    ...view.rows.map((row) => [
      row.node,
      row.state,
      ...[row.waiting, row.running, row.accepted, row.finished, row.stolenIn, row.stolenOut].map(String),
      delay(row.delays, 0.5),
      delay(row.delays, 0.99),
    ]),
  ]);
  const painted = body.map((line, i) => (view.rows[i]!.state === 'up' ? line : paint('red', line)));
  return [
    '',
    progress(view, paint),
    '',
    groups!,
    paint('bold', top!),
    ...painted,
    '',
    ...view.events.map((event) => paint('dim', event)),
  ].join('\n');
}

/** Two words to the left, figures to the right. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const pad = (cell: string, at: number): string =>
    at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!);
  return rows.map((row) => row.map(pad).join(' ').trimEnd());
}

function progress(view: View, paint: (style: 'green', text: string) => string): string {
  const { accepted, finished } = totals(view);
  const share = view.offered === 0 ? 0 : finished / view.offered;
  const full = Math.floor(share * BAR);
  const bar = paint('green', '█'.repeat(full)) + '░'.repeat(BAR - full);
  return `${clock(view)}  ${bar}  ${finished} of ${view.offered} finished, ${accepted - finished} pending`;
}

function clock({ elapsedMs, arrivalMs }: View): string {
  const of = elapsedMs < arrivalMs ? ` of ${duration(arrivalMs)}` : ', draining';
  return `${(elapsedMs / 1000).toFixed(1).padStart(5)} s${of}`;
}

/** The picture in one line. */
export function renderLine(view: View): string {
  const { accepted, finished, stolen, delays } = totals(view);
  const nodes = view.rows.map(({ node, state, waiting, running }) =>
    state === 'up' ? `${node} ${waiting}+${running}` : `${node} ${waiting} (${state})`,
  );
  return (
    `${(view.elapsedMs / 1000).toFixed(1).padStart(5)} s  accepted ${accepted}, finished ${finished}, stolen ${stolen}, ` +
    `delay p50 ${delay(delays, 0.5)} p99 ${delay(delays, 0.99)}; waiting+running: ${nodes.join(', ')}`
  );
}

function totals({ rows }: View): { accepted: number; finished: number; stolen: number; delays: number[] } {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return {
    accepted: sum((row) => row.accepted),
    finished: sum((row) => row.finished),
    stolen: sum((row) => row.stolenIn),
    delays: rows.flatMap((row) => row.delays),
  };
}

function delay(delays: readonly number[], share: number): string {
  return delays.length === 0 ? '-' : duration(quantile(delays, share));
}

/** What the keys of `top` have made of the view. Pure: a view and a key in, a view out. */
import { NODE_COLUMNS, SHARD_COLUMNS, type Column } from './columns.ts';

export interface View {
  table: 'nodes' | 'shards';
  /** Title of the column, of each table. */
  sort: { nodes: string; shards: string };
  /** Against the order that a column has of itself: numbers from the largest, names from A. */
  reversed: boolean;
  /** Names of nodes that have it in them, in any case; all if it is empty. */
  filter: string;
  /** A filter that is being typed. */
  typed: string | undefined;
  help: boolean;
  /** The first row that is shown. */
  from: number;
}

export const FIRST_VIEW: View = {
  ...{ table: 'nodes', sort: { nodes: 'WAIT', shards: 'SHARD' }, reversed: false },
  ...{ filter: '', typed: undefined, help: false, from: 0 },
};

/** As node:readline tells of it. */
export interface Key {
  name?: string | undefined;
  ctrl?: boolean | undefined;
  meta?: boolean | undefined;
  /** The character itself. */
  text?: string | undefined;
}

/** What was shown of the table. */
export interface Page {
  rows: number;
  height: number;
}

export type Pressed = View | 'quit' | 'interrupt' | 'suspend';

/** Keys for the help. */
export const KEYS: readonly (readonly [keys: string, means: string])[] = [
  ['q  Ctrl-C', 'quit'],
  ['h  ?', 'this help, and back'],
  ['/', 'nodes with a text in their names; Enter keeps it, Esc drops it'],
  ['s  S  > <', 'sort by the next column, or the one before'],
  ['n  w', 'sort by name, by what waits'],
  ['r', 'the other way round'],
  ['t  Tab', 'shards instead of nodes, and back'],
  ['arrows  j k', 'a row down, up; also Page Down and Up, Home, End'],
];

const LONGEST_FILTER = 128;

export function press(view: View, key: Key, page: Page): Pressed {
  if (key.ctrl && key.name === 'c') return 'interrupt';
  if (key.ctrl && key.name === 'z') return 'suspend';
  if (view.typed !== undefined) return type(view, view.typed, key);
  if (key.ctrl || key.meta) return view;
  if (view.help) return key.text === 'q' ? 'quit' : { ...view, help: false };
  const last = Math.max(0, page.rows - page.height);
  const to = (from: number): View => ({ ...view, from: Math.max(0, Math.min(last, from)) });
  switch (key.text) {
    case 'q':
      return 'quit';
    case 'h':
    case '?':
      return { ...view, help: true };
    case '/':
      return { ...view, table: 'nodes', typed: view.filter };
    case 's':
    case '>':
      return sorted(view, 1);
    case 'S':
    case '<':
      return sorted(view, -1);
    case 'n':
      return by(view, view.table === 'nodes' ? 'NODE' : 'SHARD');
    case 'w':
      return by(view, 'WAIT');
    case 'r':
      return { ...view, reversed: !view.reversed, from: 0 };
    case 't':
      return other(view);
    case 'j':
      return to(view.from + 1);
    case 'k':
      return to(view.from - 1);
  }
  switch (key.name) {
    case 'tab':
      return other(view);
    case 'escape':
      return { ...view, filter: '', from: 0 };
    case 'right':
      return sorted(view, 1);
    case 'left':
      return sorted(view, -1);
    case 'down':
      return to(view.from + 1);
    case 'up':
      return to(view.from - 1);
    case 'pagedown':
      return to(view.from + page.height);
    case 'pageup':
      return to(view.from - page.height);
    case 'home':
      return to(0);
    case 'end':
      return to(last);
  }
  return view;
}

function type(view: View, typed: string, { name, text, ctrl, meta }: Key): View {
  if (name === 'escape') return { ...view, typed: undefined, filter: '', from: 0 };
  if (name === 'return' || name === 'enter') return { ...view, typed: undefined, filter: typed, from: 0 };
  const next =
    name === 'backspace'
      ? typed.slice(0, -1)
      : ctrl && name === 'u'
        ? ''
        : !ctrl && !meta && text !== undefined && /^[\x20-\x7e]$/.test(text)
          ? (typed + text).slice(0, LONGEST_FILTER)
          : typed;
  return { ...view, typed: next, filter: next, from: 0 };
}

function other(view: View): View {
  return { ...view, table: view.table === 'nodes' ? 'shards' : 'nodes', from: 0 };
}

function titlesOf(table: View['table']): string[] {
  const columns: readonly Column<never>[] = table === 'nodes' ? NODE_COLUMNS : SHARD_COLUMNS;
  return columns.map(({ title }) => title);
}

function by(view: View, title: string): View {
  return { ...view, sort: { ...view.sort, [view.table]: title }, reversed: false, from: 0 };
}

function sorted(view: View, step: 1 | -1): View {
  const titles = titlesOf(view.table);
  const at = titles.indexOf(view.sort[view.table]);
  return by(view, titles[(at + step + titles.length) % titles.length]!);
}

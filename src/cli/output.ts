/** What a command hands back, and how it is printed: as text or as one JSON object, errors on stderr. */
import { messageOf, SchedulerError } from '../base/errors.ts';

export { count, duration } from '../base/words.ts';

/** Exit codes of every command. */
export const EXIT = {
  fine: 0,
  /** Something is missing, broken or does not answer. */
  failed: 1,
  /** The command was called wrongly. */
  usage: 2,
  /** Only of `doctor`, which tells it from warnings. */
  broken: 2,
  interrupted: 130,
  terminated: 143,
} as const;

/** Why a command failed. `code` is stable: those of {@link SchedulerError}, and USAGE, MISSING, BROKEN, UNSUITABLE, INTERNAL. */
export interface Failure {
  code: string;
  message: string;
  /** What to do about it. */
  hint?: string | undefined;
}

/** A failure's place in `--json` does not have it. */
interface Exit {
  /** Default: `EXIT.failed`. */
  exit?: number;
}

/** A command's answer. One with a failure ends the process with `EXIT.failed`. */
export interface Report {
  /** The `--json` object, without `ok` and `error`. */
  json: Readonly<Record<string, unknown>>;
  text: string;
  /** For people, on stderr, whether or not there was a failure. */
  note?: string | undefined;
  failure?: (Failure & Exit) | undefined;
}

export interface OutputOptions {
  /** One JSON object on stdout instead of text. */
  json?: boolean | undefined;
  /** Nothing on stdout. */
  quiet?: boolean | undefined;
}

/** Where a command writes, and the environment that it reads; `process` is one. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly stdin?: NodeJS.ReadableStream;
  readonly env: Readonly<NodeJS.ProcessEnv>;
}

/** Prints a report; resolves when it is written. */
export async function print(
  report: Report,
  { json, quiet }: OutputOptions,
  { stdout, stderr }: Terminal = process,
): Promise<void> {
  const { failure, note } = report;
  const object = {
    ok: failure === undefined,
    ...report.json,
    ...(failure && { error: { ...failure, exit: undefined } }),
  };
  const text = json ? toJson(object) : report.text;
  if (!quiet && text !== '') await write(stdout, text);
  const lines = [
    ...(note === undefined ? [] : [`note: ${note}`]),
    ...(failure === undefined ? [] : [`sched-lua: ${failure.message}`]),
    ...(failure?.hint === undefined ? [] : [`hint: ${failure.hint}`]),
  ];
  if (lines.length > 0) await write(stderr, lines.join('\n'));
}

/** Characters beside those of ASCII that steer a terminal: C1 controls, ends of lines, and what turns the direction of writing. */
const STEERING = '\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
const STEERING_IN_JSON = new RegExp(`[${STEERING}]`, 'g');
const STEERING_IN_TEXT = new RegExp(`[\\u0000-\\u001f${STEERING}]+`, 'g');

/** One line that no terminal acts on. */
export function toJson(value: unknown): string {
  const escaped = (character: string): string =>
    `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(STEERING_IN_JSON, escaped);
}

/** Resolves also when the reader has gone away; main.ts handles that error. */
function write(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((resolve) => stream.write(`${text}\n`, () => resolve()));
}

/** The user called the command wrongly; the process ends with `EXIT.usage`. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint = 'run "sched-lua --help"') {
    super(message);
    this.hint = hint;
  }
}

/** An error's report. */
export function reportOf(error: unknown): Report {
  const text = messageOf(error);
  return {
    json: {},
    text: '',
    failure: {
      code: error instanceof UsageError ? 'USAGE' : error instanceof SchedulerError ? error.code : 'INTERNAL',
      // what to give instead is a URL, and would be hidden; the hint says it
      message: withoutSecrets(oneLine(text.replace(/; give rediss?\+.*$/s, ''))),
      hint: error instanceof UsageError ? error.hint : hintFor(text),
    },
  };
}

const HINTS: readonly [RegExp, string][] = [
  [
    /NOAUTH|WRONGPASS|invalid password/,
    'give user and password in SCHED_LUA_REDIS_URL, or in SCHED_LUA_REDIS_USER and SCHED_LUA_REDIS_PASSWORD',
  ],
  [/NOPERM/, 'this Redis user lacks a right: "sched-lua acl <topic>" prints all that it needs'],
  [/DB index is out of range/, 'the number behind the / of the URL is a database: 0 to 15 as a rule'],
  [/an HTTP server answers there/, 'give the port of Redis itself, 6379 as a rule'],
  [/the server there speaks without TLS/, 'begin the URL with redis://'],
  [/the server there speaks TLS/, 'begin the URL with rediss://'],
  [
    /self-signed certificate|unable to (verify|get).* (certificate|issuer)/,
    'name the file with its CA: --tls-ca, SCHED_LUA_REDIS_TLS_CA or NODE_EXTRA_CA_CERTS',
  ],
  [/certificate has expired|does not match certificate/, 'the server needs another certificate'],
  [/this is a node of a Redis Cluster|: (MOVED|CROSSSLOT) /, 'begin the URL with redis+cluster://'],
  [/: CLUSTERDOWN /, 'look at CLUSTER INFO: a master is missing, or slots have none'],
  [
    /this is a sentinel/,
    'begin the URL with redis+sentinel:// and end it with /, and the name of the master',
  ],
  [/cluster support disabled/, 'this is a single server: begin the URL with redis://'],
  [/certificate required/, 'give a certificate: --tls-cert and --tls-key'],
  [
    /^no connection to Redis/,
    'is it running? --url or SCHED_LUA_REDIS_URL names another, --timeout waits longer',
  ],
];

function hintFor(message: string): string | undefined {
  return HINTS.find(([pattern]) => pattern.test(message))?.[1];
}

/**
 * A message without anything that may be a password in a URL, wherever the URL came from (an argument in the wrong place,
 * say). Takes out too much rather than too little: people forget to encode `/`, `@` and blanks, and long values are cut.
 */
export function withoutSecrets(message: string): string {
  return message.replace(/[^\s"'=]*:.*@/g, '***@').replace(/:\/\/[^\s"']*/g, '://***');
}

/** The text on one line, without control characters: an id may hold any character, also ones that steer a terminal. */
export function oneLine(text: string): string {
  return text.replace(STEERING_IN_TEXT, ' ').trim();
}

/**
 * Aligned columns two spaces apart; numbers to the right.
 * @param squeezed numbers of the columns that are shortened if the lines would be too long, the first one first
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  squeezed: readonly number[] = [],
): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => oneLine(String(cell))));
  const widths = header.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)));
  const isNumber = header.map((_, at) => rows.every((row) => typeof row[at] === 'number'));
  for (const at of squeezed) {
    const over = widths.reduce((sum, width) => sum + width + 2, -2) - LINE;
    if (over > 0) widths[at] = Math.min(widths[at]!, Math.max(SHORTEST, widths[at]! - over));
  }
  const pad = (cell: string, at: number): string => {
    const text = shorten(cell, widths[at]!);
    return isNumber[at] ? text.padStart(widths[at]!) : text.padEnd(widths[at]!);
  };
  return cells.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

/** Characters of a line of text for people: what is longer is folded or shortened, whatever the terminal is. */
export const LINE = 80;
/** Of a name that is shortened, so much is left. */
const SHORTEST = 12;

/** The text in lines of at most so many characters, where its words allow it; those after the first are indented. */
export function fold(text: string, most = LINE): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= most || line.trim() === '') {
      line = longer;
      continue;
    }
    lines.push(line);
    line = `  ${word}`;
  }
  return [...lines, line].join('\n');
}

/** A name of at most so many characters: its middle is left out, as names mostly differ at the end. */
export function shorten(name: string, most: number): string {
  if (name.length <= most) return name;
  const end = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - end)}…${name.slice(-end)}`;
}

/** Bytes for people and for JSON: as text if they are text, else in base64. */
export interface Shown {
  text: string;
  encoding: 'utf8' | 'base64';
}

export function shown(bytes: Uint8Array): Shown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    // a payload must not steer the terminal
    if (!/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text)) return { text, encoding: 'utf8' };
  } catch {
    // not text
  }
  return { text: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
}

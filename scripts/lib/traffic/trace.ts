/** Reads recorded request traces. Users bring the files; none is part of the project. */
import { open } from 'node:fs/promises';

/** One request of a trace. */
export interface Arrival {
  /** ms after the first arrival of the trace; not always whole. */
  atMs: number;
  /** Tokens of the prompt. */
  promptTokens: number;
  /** Tokens the model generates. */
  outputTokens: number;
}

/** Reads one line; throws an Error that says what is wrong with it. */
type LineReader = (line: string) => Arrival;

/** A point in time as it is written in a trace, to ms after an origin of the trace's own. */
type TimeReader = (text: string) => number;

/**
 * Reads a trace, line by line, into arrivals in order of time, to 100 ns; the first is at 0 ms. The format is seen from the
 * first line:
 * - `TIMESTAMP,ContextTokens,GeneratedTokens`: Azure's LLM inference traces, times with up to 9 fractional digits;
 * - `timestamp_ms,input_length,output_length,...`: Mooncake's traces as CSV, times in ms;
 * - an object a line with `timestamp` (ms), `input_length` and `output_length`: Mooncake's traces as published.
 *
 * Other columns and fields (`hash_ids`) are not looked at.
 *
 * @throws an Error `file:line: what is wrong`, or the file system's
 */
export async function readTrace(file: string): Promise<Arrival[]> {
  const arrivals: Arrival[] = [];
  const handle = await open(file);
  let lineNumber = 0;
  try {
    let read: LineReader | undefined;
    for await (const raw of handle.readLines({ encoding: 'utf8' })) {
      lineNumber += 1;
      const line = raw.trim(); // also of a byte order mark
      if (line === '') continue;
      if (read) {
        arrivals.push(read(line));
      } else if (line.startsWith('{')) {
        read = readMooncakeObject;
        arrivals.push(read(line));
      } else {
        read = csvReader(line);
      }
    }
    if (arrivals.length === 0) throw new Error('the trace has no requests');
  } catch (error) {
    const place = lineNumber > 0 ? `${file}:${lineNumber}` : file;
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error });
  } finally {
    await handle.close();
  }
  arrivals.sort((one, other) => one.atMs - other.atMs);
  const origin = arrivals[0]!.atMs;
  // To 100 ns, the finest there is, so that a difference shows no trace of its binary fractions.
  for (const arrival of arrivals) arrival.atMs = Math.round((arrival.atMs - origin) * 10_000) / 10_000;
  return arrivals;
}

function csvReader(header: string): LineReader {
  const names = header.split(',').map((name) => name.trim().toLowerCase());
  const azure = names.includes('contexttokens');
  const wanted = azure
    ? ['timestamp', 'contexttokens', 'generatedtokens']
    : ['timestamp_ms', 'input_length', 'output_length'];
  const [time, prompt, output] = wanted.map((name) => names.indexOf(name)) as [number, number, number];
  if (time < 0 || prompt < 0 || output < 0) {
    throw new Error(
      `unknown format; the first line must be TIMESTAMP,ContextTokens,GeneratedTokens or ` +
        `timestamp_ms,input_length,output_length,hash_ids or a JSON object, and is ${quote(header)}`,
    );
  }
  const timeOf = azure ? azureTime() : milliseconds;
  return (line) => {
    const cells = line.split(',');
    if (cells.length !== names.length) throw new Error(`${cells.length} columns instead of ${names.length}`);
    return {
      atMs: timeOf(cells[time]!),
      promptTokens: tokens(names[prompt]!, digits(cells[prompt]!)),
      outputTokens: tokens(names[output]!, digits(cells[output]!)),
    };
  };
}

function readMooncakeObject(line: string): Arrival {
  const row = JSON.parse(line) as Record<string, unknown> | null;
  if (typeof row !== 'object' || row === null)
    throw new Error(`a JSON object is expected, not ${quote(line)}`);
  if (typeof row.timestamp !== 'number') throw new Error(`timestamp must be a number of ms: ${quote(line)}`);
  return {
    atMs: row.timestamp,
    promptTokens: tokens('input_length', row.input_length),
    outputTokens: tokens('output_length', row.output_length),
  };
}

/**
 * Times such as `2023-11-16 18:15:46.6805900`, to ms after the second of the first one read: a double does not hold
 * both a date and its seventh fractional digit.
 */
function azureTime(): TimeReader {
  const pattern = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$/;
  let originMs: number | undefined;
  return (text) => {
    const [, date, time, fraction = '', zone = 'Z'] = pattern.exec(text.trim()) ?? [];
    const wholeMs = Date.parse(`${String(date)}T${String(time)}${zone}`);
    if (Number.isNaN(wholeMs))
      throw new Error(`TIMESTAMP must look like 2023-11-16 18:15:46.68059: ${quote(text)}`);
    originMs ??= wholeMs;
    // In 100 ns first, as Azure writes them, so that the sum is exact.
    return ((wholeMs - originMs) * 10_000 + Math.round(Number(`0${fraction}`) * 10_000_000)) / 10_000;
  };
}

function milliseconds(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new Error(`timestamp_ms must be a number of ms: ${quote(text)}`);
  return value;
}

/** A CSV cell of digits to its number; anything else stays as it is, to be refused and quoted. */
function digits(text: string): number | string {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : text;
}

function tokens(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  throw new Error(`${name} must be a whole number of tokens: ${quote(value)}`);
}

/** The beginning of a bad value: a line of a trace can be long. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return 'missing';
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

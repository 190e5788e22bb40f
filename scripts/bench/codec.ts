/**
 * `npm run bench -- codec`: what the codec `tokens` costs beside JSON, by turns, without Redis. Encoded and decoded as by a
 * scheduler: a payload is kept while its request is pending, and what is decoded was cut out of a larger memory.
 */
import { copyOf, toBuffer } from '../../src/base/codec.ts';
import { table } from '../../src/cli/output.ts';
import { jsonCodec, tokensCodec, type Codec } from '../../src/index.ts';
import { median } from '../lib/measure/statistics.ts';
import { writeMeasurements } from '../lib/measure/write.ts';
import { integer, list, parse } from '../lib/tool/arguments.ts';
import { newTool } from '../lib/tool/usage.ts';

interface Options {
  json: boolean;
  write: boolean;
  tokens: number[];
  rounds: number;
  ms: number;
}

/** Different prompts in one run. */
const PROMPTS = 64;
const VOCABULARY = 128_000;

/** Requests in flight at a time. */
const IN_FLIGHT = 64;

/** How a prompt is given to which codec: as a typed array, or as a plain one that the codec packs. */
const SIDES = {
  json: { codec: jsonCodec(), isTyped: false },
  typed: { codec: tokensCodec(), isTyped: true },
  plain: { codec: tokensCodec({ fields: ['prompt_token_ids'] }), isTyped: false },
} as const;
type Side = keyof typeof SIDES;
const STEPS = ['encode', 'decode'] as const;
type Step = (typeof STEPS)[number];

/** Of JSON's time, by the time of a side: how many times it is cheaper. */
interface Ratio {
  side: Exclude<Side, 'json'>;
  step: Step | 'both';
  ratio: number;
  least: number;
  most: number;
}

interface Run {
  tokens: number;
  bytes: Record<Side, number>;
  ratios: Ratio[];
}

export function parseCodecOptions(args: readonly string[]): Options | undefined {
  const program = newTool({
    name: 'bench',
    description: 'Measures the codec tokens against JSON, by turns, in one run.',
    fine: 'measured',
    failed: 'a run failed',
    redis: 'none is used',
    measures: true,
  })
    .name('npm run bench -- codec')
    .option('--tokens <n,n..>', 'prompt lengths', list(integer(0, 1_000_000)), [400, 4000, 32_000])
    .option('--rounds <n>', 'rounds of each, by turns', integer(1, 1000), 15)
    .option('--ms <n>', 'ms of CPU of one round of one step of one side', integer(1, 10_000), 50);
  return parse(program, args.slice(1))?.opts<Options>();
}

export function benchCodec(options: Options): Promise<boolean> {
  const runs = options.tokens.map((tokens) => measure(tokens, options));
  const text = textOf(runs, options);
  process.stdout.write(`${options.json ? JSON.stringify({ rounds: options.rounds, runs }) : text}\n`);
  if (options.write) writeMeasurements('bench', text, { block: 'codec' });
  return Promise.resolve(true);
}

/** Bodies of LLM requests with prompts of so many tokens, the same ones in every run. */
function bodiesOf(tokens: number): { prompt_token_ids: number[] }[] {
  let state = tokens;
  // Park and Miller's generator: it only has to vary the digits
  const token = (): number => (state = (state * 48_271) % 2_147_483_647) % VOCABULARY;
  return Array.from({ length: PROMPTS }, (_, i) => ({
    request_id: `cmpl-${i.toString(16).padStart(32, '0')}`,
    prompt_token_ids: Array.from({ length: tokens }, token),
    sampling: { max_tokens: 512, temperature: 0.7, top_p: 0.95 },
  }));
}

function measure(tokens: number, { rounds, ms }: Options): Run {
  const plain = bodiesOf(tokens);
  const typed = plain.map((body) => ({ ...body, prompt_token_ids: Uint32Array.from(body.prompt_token_ids) }));
  const sides = (Object.keys(SIDES) as Side[]).map((side) => {
    const { isTyped, codec } = SIDES[side];
    return stepsOf(side, codec, isTyped ? typed : plain);
  });
  for (const side of sides) for (const step of STEPS) timeOf(side.steps[step], ms);
  const times = Array.from({ length: rounds }, (_, round) => {
    // each is the first as often as it is the last
    const turn = round % 2 === 0 ? sides : [...sides].reverse();
    const timed = turn.map(({ side, steps }) => {
      const [encode, decode] = STEPS.map((step) => timeOf(steps[step], ms)) as [number, number];
      return [side, { encode, decode, both: encode + decode }] as const;
    });
    return Object.fromEntries(timed) as Record<Side, Record<Step | 'both', number>>;
  });
  const ratios = (['typed', 'plain'] as const).flatMap((side) =>
    ([...STEPS, 'both'] as const).map((step): Ratio => {
      const all = times.map((time) => time.json[step] / time[side][step]);
      return { side, step, ratio: median(all), least: Math.min(...all), most: Math.max(...all) };
    }),
  );
  const bytes = Object.fromEntries(sides.map(({ side, bytes }) => [side, bytes])) as Run['bytes'];
  return { tokens, bytes, ratios };
}

/** What is timed; each keeps what it made of the last requests. */
function stepsOf(side: Side, codec: Codec<unknown>, bodies: readonly unknown[]) {
  const kept: unknown[] = Array.from({ length: IN_FLIGHT });
  const received = bodies.map((body, i) => cutOut(toBuffer(codec.encode(body) as string | Buffer), i));
  const steps: Record<Step, (i: number) => void> = {
    encode: (i) => (kept[i % IN_FLIGHT] = codec.encode(bodies[i % bodies.length])),
    // a claim gives its codec bytes of its own
    decode: (i) => (kept[i % IN_FLIGHT] = codec.decode(copyOf(received[i % received.length]!))),
  };
  return { side, steps, bytes: received[0]!.length };
}

/** As it comes off the wire, behind other bytes, wherever they end. */
function cutOut(bytes: Buffer, at: number): Buffer {
  return Buffer.concat([Buffer.alloc(1 + (at % 8)), bytes, Buffer.alloc(8)]).subarray(1 + (at % 8), -8);
}

/**
 * µs of CPU of one, those of the garbage collector among them: what others do on this machine does not count. As many run first, so
 * that what the side before left is collected in their time.
 */
function timeOf(step: (i: number) => void, ms: number): number {
  run(step, ms);
  return run(step, ms);
}

function run(step: (i: number) => void, ms: number): number {
  const before = process.cpuUsage();
  let [i, micros] = [0, 0];
  while (micros < 1000 * ms) {
    for (const end = i + 64; i < end; i += 1) step(i);
    const { user, system } = process.cpuUsage(before);
    micros = user + system;
  }
  return micros / i;
}

function textOf(runs: readonly Run[], { rounds }: Options): string {
  const rows = runs.flatMap(({ tokens, bytes, ratios }) =>
    ratios.map(({ side, step, ratio, least, most }) => [
      ...[tokens, side, bytes.json, bytes[side], step],
      ...[ratio.toFixed(1), `(${least.toFixed(1)} - ${most.toFixed(1)})`],
    ]),
  );
  return [
    `How many times the codec tokens is cheaper than JSON; medians of ${rounds} rounds by turns.`,
    'typed: prompts are a Uint32Array; plain: arrays of numbers, in a field that the codec is told of.',
    table(['tokens', 'prompts', 'bytes of JSON', 'bytes', 'step', 'ratio', '(min - max)'], rows),
  ].join('\n');
}

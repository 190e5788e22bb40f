/** Every option that is a number or a word, at its extremes, alone, in pairs, and packed into whole configurations. */
import { ConfigError } from '../../src/base/errors.ts';
import { OPTIONS, type Option } from '../../src/base/option-table.ts';
import type { AnySettings } from '../../src/base/option-kinds.ts';
import type { SchedulerOptions } from '../../src/base/options.ts';
import { settle } from '../../src/base/settle.ts';

/** One option at one value. `waitReplicas` is the object that it is. */
export interface Choice {
  readonly option: keyof SchedulerOptions;
  readonly value: unknown;
}

const WORDS: Partial<Record<keyof SchedulerOptions, readonly string[]>> = {
  policy: ['oldest', 'lucky', 'none'],
  loadUnit: ['requests', 'tokens'],
  onRestart: ['restart', 'fail'],
  onOwnerLoss: ['finish', 'abort'],
  deadLetter: ['lost', 'failed', 'all'],
};

/** Every option with the values to try: the least and the most of a number, each word. */
export const CHOICES: readonly (readonly Choice[])[] = (
  Object.entries<Option<unknown>>(OPTIONS) as [keyof SchedulerOptions, Option<unknown>][]
).flatMap(([option, { kind }]) => {
  const values = kind.range ?? WORDS[option] ?? [];
  return values.length === 0 ? [] : [values.map((value) => ({ option, value }))];
});

/** The least and the most that `waitReplicas.timeoutMs` may be. */
export const WAITS: readonly Choice[] = [1, 2 ** 31 - 1].map((timeoutMs) => ({
  option: 'waitReplicas',
  value: { replicas: 1, timeoutMs },
}));

/** Each pair of different options at each pair of values. */
export function* pairs(of: readonly (readonly Choice[])[]): Generator<[Choice, Choice]> {
  for (const [i, one] of of.entries())
    for (const other of of.slice(i + 1)) for (const a of one) for (const b of other) yield [a, b];
}

export function optionsOf(choices: readonly Choice[]): SchedulerOptions {
  return Object.fromEntries(choices.map(({ option, value }) => [option, value]));
}

/** What becomes of these choices. */
export function tried(choices: readonly Choice[]): AnySettings | ConfigError {
  try {
    return settle(optionsOf(choices));
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** The times beside these choices, all as short as may be, all as long, or only those long that the others are held to. */
function* rests(choices: readonly Choice[]): Generator<Choice[]> {
  const free = CHOICES.filter(([first]) => /Ms$|Timeout$/.test(first!.option)).filter(
    ([first]) => !choices.some(({ option }) => option === first!.option),
  );
  yield free.map((one) => one.at(0)!);
  yield free.map((one) => one.at(-1)!);
  yield free.map((one) => one.at(['ttlMs', 'commandTimeout'].includes(one[0]!.option) ? -1 : 0)!);
}

/** The choices, and times beside them such that all stand together; undefined: they cannot. */
export function completed(choices: readonly Choice[]): Choice[] | undefined {
  for (const rest of rests(choices)) {
    const all = [...choices, ...rest];
    if (!(tried(all) instanceof ConfigError)) return all;
  }
  return undefined;
}

/**
 * Whole configurations, each of which stands, in which every pair that can stand is found at least once: greedily, as many new
 * pairs in each as there is room for.
 */
export function configurations(of: readonly (readonly Choice[])[]): Choice[][] {
  let open = [...pairs(of)].filter((pair) => completed(pair));
  const packed: Choice[][] = [];
  while (open.length > 0) {
    const one: Choice[] = [];
    for (const pair of open) {
      const fresh = pair.filter((choice) => !one.includes(choice));
      const clash = fresh.some(({ option }) => one.some((choice) => choice.option === option));
      if (!clash && fresh.length > 0 && completed([...one, ...fresh])) one.push(...fresh);
    }
    const whole = completed(one)!;
    packed.push(whole);
    open = open.filter((pair) => !pair.every((choice) => whole.includes(choice)));
  }
  return packed;
}

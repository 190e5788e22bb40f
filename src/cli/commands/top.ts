import { InvalidArgumentError, type Command } from 'commander';
import { Live, type TopOptions } from '../top/live.ts';
import { noSuchTopic } from './status.ts';
import type { Run } from '../session.ts';
import { onTopic } from '../topic.ts';

const DEFAULT_S = 2;
const SHORTEST_S = 0.1;
const LONGEST_S = 3_600;

export function addTop(program: Command, run: Run): void {
  const command = program
    .command('top')
    .summary('show a topic live, with what happens in a second')
    .description(
      'Shows what status shows, again and again, with what happens in a second: requests accepted and ended, stolen, given back, ' +
        'leases lost, and for how long requests queue and run. On a terminal h shows the keys. Without one, or with TERM=dumb, it ' +
        'prints a line each time; with --json an object a line. A Redis that goes away is waited for. Exit code 1 if there is no ' +
        'such topic at the start.',
    )
    .option('--interval <s>', 'seconds from one look to the next', secondsOf, DEFAULT_S)
    .option('--count <n>', 'end after so many looks', countOf);
  onTopic(command, run, async (topic) => {
    const { nodes, shards } = topic.registry;
    if (nodes.length === 0 && shards === 0) return noSuchTopic(topic);
    const { interval, count } = command.opts<{ interval: number; count?: number }>();
    const options: TopOptions = { everyMs: interval * 1000, count: count ?? Infinity };
    await new Live(topic, options).run();
    return undefined;
  });
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value >= SHORTEST_S && value <= LONGEST_S) return value;
  throw new InvalidArgumentError(`Allowed is a number from ${SHORTEST_S} to ${LONGEST_S}.`);
}

function countOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Allowed is an integer from 1.');
}

import type { Command } from 'commander';
import { checkTopic } from '../../base/keys.ts';
import type { Client } from '../../redis/run-script.ts';
import { verifyTopic } from '../../inspect/snapshot.ts';
import { count, oneLine, type Report } from '../output.ts';
import { readRegistry } from '../../inspect/registry.ts';
import type { Run } from '../session.ts';

export function addVerify(program: Command, run: Run): void {
  program
    .command('verify')
    .summary("check a topic's invariants")
    .description(
      'Checks on a live server that the tables of every shard of a topic agree with each other; exit code 1 and a list ' +
        'if they do not. Changes nothing. Reads everything that waits: not for every minute of the day.',
    )
    .argument('[topic]', 'the topic', 'default')
    .action((topic: string) => {
      checkTopic(topic);
      return run((client) => verify(client, topic));
    });
}

/** The invariants of every shard in use. */
export async function verify(client: Client, topic: string): Promise<Report> {
  const { shards, loadUnit } = await readRegistry(client, topic);
  const violations = await verifyTopic(client, topic);
  const lines = violations.map(({ shard, invariant, message }) =>
    oneLine(`shard ${shard}, invariant ${invariant}: ${message}`),
  );
  const fine =
    shards === 0
      ? 'no shard is in use, nothing to verify'
      : `${count(shards, 'shard')}, all invariants hold, load in ${loadUnit}`;
  return {
    json: { topic, shards, loadUnit, violations },
    text: lines.length === 0 ? `topic ${topic}: ${fine}` : lines.join('\n'),
    failure:
      lines.length === 0
        ? undefined
        : {
            code: 'BROKEN',
            message: `topic ${topic}: ${count(lines.length, 'violation')} of its invariants`,
          },
  };
}

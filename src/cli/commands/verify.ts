import type { Command } from 'commander';
import { verifyTopic } from '../../inspect/verify.ts';
import { count, oneLine, type Report } from '../output.ts';
import type { Run } from '../session.ts';
import { onTopic, type Topic } from '../topic.ts';

export function addVerify(program: Command, run: Run): void {
  const command = program
    .command('verify')
    .summary("check a topic's invariants")
    .description(
      'Checks on a live server that the tables of every shard of a topic agree with each other; exit code 1 and a list ' +
        'if they do not. Changes nothing. Reads everything that waits: not for every minute of the day.',
    );
  onTopic(command, run, verify);
}

/** The invariants of every shard in use. */
async function verify({ client, name: topic, registry }: Topic): Promise<Report> {
  const { shards, loadUnit } = registry;
  const violations = await verifyTopic(client, topic, registry);
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

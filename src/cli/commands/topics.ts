import type { Command } from 'commander';
import { listTopics } from '../../inspect/topics.ts';
import { SchedulerError } from '../../base/errors.ts';
import { table, type Report } from '../output.ts';
import type { Run, Session } from '../session.ts';

export function addTopics(program: Command, run: Run): void {
  program
    .command('topics')
    .summary('list the topics of this server')
    .description(
      'Lists the topics of this server whose nodes are registered, or were within the last day: with the names of nodes that are kept, and the ' +
        'shards in use. It reads a list that the nodes keep, at most 1,000 topics, and searches no keys.',
    )
    .action(() => run(topics));
}

/** A topic whose nodes may not write the list is not in it. */
async function topics({ client }: Session): Promise<Report> {
  const found = await listTopics(client);
  if (found === undefined)
    throw new SchedulerError('REDIS', 'topics', 'NOPERM: this user may not read the list of topics');
  return {
    json: { topics: found },
    text:
      found.length === 0
        ? 'no topics'
        : table(
            ['TOPIC', 'NODES', 'SHARDS'],
            found.map(({ topic, names, shards }) => [topic, names, shards]),
            [0],
          ),
  };
}

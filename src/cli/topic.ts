/** What the commands about one topic have in common: the argument, its check, and what the registry says. */
import type { Command } from 'commander';
import { checkTopic } from '../base/keys.ts';
import { readRegistry, type Registry } from '../inspect/registry.ts';
import type { Report } from './output.ts';
import type { Run, Session } from './session.ts';

/** The topic that a command was pointed at. */
export interface Topic extends Session {
  name: string;
  registry: Registry;
}

/**
 * Gives a command its last argument, the topic, and says what it does with that topic.
 * @param work is also given the command's other arguments, in order
 * @param arrange the arguments as they are meant, the topic last; it may throw a UsageError
 * @throws ConfigError for a bad name, before anything is connected
 */
export function onTopic(
  command: Command,
  run: Run,
  work: (topic: Topic, ...others: string[]) => Promise<Report | undefined>,
  arrange: (given: string[]) => string[] = (given) => given,
): void {
  command.argument('[topic]', 'the topic', 'default').action(() => {
    const given = arrange(command.processedArgs as string[]);
    const name = checkTopic(given.at(-1));
    return run(async (session) => {
      const registry = await readRegistry(session.client, name);
      return work({ ...session, name, registry }, ...given.slice(0, -1));
    });
  });
}

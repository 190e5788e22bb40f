/** Whether a Redis user has all its rights in a topic: each is tried by ACL DRYRUN, which runs nothing. */
import { messageOf } from '../base/errors.ts';
import { keyPatterns, wakePrefix } from '../base/keys.ts';
import { rightsOf, trialsOf, type Command, type RightsOf } from './rights.ts';
import type { Client } from './run-script.ts';
import type { Finding } from './suitability.ts';

/** @param user default: the one that asks */
export async function examineRights(client: Client, of: RightsOf, user?: string): Promise<Finding> {
  const what = 'rights';
  try {
    const name = user ?? String(await client.call('ACL', 'WHOAMI'));
    const refusals = await Promise.all(
      trialsOf(of).map((command) => refusalOf(client, name, command, of.topic)),
    );
    const missing = [...new Set(refusals.flat())].sort();
    const all = rightsOf(of).filter((rule) => /^[~&+]/.test(rule)).length;
    if (missing.length === 0) return { what, found: `${name} has the ${all} rights of the ${of.role}` };
    const lacks = `${name} lacks ${missing.join(' ')}`;
    return {
      ...{ what, found: lacks },
      trouble: {
        why: `the Redis user ${lacks}: ${of.role === 'application' ? 'nodes do not start, or work late' : 'commands fail'}`,
        remedy: `"sched-lua acl ${of.topic} --role ${of.role}" prints all that it needs`,
        command: `sched-lua acl ${of.topic} --role ${of.role} --name ${name} | redis-cli`,
        severity: 'broken',
      },
    };
  } catch (error) {
    if (/^NOPERM|unknown (sub)?command|unknown subcommand/i.test(messageOf(error)))
      return { what, found: undefined };
    throw error;
  }
}

/** The rights that are missing for a command, as words of an ACL rule. */
async function refusalOf(client: Client, user: string, command: Command, topic: string): Promise<string[]> {
  const answer = String(await client.call('ACL', 'DRYRUN', user, ...command));
  if (answer === 'OK') return [];
  const [, commandRight] = /the '([^']+)' command/.exec(answer) ?? [];
  if (commandRight !== undefined) return [`+${commandRight.toLowerCase()}`];
  if (/\bchannels?\b/.test(answer)) return [`&${wakePrefix(topic)}*`];
  const [registry, shards] = keyPatterns(topic);
  const isOfRegistry = answer.includes(`'${registry.slice(0, -1)}`);
  return [`~${isOfRegistry ? registry : shards}`];
}

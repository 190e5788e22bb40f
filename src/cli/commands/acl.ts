import { Option, type Command } from 'commander';
import { checkTopic } from '../../base/keys.ts';
import { checkFleet } from '../../openai/registry.ts';
import { ROLES, fleetRightsOf, rightsOf, type Role } from '../../redis/rights.ts';
import { UsageError, type Report } from '../output.ts';

interface AclOptions {
  role: Role;
  cluster?: boolean;
  before7?: boolean;
  name?: string;
  fleet?: string;
}

/** What Redis takes for the name of a user, of what can be seen. */
const USER = /^[\x21-\x7e]{1,128}$/;

/** @param show prints the report of a command that needs no Redis */
export function addAcl(program: Command, show: (report: Report) => Promise<void>): void {
  program
    .command('acl')
    .summary('print the smallest rule for a Redis user of a topic, or of a fleet')
    .description(
      'Prints the ACL SETUSER line that gives a Redis user what the topic needs, and takes everything else from it but its ' +
        'passwords. Asks no server. `sched-lua acl <topic> | redis-cli` applies it; in a Cluster every server needs it. ' +
        'With --fleet it is for gateways and workers: all topics of the fleet, and its models.',
    )
    .argument('[topic]', 'the topic (default: "default")')
    .addOption(roleOption())
    .option('--cluster', 'for a Redis Cluster')
    .option('--before-7', 'for Redis 6.2, which refuses a rule with commands that it does not have')
    .option('--fleet <name>', 'for the gateways and workers of a fleet, instead of a topic')
    .option('--name <user>', 'name of the user (default: <topic>-<role>, <fleet>-<role>)')
    .action((topic: string | undefined, options: AclOptions) => show(acl(topic, options)));
}

export function roleOption(): Option {
  return new Option('--role <role>', 'who the user is for').choices(ROLES).default('application');
}

/** @throws UsageError unless Redis would take it for a user's name */
export function checkUser(name: string): string {
  if (USER.test(name)) return name;
  throw new UsageError('a Redis user has 1 to 128 visible ASCII characters and no blank in its name');
}

function acl(given: string | undefined, { role, name, fleet, ...kind }: AclOptions): Report {
  if (given !== undefined && fleet !== undefined)
    throw new UsageError('a topic and --fleet are two things', 'a fleet has a topic for each model');
  const of = fleet === undefined ? { topic: checkTopic(given ?? 'default') } : { fleet: checkFleet(fleet) };
  const user = checkUser(name ?? `${of.topic ?? of.fleet}-${role}`);
  const rights =
    of.fleet === undefined
      ? rightsOf({ topic: of.topic, role, ...kind })
      : fleetRightsOf({ fleet: of.fleet, role, ...kind });
  const rules = ['on', ...rights];
  const line = `ACL SETUSER ${user} ${rules.join(' ')}`;
  return {
    json: { ...of, role, user, rules, line },
    text: line,
    note:
      `a new user has no password, and nobody can log in as it: give it one apart from this line, as #<SHA-256 in hex>. ` +
      'ACL SAVE or CONFIG REWRITE keeps the rule over a restart',
  };
}

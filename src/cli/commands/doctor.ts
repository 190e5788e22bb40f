import type { Command } from 'commander';
import { checkTopic } from '../../base/keys.ts';
import { settle } from '../../base/settle.ts';
import { examineRights } from '../../redis/dry-run.ts';
import type { Role } from '../../redis/rights.ts';
import { examine, readFacts, type Finding } from '../../redis/suitability.ts';
import { UsageError, count, table, type Report } from '../output.ts';
import { withServers, type Server } from '../servers.ts';
import type { Run } from '../session.ts';
import { checkUser, roleOption } from './acl.ts';

interface DoctorOptions {
  role: Role;
  try?: string;
}

export function addDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .summary('say whether this server suits')
    .description(
      'Looks at the settings and the state of the server that sched-lua depends on, and says what comes of each that does ' +
        'not suit and what to do; exit code 1 if there is one. With a topic also whether a Redis user has all its rights ' +
        'there, which the server is asked by ACL DRYRUN (Redis 7 or newer). Changes nothing.',
    )
    .argument('[topic]', 'the topic of the Redis user')
    .option('--try <user>', 'the Redis user (default: the one that asks)')
    .addOption(roleOption())
    .action((topic: string | undefined, options: DoctorOptions) => {
      if (topic !== undefined) checkTopic(topic);
      else if (options.try !== undefined) throw new UsageError('--try needs a topic');
      if (options.try !== undefined) checkUser(options.try);
      return run(({ client }) => withServers(client, (servers) => doctor(servers, topic, options)));
    });
}

/** What was found at one server. */
type Found = Finding & { readonly server: string };

/** Every finding at every master, and how many do not suit. */
async function doctor(
  servers: readonly Server[],
  topic: string | undefined,
  options: DoctorOptions,
): Promise<Report> {
  const masters = servers.filter(({ role }) => role === 'master');
  const findings = (await Promise.all(masters.map((server) => look(server, topic, options)))).flat();
  const troubles = findings.filter(({ trouble }) => trouble);
  const unknown = new Set(findings.filter(({ found }) => found === undefined).map(({ what }) => what));
  const isOne = masters.length === 1;
  const rows = findings.map((one): string[] => [
    ...[stateOf(one), one.what, one.found ?? 'may not be read'],
    ...(isOne ? [] : [one.server]),
  ]);
  const explained = new Set(troubles.map(({ trouble }) => `${trouble!.why}; ${trouble!.remedy}`));
  const json = findings.map((one) => ({ ...one, state: stateOf(one), found: one.found ?? null }));
  return {
    json: { findings: isOne ? json.map((one) => ({ ...one, server: undefined })) : json },
    text: [table(['STATE', 'WHAT', 'FOUND', ...(isOne ? [] : ['SERVER'])], rows), ...explained].join('\n'),
    note:
      unknown.size === 0
        ? undefined
        : `this user may not read ${[...unknown].join(', ')} (INFO, CONFIG GET; ACL DRYRUN of Redis 7)`,
    failure:
      troubles.length === 0
        ? undefined
        : {
            code: 'UNSUITABLE',
            message: `${troubles.length} of ${count(findings.length, 'finding')} not as it should be`,
          },
  };
}

async function look(
  { name, redis }: Server,
  topic: string | undefined,
  { role, try: user }: DoctorOptions,
): Promise<Found[]> {
  const facts = await readFacts(redis);
  // a scheduler with other options compares with those, at its start
  const findings = examine(facts, settle({}));
  if (topic !== undefined) {
    const cluster = /^cluster_enabled:1/m.test(facts.info ?? '');
    findings.push(await examineRights(redis, { topic, role, cluster }, user));
  }
  return findings.map((finding) => ({ ...finding, server: name }));
}

function stateOf({ found, trouble }: Finding): 'ok' | 'bad' | 'unknown' {
  if (trouble) return 'bad';
  return found === undefined ? 'unknown' : 'ok';
}

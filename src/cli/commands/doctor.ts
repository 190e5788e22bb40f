import { InvalidArgumentError, type Command } from 'commander';
import { checkTopic } from '../../base/keys.ts';
import type { Role } from '../../redis/rights.ts';
import { describeRedis } from '../../redis/source.ts';
import { checkUp, type Found } from '../checkup.ts';
import { EXIT, UsageError, count, fold, oneLine, table, type Report } from '../output.ts';
import { withServers } from '../servers.ts';
import type { Run } from '../session.ts';
import { checkUser, roleOption } from './acl.ts';

interface DoctorOptions {
  role: Role;
  try?: string;
  over: number;
  keys?: true;
  maxKeys: number;
  verify?: true;
}

const MOST_S = 3_600;
const MANY_KEYS = 1_000_000;

export function addDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .summary('say what is wrong with this server, and with a topic')
    .description(
      'Looks at the settings and the state of every server that sched-lua depends on, and says what each that is not as it should be ' +
        'means and what mends it. With a topic also whether a Redis user has all its rights there (ACL DRYRUN, Redis 7 or newer), ' +
        'what status finds, and whether its nodes and its tables agree. Exit code 1: warnings; 2: broken. Changes nothing. ' +
        'docs/doctor.md has all that it looks at.',
    )
    .argument('[topic]', 'the topic')
    .option('--try <user>', 'the Redis user (default: the one that asks)')
    .addOption(roleOption())
    .option('--over <s>', 'seconds over which the growth of memory is watched; 0: not at all', secondsOf, 1)
    .option('--keys', 'search the keys of each server for some that do not belong (SCAN)')
    .option('--max-keys <n>', 'of --keys: search no more than so many', keysOf, MANY_KEYS)
    .option('--verify', 'check the invariants also if more than 10,000 requests must be read')
    .action((topic: string | undefined, options: DoctorOptions) => {
      if (topic !== undefined) checkTopic(topic);
      else
        for (const name of ['try', 'keys', 'verify'] as const)
          if (options[name] !== undefined) throw new UsageError(`--${name} needs a topic`);
      if (options.try !== undefined) checkUser(options.try);
      const { role, try: user, over, maxKeys, verify = false } = options;
      const keys = options.keys ? maxKeys : undefined;
      return run(({ client, source }) =>
        withServers(client, async (servers) => {
          const where = describeRedis(source);
          const checkup = { topic, role, try: user, overMs: over * 1000, keys, verify };
          return reportOf(await checkUp(client, servers, where, checkup), servers.length > 1);
        }),
      );
    });
}

type State = 'ok' | 'note' | 'warning' | 'broken' | 'unknown';
const WORST = ['broken', 'warning', 'note'] as const;

function reportOf(findings: readonly Found[], isMany: boolean): Report {
  const unknown = new Set(findings.filter((one) => stateOf(one) === 'unknown').map(({ what }) => what));
  const rows = findings.map((one): string[] => [
    ...[stateOf(one), one.what, one.found ?? 'may not be read'],
    ...(isMany ? [one.server] : []),
  ]);
  const json = findings.map(({ server, ...one }) => ({
    ...one,
    ...{ state: stateOf(one), found: one.found ?? null },
    ...(isMany ? { server } : {}),
  }));
  const explained = WORST.flatMap((state) => [
    ...new Set(findings.filter((one) => stateOf(one) === state).map(told)),
  ]);
  const parts = [
    table(['STATE', 'WHAT', 'FOUND', ...(isMany ? ['SERVER'] : [])], rows),
    explained.join('\n'),
  ];
  return {
    json: { findings: json },
    text: parts.filter((part) => part !== '').join('\n\n'),
    note:
      unknown.size === 0
        ? undefined
        : `this user may not read ${[...unknown].join(', ')} (INFO, CONFIG GET, SLOWLOG; ACL DRYRUN of Redis 7)`,
    failure: failureOf(findings),
  };
}

/** What is wrong, and what mends it. */
function told(finding: Found): string {
  const { why, remedy, command } = finding.trouble!;
  const step = command === undefined ? remedy : `${remedy}: ${command}`;
  return `${fold(oneLine(`${stateOf(finding)}: ${why}`))}\n${fold(oneLine(`=> ${step}`))}`;
}

function failureOf(findings: readonly Found[]): Report['failure'] {
  const [broken, warnings] = (['broken', 'warning'] as const).map(
    (state) => findings.filter((one) => stateOf(one) === state).length,
  ) as [number, number];
  if (broken + warnings === 0) return undefined;
  const of = count(findings.length, 'finding');
  return {
    code: broken > 0 ? 'BROKEN' : 'UNSUITABLE',
    message: `${broken} broken, ${count(warnings, 'warning')} of ${of}`,
    exit: broken > 0 ? EXIT.broken : EXIT.failed,
  };
}

function stateOf({ found, trouble }: Pick<Found, 'found' | 'trouble'>): State {
  if (trouble) return trouble.severity ?? 'warning';
  return found === undefined ? 'unknown' : 'ok';
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (/^\d*\.?\d+$/.test(text) && value <= MOST_S) return value;
  throw new InvalidArgumentError(`Allowed is a number from 0 to ${MOST_S}.`);
}

function keysOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('Allowed is an integer from 1.');
}

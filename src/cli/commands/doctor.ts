import type { Command } from 'commander';
import type { Client } from '../../redis/run-script.ts';
import { settle } from '../../base/settle.ts';
import { examine, readFacts, type Finding } from '../../redis/suitability.ts';
import { count, table, type Report } from '../output.ts';
import type { Run } from '../session.ts';

export function addDoctor(program: Command, run: Run): void {
  program
    .command('doctor')
    .summary('say whether this server suits')
    .description(
      'Looks at the settings and the state of the server that sched-lua depends on, and says what comes of each that does ' +
        'not suit and what to do; exit code 1 if there is one. Changes nothing.',
    )
    .action(() => run(({ client }) => doctor(client)));
}

/** Every finding, and how many do not suit. */
async function doctor(client: Client): Promise<Report> {
  // a scheduler with other options compares with those, at its start
  const findings = examine(await readFacts(client), settle({}));
  const troubles = findings.filter(({ trouble }) => trouble);
  const unknown = findings.filter(({ found }) => found === undefined);
  const rows = findings.map((one): string[] => [stateOf(one), one.what, one.found ?? 'may not be read']);
  const explained = troubles.map(({ trouble }) => `${trouble!.why}; ${trouble!.remedy}`);
  return {
    json: { findings: findings.map((one) => ({ ...one, state: stateOf(one), found: one.found ?? null })) },
    text: [table(['STATE', 'WHAT', 'FOUND'], rows), ...explained].join('\n'),
    note:
      unknown.length === 0
        ? undefined
        : `this user may not read ${unknown.map(({ what }) => what).join(', ')} (INFO, CONFIG GET)`,
    failure:
      troubles.length === 0
        ? undefined
        : {
            code: 'UNSUITABLE',
            message: `${troubles.length} of ${count(findings.length, 'finding')} not as it should be`,
          },
  };
}

function stateOf({ found, trouble }: Finding): 'ok' | 'bad' | 'unknown' {
  if (trouble) return 'bad';
  return found === undefined ? 'unknown' : 'ok';
}

// The rule that `sched-lua acl` prints gives what the sources call, and no more: read by the compiler, which takes its time.
import { expect } from 'chai';
import { CLIENT_COMMANDS, scriptCommands } from '../../src/redis/rights.ts';
import { SCRIPT_NAMES } from '../../src/redis/declarations.ts';
import { sources } from '../../scripts/lib/lua/sources.ts';
import { commandsSent } from '../support/redis-calls.ts';
import { OPTIONAL } from '../support/whole-life.ts';

/** Rooms of src/ whose users have the rights of a whole fleet. */
const FLEETS = /^src\/(openai|gateway|worker|service|fleet)\//;
/** Rooms of src/ whose commands only the command line sends. */
const OPERATORS = /^src\/(inspect|cli)\/|^src\/redis\/dry-run\.ts$/;
/** The rule for a Cluster has them. */
const IN_CLUSTER = ['cluster|info', 'cluster|nodes', 'cluster|slots'];
/** By run-script.ts, through names that no type tells. */
const BY_NAME = ['eval', 'evalsha'];

describe('the rights of a Redis user', function () {
  this.timeout(240_000);

  it('are all that the sources call, script by script and client by client', () => {
    const { scripts, helpers } = sources();
    const called = [...Object.values(scripts), ...Object.values(helpers)].flatMap((source) =>
      [...source.matchAll(/\b(?:call|try|redis\.p?call)\('([A-Z]+)'/g)].map(([, name]) =>
        name!.toLowerCase(),
      ),
    );
    expect(scriptCommands(SCRIPT_NAMES)).to.deep.equal([...new Set(called)].sort());
    const every = commandsSent();
    const ofFleets = every.filter(({ file }) => FLEETS.test(file)).map(({ command }) => command);
    expect([...new Set(ofFleets)].sort()).to.deep.equal([...CLIENT_COMMANDS.fleet].sort());
    const sent = every.filter(({ file }) => !FLEETS.test(file));
    const [theirs, ours] = [
      sent.filter(({ file }) => OPERATORS.test(file)),
      sent.filter(({ file }) => !OPERATORS.test(file)),
    ].map((some) => some.map(({ command }) => command));
    const listed = CLIENT_COMMANDS.application;
    expect(new Set([...ours!, ...BY_NAME])).to.deep.equal(
      // MULTI does not go out of a pipeline
      new Set([...listed, ...OPTIONAL.application, 'exec']),
    );
    const all = [...ours!, ...theirs!, ...BY_NAME];
    expect(new Set(all)).to.deep.equal(
      new Set([...CLIENT_COMMANDS.operator, ...OPTIONAL.operator, 'wait', ...IN_CLUSTER]),
    );
  });
});

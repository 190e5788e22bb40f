// What every command does alike. A command that is missing here fails the first test.
import { expect } from 'chai';
import { freshTopic, redisUrl } from '../support/server.ts';
import { runCli, runCliProcess } from './support.ts';

const topic = freshTopic();
const entry = ['0:1-1', topic];
const COMMANDS: Readonly<Record<string, string[][]>> = {
  load: [['load'], ['load', '--check']],
  status: [['status', topic]],
  top: [['top', '--count', '1', topic]],
  topics: [['topics']],
  models: [['models', '--fleet', 'nobody']],
  verify: [['verify', topic]],
  dead: [['dead', 'ls', topic], ...['show', 'retry', 'drop'].map((name) => ['dead', name, ...entry])],
  doctor: [['doctor']],
  worker: [['worker', '--engine', 'http://127.0.0.1:1', '--print-config']],
  // they serve until they are told to stop: test/gateway/life.test.ts, test/fleet/node.test.ts
  gateway: [['gateway', '--print-config']],
  node: [['node', '--engine', 'http://127.0.0.1:1', '--print-config']],
};
/** What serves until it is stopped, what prints a line for another program, and what brings its own Redis (test/fleet/). */
const OTHERS = ['metrics', 'acl', 'demo'];

/** The commands that a help text lists. */
function listed(help: string): string[] {
  const lines = /\nCommands:\n((?: {2}.*\n)+)/.exec(help)![1]!.split('\n');
  return lines
    .map((line) => /^ {2}([a-z]+)/.exec(line)?.[1] ?? '')
    .filter((name) => !['', 'help'].includes(name));
}

describe('every command of sched-lua', () => {
  it('is tried here', async () => {
    expect(listed((await runCli(['--help'])).stdout)).to.have.members([...Object.keys(COMMANDS), ...OTHERS]);
    const dead = listed((await runCli(['dead', '--help'])).stdout);
    expect(dead).to.have.members(COMMANDS['dead']!.map(([, name]) => name));
  });

  for (const args of Object.values(COMMANDS).flat()) {
    const name = args.filter((word) => !entry.includes(word)).join(' ');

    it(`${name}: one JSON object with --json, nothing with --quiet, the same exit code and errors`, async () => {
      const [plain, json, quiet] = await Promise.all([
        runCliProcess(args, redisUrl()),
        ...['--json', '--quiet'].map((option) => runCli([...args, option], redisUrl())),
      ]);
      const { ok, error } = json!.json();
      expect(json!.stdout.trimEnd().split('\n')).to.have.length(1);
      expect(quiet!.stdout).to.equal('');
      for (const { code, stderr } of [plain, json!, quiet!]) {
        expect(code).to.equal(ok === true ? 0 : 1);
        if (error) expect(stderr).to.include(`sched-lua: ${error.message}\n`);
        else expect(stderr).not.to.include('sched-lua: ');
      }
      expect(error === undefined).to.equal(ok);
      if (args.includes(topic)) expect(json!.json()).to.have.property('topic', topic);
    });
  }
});

import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { fold, oneLine, shorten, table, toJson, withoutSecrets } from '../../src/cli/output.ts';
import { runCli } from './support.ts';

describe('sched-lua, called wrongly', () => {
  const cases: [what: string, args: string[], says: RegExp, hint: RegExp][] = [
    ['no command', [], /^no command given$/, /--help/],
    ['an unknown command', ['stauts'], /unknown command 'stauts'/, /^did you mean status\?$/],
    ['an unknown option', ['load', '--chek'], /unknown option '--chek'/, /^did you mean --check\?$/],
    ['an argument too many', ['load', 'x'], /too many arguments for 'load'/, /--help/],
    ['two topics', ['status', 'a', 'b'], /too many arguments for 'status'/, /--help/],
    ['an option without its value', ['status', '--url'], /'--url <url>' argument missing/, /--help/],
    ['no URL', ['status', '--url', 'localhost'], /^--url is no Redis URL$/, /redis:\/\/user:password@host/],
    ['another protocol', ['load', '--url', 'http://localhost'], /^--url is no Redis URL$/, /rediss:/],
    ['a database that is no number', ['load', '--url', 'redis://h/x'], /^--url is no Redis URL$/, /\/db/],
    ['a key prefix', ['load', '--url', 'redis://h?keyPrefix=x'], /keyPrefix is "x"/, /--help/],
    ['no timeout', ['load', '--timeout', '0'], /argument '0' is invalid.*from 1 to/, /--help/],
    ['a bad topic', ['status', 'a b'], /^topic is "a b"; allowed is 1 to 128 characters/, /--help/],
    ['a bad topic to verify', ['verify', 'a{b}'], /^topic is "a\{b\}"/, /--help/],
  ];
  for (const [what, args, says, hint] of cases) {
    it(`answers ${what} with one line, a hint and exit code 2`, async () => {
      const { code, stdout, stderr } = await runCli(args);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      const [line, second, ...more] = stderr.trimEnd().split('\n');
      expect(line?.replace(/^sched-lua: /, '')).to.match(says);
      expect(second?.replace(/^hint: /, '')).to.match(hint);
      expect(more).to.deep.equal([]);
    });
  }

  it('names SCHED_LUA_REDIS_URL when that is what is wrong', async () => {
    const { code, stderr } = await runCli(['status'], 'nonsense');
    expect([code, stderr]).to.match(/2,sched-lua: SCHED_LUA_REDIS_URL is no Redis URL/);
  });

  it('says it as one JSON object with --json, wherever that stands', async () => {
    for (const args of [
      ['--json', 'stauts'],
      ['load', '--chek', '--json'],
    ]) {
      const { code, json, stderr } = await runCli(args);
      expect(code).to.equal(2);
      expect(json()).to.have.nested.property('error.code', 'USAGE');
      expect(json().error?.hint).to.match(/did you mean/);
      expect(stderr).to.match(/^sched-lua: unknown/);
    }
  });

  const secret = 's3cr3t';
  const misplaced = [
    ['status', `redis://:${secret}${'x'.repeat(200)}@h`],
    ['load', `--ulr=redis://:${secret}@h`],
    ['load', '--timeout', `redis://:a b ${secret}@h`],
    ['load', '--url', `redis://u:1/${secret}@h`],
    [`a\n(Did you mean ${secret}:${secret}@h?)`],
  ];
  for (const args of misplaced) {
    it(`shows no password of ${JSON.stringify(args).slice(0, 60)}`, async () => {
      const { code, stdout, stderr } = await runCli([...args, '--json']);
      expect(code).to.equal(2);
      expect(stdout + stderr).not.to.include(secret);
    });
  }

  it('takes out of a message whatever may be a password in a URL', () => {
    for (const [message, left] of [
      [`'redis://:${secret}@h' is wrong`, "'***@h' is wrong"],
      [`no option --url=redis://u:${secret}/@?@h:1`, 'no option --url=***@h:1'],
      [`a :${secret}@h`, 'a ***@h'],
      [`topic is "redis://u:${secret}...", wrong`, 'topic is "redis://***", wrong'],
      [
        'no answer from 127.0.0.1:6379: connect ECONNREFUSED',
        'no answer from 127.0.0.1:6379: connect ECONNREFUSED',
      ],
    ] as const)
      expect(withoutSecrets(message)).to.equal(left);
  });
});

describe('what sched-lua prints', () => {
  const steering = [
    '\u007f',
    '\u0085',
    '\u009b2J',
    '\u061c',
    '\u200f',
    '\u2028',
    '\u202e',
    '\u2066',
    '\u2069',
  ];

  it('as JSON has no character that steers a terminal, and can be read back', () => {
    const value = { id: `a${steering.join('b')}c`, '\u202ename': ['ä', '漢', '\u001b[2J', '\u{1F600}'] };
    const text = toJson(value);
    expect(text).to.match(/^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+$/);
    expect(text).to.include('\\u009b2J').and.to.include('\\u202e').and.to.include('漢');
    expect(JSON.parse(text)).to.deep.equal(value);
  });

  it('as text has none either', () => {
    expect(oneLine(`a${steering.join('')}b\u001b\nc`)).to.equal('a 2J b c');
  });

  it('is folded at 80 columns, and names are shortened in their middle', () => {
    const lines = fold(`${'word '.repeat(40)}${'x'.repeat(90)} end`).split('\n');
    expect(lines.filter((line) => line.length > 80)).to.deep.equal([`  ${'x'.repeat(90)}`]);
    expect(lines.join(' ').replace(/ +/g, ' ')).to.equal(`${'word '.repeat(40)}${'x'.repeat(90)} end`);
    expect(shorten('a-name-of-20-letters', 20)).to.equal('a-name-of-20-letters');
    expect(shorten('a-name-of-20-letters', 9)).to.equal('a-na…ters');
    const long = table(
      ['NAME', 'N'],
      [
        ['y'.repeat(100), 5],
        ['z', 50],
      ],
      [0],
    ).split('\n');
    expect(long.map((line) => line.length)).to.deep.equal([80, 80, 80]);
    expect(long[2]).to.equal(`${'z'.padEnd(76)}  50`);
  });
});

describe('sched-lua, asked about itself', () => {
  it('prints the version of package.json', async () => {
    const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    const { code, stdout } = await runCli(['--version']);
    expect([code, stdout]).to.deep.equal([0, `${version}\n`]);
  });

  it('shows on stdout, for each command, also the options that all have', async () => {
    for (const args of [['--help'], ['help', 'load'], ['status', '-h']]) {
      const { code, stdout, stderr } = await runCli(args);
      expect([code, stderr]).to.deep.equal([0, '']);
      for (const option of ['--url <url>', '--timeout <ms>', '--json', '--quiet'])
        expect(stdout).to.include(option);
    }
  });
});

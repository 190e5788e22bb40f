// `npm run lua`: what Redis gets, and where it comes from.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { compile } from '../../scripts/lib/lua/compile.ts';
import { sources } from '../../scripts/lib/lua/sources.ts';
import { bundle } from '../support/bundle.ts';
import { allScripts } from '../../src/redis/run-script.ts';

interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

const program = fileURLToPath(await bundle(new URL('../../scripts/lua/main.ts', import.meta.url)));

async function lua(...args: string[]): Promise<Result> {
  const result = { stdout: '', stderr: '' };
  const child = execFile(process.execPath, [program, ...args], (_, stdout, stderr) =>
    Object.assign(result, { stdout, stderr }),
  );
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...result };
}

const { claim } = allScripts();

describe('npm run lua', function () {
  this.timeout(120_000);

  it('lists the scripts with their sizes and the tables that they write', async () => {
    const { code, stdout } = await lua('--json');
    const { scripts } = JSON.parse(stdout) as {
      scripts: { name: string; bytes: number; writes: string[] }[];
    };
    expect(code).to.equal(0);
    expect(scripts.map(({ name }) => name)).to.deep.equal(Object.keys(allScripts()));
    expect(scripts.find(({ name }) => name === 'claim')!.bytes).to.equal(claim.bytes);
    expect(scripts.find(({ name }) => name === 'inspect')!.writes).to.deep.equal([]);
    expect(scripts.find(({ name }) => name === 'take_results')!.writes).to.deep.equal([
      ...['calls', 'node', 'out', 'shard'],
    ]);
    expect((await lua()).stdout).to.match(/^claim +\d+ +\d+ {2}body calls .*waiting$/m);
  });

  it('prints a script as Redis gets it, with numbers and origins', async () => {
    const { code, stdout } = await lua('claim');
    const rows = stdout.trimEnd().split('\n');
    const start = rows[0]!.indexOf('local call');
    expect(code).to.equal(0);
    expect(rows.map((row) => row.slice(start)).join('\n')).to.equal(claim.text);
    expect(rows.at(-2)).to.match(
      new RegExp(`^${rows.length - 1} +lua/claim\\.lua:\\d+ +return leave\\('claim', reply\\)$`),
    );
    const { lines } = JSON.parse((await lua('claim', '--json')).stdout) as {
      lines: { number: number; origin: string; text: string }[];
    };
    expect(lines.map(({ text }) => text).join('\n')).to.equal(claim.text);
    expect(lines.map(({ number }) => number)).to.deep.equal(lines.map((_, i) => i + 1));
  });

  it('says where a line comes from, and what stands there', async () => {
    const number =
      compile('claim').lines.findIndex(
        ({ file, text }) => file === 'lib/ring.lua' && text.includes('ZREMRANGEBYSCORE'),
      ) + 1;
    const source = sources().helpers['ring']!.split('\n');
    const line = source.findIndex((text) => text.includes('ZREMRANGEBYSCORE'));
    const text = source[line]!.trim();
    expect(text).to.equal("call('ZREMRANGEBYSCORE', tables.IDLE, '-inf', format('(%d', shard.now))");
    expect((await lua('claim', '--line', String(number))).stdout).to.equal(
      `claim:${number} is lua/lib/ring.lua:${line + 1}: ${text}\n`,
    );
    const json: unknown = JSON.parse((await lua('claim', '--line', String(number), '--json')).stdout);
    expect(json).to.deep.include({ ok: true, number, origin: `lua/lib/ring.lua:${line + 1}` });
    expect((await lua('claim', '--line', '1')).stdout).to.match(
      /^claim:1 is written by the assembler: local call/,
    );
  });

  for (const [title, args, message] of [
    [
      'a script that does not exist',
      ['klaim'],
      /no script is named "klaim"; there are put_requests, claim, /,
    ],
    ['no script', ['--line', '3'], /--line needs the name of a script/],
    ['a line behind the last', ['cancel', '--line', '99999'], /cancel has no line 99999; .* from 1 to \d+/],
    ['line 0', ['cancel', '--line', '0'], /cancel has no line 0/],
    ['a line that is no number', ['cancel', '--line', '1x'], /cancel has no line 1x/],
  ] as const) {
    it(`refuses ${title}`, async () => {
      const { code, stdout, stderr } = await lua(...args);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' });
      expect(stderr).to.match(message);
    });
  }
});

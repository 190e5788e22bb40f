// The settings of the command: flags, variables and the file take the same, and nothing that is not known.
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../../src/index.ts';
import { settled, type WorkerOptions } from '../../src/worker/options.ts';
import { readWorker } from '../../src/worker/settings.ts';

describe('the options of a worker', () => {
  let folder = '';
  before(() => void (folder = mkdtempSync(join(tmpdir(), 'sched-lua-worker-'))));
  after(() => rmSync(folder, { recursive: true }));
  const read = (flags: object = {}, env: Record<string, string> = {}, file?: unknown) => {
    const config = file === undefined ? undefined : join(folder, 'config.json');
    if (config !== undefined) writeFileSync(config, JSON.stringify(file));
    return readWorker({ flags: { ...flags }, env, config });
  };
  const wrong = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError);
      return (error as ConfigError).message;
    }
    throw new Error('it was taken');
  };

  it('are read from flags, variables and a file, in this order', () => {
    const file = {
      ...{ engine: 'http://file', fleet: 'file', slots: 3, models: ['a', 'b=c'], drain: '2m' },
      listen: 'off',
    };
    const env = { SCHED_LUA_FLEET: 'env', SCHED_LUA_SLOTS: '4', SCHED_LUA_BLOCK_SIZE: '' };
    expect(read({ slots: '5', streamInterval: '250ms', probe: '1.5s' }, env, file)).to.deep.equal({
      ...{ engine: 'http://file', engineKeyFile: undefined, kind: 'auto', fleet: 'env', name: undefined },
      models: [{ name: 'a' }, { name: 'b', servedName: 'c' }],
      ...{ slots: 5, blocks: undefined, blockSize: undefined, reserveOutput: 256, maxBatchedTokens: 8_192 },
      ...{ streamInterval: 250, probe: 1_500, lease: 10_000, drain: 120_000, metricsListen: undefined },
    });
    expect(read({}, { SCHED_LUA_MODELS: 'x, org/y=z' }).models).to.deep.equal([
      { name: 'x' },
      { name: 'org/y', servedName: 'z' },
    ]);
    expect(read({ metricsListen: '[::1]:9' }).metricsListen).to.deep.equal({ host: '::1', port: 9 });
  });

  it('do not take the address of clients, which a gateway of the same environment has', () => {
    const env = { SCHED_LUA_LISTEN: '127.0.0.1:8080', SCHED_LUA_METRICS_LISTEN: '127.0.0.1:7' };
    expect(read({}, env).metricsListen).to.deep.equal({ host: '127.0.0.1', port: 7 });
    expect(read({}, { SCHED_LUA_LISTEN: '127.0.0.1:8080' }).metricsListen!.port).to.equal(9_465);
  });

  it('that a file does not know are refused by name, with the nearest', () => {
    expect(wrong(() => read({}, {}, { slot: 3 }))).to.contain('no option of the worker; did you mean slots?');
    expect(wrong(() => read({}, {}, [1]))).to.contain('a file with a JSON object');
    expect(wrong(() => read({}, {}, { slots: { a: 1 } }))).to.contain('slots in');
    expect(wrong(() => read({}, {}, { fleet: ['a'] }))).to.contain('fleet is');
    expect(wrong(() => read({}, {}, { engine: ['a'] }))).to.contain('allowed is a text');
  });

  for (const [name, value] of [
    ['slots', '-1'],
    ['slots', '0'],
    ['blocks', '1.5'],
    ['drain', '5 apples'],
    ['drain', '60000'],
    ['probe', '0s'],
    ['lease', '10ms'],
    ['kind', 'vlm'],
    ['metricsListen', '9465'],
    ['metricsListen', 'a:99999'],
    ['models', '=x'],
    ['models', 'x='],
  ] as const)
    it(`refuses ${name} ${value}`, () => {
      const flag = name.replace('sL', 's-l').replace('models', 'model');
      expect(wrong(() => read({ [name]: value }))).to.contain(`--${flag} is "${value}"; allowed is`);
    });

  for (const bad of [
    { kind: 'vlm' as never },
    { fleet: 'a:b' },
    { slots: 0 },
    { blocks: 1.5 },
    { drainMs: -1 },
    { models: [{ name: '' }] },
    { models: [{ name: 'a' }, { name: 'a', servedName: 'b' }] },
  ] satisfies Partial<WorkerOptions>[])
    it(`refuses ${JSON.stringify(bad)}`, () => {
      expect(wrong(() => settled({ engine: 'http://x', ...bad }))).to.contain(
        Object.keys(bad)[0]!.slice(0, 4),
      );
    });
});

// The options of the command: flags, variables and the file take the same, and nothing that is not known.
import { expect } from 'chai';
import { ConfigError } from '../../src/index.ts';
import { settled, type WorkerOptions } from '../../src/worker/options.ts';
import { readSettings, type Raw } from '../../src/worker/settings.ts';

describe('the options of a worker', () => {
  const wrong = (read: () => unknown): string => {
    try {
      read();
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigError);
      return (error as ConfigError).message;
    }
    throw new Error('it was taken');
  };

  it('are read from flags, variables and a file, in this order', () => {
    const file = {
      engine: 'http://file',
      fleet: 'file',
      slots: 3,
      models: ['a', 'b=c'],
      drain: '2m',
      listen: 'off',
    };
    const env = { SCHED_LUA_FLEET: 'env', SCHED_LUA_SLOTS: '4', SCHED_LUA_BLOCK_SIZE: '' };
    expect(readSettings({ slots: '5', streamInterval: '250ms', probe: '1.5s' }, env, file)).to.deep.equal({
      ...{ engine: 'http://file', fleet: 'env', slots: 5, streamInterval: 250, probe: 1_500, drain: 120_000 },
      models: [{ name: 'a' }, { name: 'b', servedName: 'c' }],
      listen: undefined,
    });
    const list = { SCHED_LUA_MODELS: 'x, org/y=z' };
    expect(readSettings({}, list, undefined).models).to.deep.equal([
      { name: 'x' },
      { name: 'org/y', servedName: 'z' },
    ]);
    expect(readSettings({ listen: '[::1]:9' }, {}, undefined).listen).to.deep.equal({ host: '::1', port: 9 });
  });

  it('that a file does not know are refused by name, with the nearest', () => {
    expect(wrong(() => readSettings({}, {}, { slot: 3 }))).to.contain('did you mean slots?');
    expect(wrong(() => readSettings({}, {}, [1]))).to.contain('allowed is an object');
    expect(wrong(() => readSettings({}, {}, { slots: { a: 1 } }))).to.contain('slots: allowed is');
    expect(wrong(() => readSettings({}, {}, { fleet: ['a'] }))).to.contain('not a list');
  });

  for (const [name, value] of [
    ['slots', '-1'],
    ['blocks', '1.5'],
    ['drain', '5 apples'],
    ['listen', '9465'],
    ['listen', 'a:99999'],
    ['models', '=x'],
    ['models', 'x='],
  ] satisfies [keyof Raw, string][])
    it(`refuses ${name} ${value}`, () => {
      expect(wrong(() => readSettings({ [name]: value }, {}, undefined))).to.contain(name);
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

// Options of the gateway: where each may be given, which wins, and what is refused; nothing secret is shown.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { PromptSizes, mediaOf } from '../../src/gateway/prompt.ts';
import { GATEWAY_SETTINGS, readGateway } from '../../src/gateway/settings.ts';
import { shownSettings } from '../../src/service/settings.ts';
import { runCli } from '../cli/support.ts';

describe('the options of the gateway', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'sched-lua-settings-'))));
  after(() => rmSync(folder, { recursive: true }));
  const file = (value: unknown): string => {
    const path = join(folder, 'config.json');
    writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
    return path;
  };
  const read = (flags: object = {}, env: Record<string, string> = {}, config?: string) =>
    readGateway({ flags: { ...flags }, env, config });

  it('are those of the command line, else of the environment, else of the file, else the defaults', () => {
    const config = file({
      queueTtl: '1s',
      drain: '2s',
      keepalive: '3s',
      keys: [{ name: 'a', sha256: 'a'.repeat(64) }],
    });
    const env = {
      SCHED_LUA_QUEUE_TTL: '10s',
      SCHED_LUA_DRAIN: '20s',
      SCHED_LUA_NO_AUTH: '1',
      SCHED_LUA_HOLD: '',
    };
    const { queueTtl, drain, keepalive, hold, noAuth, maxBody, keys } = read(
      { queueTtl: '100ms' },
      env,
      config,
    );
    expect([queueTtl, drain, keepalive, hold, noAuth, maxBody]).to.deep.equal([
      100,
      20_000,
      3_000,
      30_000,
      true,
      16_777_216,
    ]);
    expect(keys).to.have.length(1);
  });

  const bad: [string, () => unknown, RegExp][] = [
    [
      'an option that there is not',
      () => read({}, {}, file({ queuettl: '1s' })),
      /"queuettl" in .* is no option/,
    ],
    ['a file that is no JSON', () => read({}, {}, file('{"keys": secret')), /cannot be read: it is no JSON$/],
    ['a file that is not there', () => read({}, {}, join(folder, 'none')), /ENOENT/],
    ['a time without a unit', () => read({ queueTtl: '30' }), /--queue-ttl is "30"; allowed is a time/],
    ['a time of nothing', () => read({}, { SCHED_LUA_DRAIN: '0s' }), /SCHED_LUA_DRAIN/],
    ['a size that is too large', () => read({ maxBody: '1024MiB' }), /--max-body/],
    ['a port that is none', () => read({ listen: '127.0.0.1:99999' }), /--listen/],
    ['a fleet with a colon', () => read({ fleet: 'a:b' }), /fleet is "a:b"/],
    [
      'an address that others reach, without keys',
      () => read({ listen: '0.0.0.0:1' }),
      /give --keys, or --no-auth/,
    ],
    [
      'a key without a hash',
      () => read({}, {}, file({ keys: [{ name: 'a' }] })),
      /key 0 needs a name and a sha256/,
    ],
    [
      'a key in clear',
      () => read({}, {}, file({ keys: [{ name: 'a', key: 'secret' }] })),
      /key 0 has the field "key"/,
    ],
    ['an objective that is no number', () => read({}, {}, file({ objectives: { a: 'b' } })), /objectives/],
  ];
  for (const [name, act, message] of bad) {
    it(`are not ${name}`, () =>
      expect(act)
        .to.throw(message)
        .that.not.matches(/secret/));
  }

  it('are shown without the hashes of keys', async () => {
    const config = file({ keys: [{ name: 'a', sha256: 'ab'.repeat(32) }], listen: '[::1]:80' });
    expect(shownSettings(GATEWAY_SETTINGS, read({}, {}, config))).to.deep.include({
      listen: '[::1]:80',
      keys: [{ name: 'a', sha256: '***' }],
    });
    const { code, stderr } = await runCli(['gateway', '--queue-ttl', 'soon']);
    expect([code, stderr.includes('--queue-ttl is "soon"')]).to.deep.equal([2, true]);
  });

  it('go with a library that holds nothing of the gateway', async () => {
    const entryPoints = [fileURLToPath(new URL('../../src/index.ts', import.meta.url))];
    const { metafile } = await build({
      ...{ entryPoints, bundle: true, write: false, metafile: true },
      ...{ platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent' },
    });
    const files = Object.keys(metafile.inputs);
    expect(
      files.filter((name) => /src\/(gateway|worker|service|fleet|openai|cli|testing|metrics)\//.test(name)),
    ).to.deep.equal([]);
    expect(files.length).to.be.above(50);
  });
});

describe('the size of a prompt', () => {
  it('does not count what images are made of', () => {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(40_000)}` } };
    const values = { messages: [{ content: [{ type: 'text', text: 'hi' }, image] }] };
    const media = mediaOf(values);
    expect(media.count).to.equal(1);
    const tokens = new PromptSizes(1_000).estimate('m', JSON.stringify(values).length, media);
    expect(tokens).to.be.within(1_000, 1_100);
    expect(media.isRemote).to.equal(false);
    expect(mediaOf({ a: [{ type: 'image_url', image_url: { url: 'HTTPS://x' } }] }).isRemote).to.equal(true);
    expect(mediaOf({ messages: [{ content: 'see http://x' }] }).isRemote).to.equal(false);
  });

  it('comes near nine tenths of what engines counted', () => {
    const sizes = new PromptSizes(0);
    const none = { count: 0, bytes: 0, isRemote: false };
    for (let i = 0; i < 5_000; i += 1) sizes.learn('m', 1_000, none, 100 + ((i * 37) % 100));
    expect(sizes.estimate('m', 1_000, none)).to.be.within(180, 200);
  });
});

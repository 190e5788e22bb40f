import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { build } from 'esbuild';
import { useFleet } from '../support/fleet.ts';

const run = promisify(execFile);
const library = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

/** A user's program that puts a request, runs it itself and prints the result. */
const program = `
import { Scheduler } from ${JSON.stringify(library)};
const [redis, topic] = process.argv.slice(2);
const main = async () => {
  const node = await Scheduler.start({ redis, topic, node: 'bundled', onWarning: () => undefined });
  node.run(({ id }) => 'ran ' + id, {
    budget: { availableBlocks: 9, blockSize: 16, reservedOutputBlocks: 1, maxNumBatchedTokens: 99, batch: 1 },
  });
  console.log(await node.submit({ request_id: 'r', prompt_token_ids: [1, 2] }).result());
  await node.close();
};
main();
`;

describe('a bundle of the library', () => {
  const fleet = useFleet();
  let folder: string;

  before(async () => (folder = await mkdtemp(join(tmpdir(), 'sched-lua-bundle-'))));
  after(() => rm(folder, { recursive: true, force: true }));

  it('holds nothing of sched-lua/testing, of sched-lua/metrics or of the command line', async () => {
    const { metafile } = await build({
      entryPoints: [library],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
    });
    const files = Object.keys(metafile.inputs);
    expect(
      files.filter((file) =>
        /(^|\/)src\/(testing|metrics|cli)\/|testcontainers|commander|prom-client/.test(file),
      ),
    ).to.deep.equal([]);
    expect(files.filter((file) => /(^|\/)src\/scheduler\.ts$/.test(file)).length).to.equal(1);
  });

  it('of the command line holds no prom-client: it runs without that', async () => {
    const { metafile } = await build({
      entryPoints: [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))],
      ...{ bundle: true, write: false, metafile: true, platform: 'node', format: 'esm', logLevel: 'silent' },
      // an optional peer, which the demo starts a container with
      external: ['testcontainers'],
    });
    const files = Object.keys(metafile.inputs);
    expect(files.filter((file) => /prom-client|src\/metrics\/index\.ts$/.test(file))).to.deep.equal([]);
    expect(files.filter((file) => /(^|\/)src\/metrics\/topic-metrics\.ts$/.test(file))).to.have.length(1);
  });

  it('depends on nothing more: prom-client is an optional peer, loaded by sched-lua/metrics alone', async () => {
    const manifest = JSON.parse(
      await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as Record<'dependencies' | 'peerDependencies', object> & {
      peerDependenciesMeta: Record<string, object>;
      exports: Record<string, unknown>;
    };
    expect(Object.keys(manifest.dependencies)).to.deep.equal(['commander', 'crc']);
    expect(manifest.peerDependencies).to.have.property('prom-client');
    expect(manifest.peerDependenciesMeta['prom-client']).to.deep.equal({ optional: true });
    expect(manifest.exports).to.have.property('./metrics');
  });

  for (const format of ['esm', 'cjs'] as const) {
    it(`in one ${format} file runs in a folder that holds nothing else`, async () => {
      const home = await mkdtemp(join(folder, 'home-'));
      const file = join(home, format === 'esm' ? 'main.mjs' : 'main.cjs');
      const result = await build({
        stdin: { contents: program, resolveDir: folder, loader: 'js' },
        outfile: file,
        bundle: true,
        minify: true,
        platform: 'node',
        target: 'node20',
        format,
        logLevel: 'silent',
        // ioredis is CommonJS and requires what node has built in
        ...(format === 'esm'
          ? {
              banner: {
                js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
              },
            }
          : {}),
      });
      expect([...result.errors, ...result.warnings]).to.deep.equal([]);
      await writeFile(join(home, 'package.json'), '{}');
      expect((await readdir(home)).length).to.equal(2);
      const { stdout, stderr } = await run(process.execPath, [file, fleet.url, fleet.topic], { cwd: home });
      expect({ stdout, stderr }).to.deep.equal({ stdout: 'ran r\n', stderr: '' });
    });
  }
});

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
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

  it('holds nothing of sched-lua/testing or of the command line', async () => {
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
      files.filter((file) => /(^|\/)src\/(testing|cli)\/|testcontainers|commander/.test(file)),
    ).to.deep.equal([]);
    expect(files.filter((file) => /(^|\/)src\/scheduler\.ts$/.test(file)).length).to.equal(1);
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

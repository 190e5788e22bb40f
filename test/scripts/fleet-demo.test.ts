// `sched-lua demo`: its stream, its checker, which can fail, and what it leaves behind.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';
import { Client } from '../../src/fleet/demo/client.ts';
import { startCli } from '../cli/support.ts';
import { redisUrl, waitUntil } from '../support/server.ts';

describe('sched-lua demo', function () {
  this.timeout(240_000);
  const running: ReturnType<typeof startCli>[] = [];
  afterEach(() => {
    for (const { pid } of running.splice(0)) if (!isGone(pid!)) process.kill(-pid!, 'SIGKILL');
  });
  const start = (url: string | undefined, ...args: string[]) => {
    const child = startCli(args, url, { detached: true });
    running.push(child);
    return child;
  };
  /** The whole group of a process. */
  const isGone = (pid: number): boolean => {
    try {
      return !process.kill(-pid, 0);
    } catch {
      return true;
    }
  };

  it('shows that a stream survives the SIGKILL of its engine and its worker, and leaves no process', async () => {
    const child = start(redisUrl(), 'demo', '--json');
    const [said, errors] = [text(child.stdout), text(child.stderr)];
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, errors: await errors }).to.deep.equal({ code: 0, errors: '' });
    const report = JSON.parse(await said) as { kills: { what: string }[] } & Record<string, unknown>;
    expect(report).to.include({ ok: true, exact: true, tokens: 600 });
    expect(report.kills.map(({ what }) => what.replace(/\d$/, 'N'))).to.deep.equal(['engine-N', 'worker-N']);
    await waitUntil(() => isGone(child.pid!), 'its processes are gone');
  });

  it('tells tokens in a pipe, and leaves nothing after Ctrl-C: no process, and not its own Redis', async () => {
    const child = start(undefined, 'demo');
    let said = '';
    child.stdout.on('data', (data) => (said += String(data)));
    await waitUntil(() => said.includes(' 1 2 3 4 5'), 'tokens come', 120_000);
    expect(said).to.not.match(/\u001b/);
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(said)![1]);
    const exited = once(child, 'exit');
    child.kill('SIGINT');
    expect(await exited).to.deep.equal([130, null]);
    await waitUntil(() => isGone(child.pid!), 'its processes are gone');
    const socket = connect(port, '127.0.0.1');
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).to.equal('ECONNREFUSED');
  });

  it('ends with 1 and the reason if a part does not start', async () => {
    const child = start('redis://127.0.0.1:1', 'demo', '--json');
    const said = text(child.stdout);
    const [code] = (await once(child, 'close')) as [number];
    const { error } = JSON.parse(await said) as { error: { message: string } };
    expect(code).to.equal(1);
    expect(error.message).to.match(/^(gateway|worker-\d) ended at its start: .*Redis/s);
  });

  it('needs nothing that an installed package has not', async () => {
    const entryPoints = [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))];
    const { metafile } = await build({
      ...{ entryPoints, bundle: true, write: false, metafile: true, splitting: true, outdir: 'none' },
      ...{ platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent' },
    });
    const imports = Object.values(metafile.inputs).flatMap(({ imports: all }) => all);
    const packages = imports.filter(({ external, path }) => external && !path.startsWith('node:'));
    expect([...new Set(packages.map(({ path }) => path.split('/')[0]))].sort()).to.deep.equal([
      ...['commander', 'crc', 'ioredis', 'testcontainers'],
    ]);
  });

  describe('has a client that tells', () => {
    const event = (token: string | undefined, more: object = {}, id = 'a'): string => {
      const choices = [{ delta: token === undefined ? {} : { content: token }, ...more }];
      return `data: ${JSON.stringify({ id, choices })}\n\n`;
    };
    const finish = event(undefined, { finish_reason: 'length' });
    const done = 'data: [DONE]\n\n';
    const verdict = async (parts: string, status = 200): Promise<string | undefined> => {
      const server = createServer((_, response: ServerResponse) => response.writeHead(status).end(parts));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const client = new Client();
        const { port } = server.address() as AddressInfo;
        await client.run(`http://127.0.0.1:${port}`, 'm', 3, new AbortController().signal);
        return client.wrong(3);
      } finally {
        server.close();
      }
    };
    const three = event(' 1') + event(' 2') + event(' 3');

    for (const [name, parts, wrong] of [
      ['a right stream', three + finish + done, undefined],
      ['a token that is missing', event(' 1') + event(' 3') + finish + done, 'token 2 is " 3"'],
      ['a token that came twice', event(' 1') + three + finish + done, 'token 2 is " 1"'],
      ['a stream that is too short', event(' 1') + finish + done, 'it has 1 tokens, not 3'],
      ['a stream without its end', three + finish, 'it ended without [DONE]'],
      ['a second id', three + event('', {}, 'b') + finish + done, 'it has 2 ids'],
      ['a second finish', three + finish + finish + done, 'it finished 2 times'],
      [
        'an error in the stream',
        `${event(' 1')}data: {"error":{"message":"gone"}}\n\n`,
        'it ended with an error: gone',
      ],
    ] as const)
      it(name, async () => expect(await verdict(parts)).to.equal(wrong));

    it('a status', async () =>
      expect(await verdict('{}', 503)).to.equal('it ended with an error: status 503'));
  });
});

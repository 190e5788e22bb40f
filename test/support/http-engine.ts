// An engine behind a sidecar, as a process of its own: an HTTP server that answers each request after a while with its body.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const PROGRAM = `
import { createServer } from 'node:http';
const [port, ms] = process.argv.slice(1).map(Number);
const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  setTimeout(() => response.end(Buffer.concat(parts)), ms);
});
server.listen(port, '127.0.0.1', () => console.log(server.address().port));
`;

export class HttpEngine {
  #process: ChildProcess | undefined;
  #port = 0;
  readonly #ms: number;

  /** @param ms that a request takes */
  constructor(ms: number) {
    this.#ms = ms;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Also after a crash: at the same address. */
  async start(): Promise<void> {
    const args = ['--input-type=module', '-e', PROGRAM, String(this.#port), String(this.#ms)];
    this.#process = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(this.#process.stdout!, 'data')) as [Buffer];
    this.#port = Number(String(line));
  }

  /** As a crash does: its connections are gone. */
  async kill(): Promise<void> {
    const killed = this.#process;
    this.#process = undefined;
    if (killed?.kill('SIGKILL')) await once(killed, 'exit');
  }
}

/** For every test of the suite that calls this: its engines are killed after it. */
export function useHttpEngines(): (ms: number) => Promise<HttpEngine> {
  const engines: HttpEngine[] = [];
  afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.kill())));
  return async (ms) => {
    const engine = new HttpEngine(ms);
    engines.push(engine);
    await engine.start();
    return engine;
  };
}

// A node in a process of its own, that can be killed, stopped and continued.
import { isFinal } from '../../scripts/lib/harness/happenings.ts';
import { Subprocess } from '../../scripts/lib/harness/subprocess.ts';
import type { PutOptions, Result, SchedulerOptions } from '../../src/index.ts';
import { bundle } from './bundle.ts';
import { QUICK, type Fleet, type Prompt } from './fleet.ts';
import type { Calls, Happening, Message, Question } from './node-child.ts';
import { waitUntil } from './server.ts';

const program = new URL('./node-child.ts', import.meta.url);
const startMs = 50_000;

export class NodeProcess {
  /** With the suffix that made it unique. */
  name = '';
  /** Every time it began to execute a request. */
  readonly executes: { id: string; attempt: number }[] = [];
  readonly executed = new Set<string>();
  /** Requests whose signal fired. */
  readonly aborted = new Set<string>();
  /** Every time it asked its engine, as `serveBy` tells it. */
  readonly asked: (Happening & { what: 'asked' })[] = [];
  /** Ids, once for each time that it gave a request back. */
  readonly givenBack: string[] = [];
  /** What it told of its engine, in order. */
  readonly engine: ('down' | 'up')[] = [];
  /** What its `getResults` gave, per id. */
  readonly news = new Map<string, Result[]>();
  /** Why it is over: CLOSED or EVICTED. */
  over = '';
  readonly #process: Subprocess<Question, Message>;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #ready = false;
  #calls = 0;

  private constructor(program: URL) {
    this.#process = new Subprocess(program, (message) => this.#hear(message));
    void this.#process.gone.then(({ how }) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the process of ${this.name} has ended: ${how}`));
    });
  }

  static async fork(): Promise<NodeProcess> {
    return new NodeProcess(await bundle(program));
  }

  /** Asks the process; rejects with the code of the error that it met. */
  call<Name extends keyof Calls>(name: Name, ...args: Parameters<Calls[Name]>): ReturnType<Calls[Name]> {
    const call = (this.#calls += 1);
    const answer = new Promise((resolve, reject) => this.#waiting.set(call, { resolve, reject }));
    this.#process.send({ call, name, args });
    return answer as ReturnType<Calls[Name]>;
  }

  async start(options: SchedulerOptions): Promise<void> {
    await waitUntil(() => this.#ready, 'the process is up', startMs);
    this.name = await this.call('start', options);
  }

  /** Every request must be accepted. */
  async put(requests: readonly Prompt[], options: PutOptions = {}): Promise<void> {
    const refused = await this.call('put', requests, options);
    if (Object.keys(refused).length > 0) throw new Error(`${this.name} refused ${JSON.stringify(refused)}`);
  }

  /** Ids of its requests that have ended, once for each final that it was told. */
  endings(): string[] {
    return [...this.news].flatMap(([id, results]) => results.filter(isFinal).map(() => id));
  }

  /** The process stands still, its connections stay open. */
  stop(): void {
    this.#process.stop();
  }

  continue(): void {
    this.#process.continue();
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    if (this.#process.alive) this.#process.kill();
    await this.#process.gone;
  }

  #hear(message: Message): void {
    if (message.type === 'answer') {
      const waiting = this.#waiting.get(message.call);
      this.#waiting.delete(message.call);
      if (message.error === undefined) waiting?.resolve(message.value as never);
      else waiting?.reject(new Error(message.error));
    } else if (message.what === 'ready') this.#ready = true;
    else if (message.what === 'executes') this.executes.push(message);
    else if (message.what === 'executed') this.executed.add(message.id);
    else if (message.what === 'aborted') this.aborted.add(message.id);
    else if (message.what === 'asked') this.asked.push(message);
    else if (message.what === 'givenBack') this.givenBack.push(message.id);
    else if (message.what === 'engine') this.engine.push(message.state);
    else if (message.what === 'news')
      this.news.set(message.id, [...(this.news.get(message.id) ?? []), ...message.results]);
    else this.over = message.code;
  }
}

/** Starts a node of the fleet in a process of its own. */
export type StartProcess = (node: string, options?: SchedulerOptions) => Promise<NodeProcess>;

/** For every test of the suite that calls this: its processes are killed after it. */
export function useProcesses(fleet: Fleet): StartProcess {
  const processes: NodeProcess[] = [];
  afterEach(() => Promise.all(processes.splice(0).map((process) => process.kill())));
  return async (node, options = {}) => {
    const process = await NodeProcess.fork();
    processes.push(process);
    await process.start({ redis: fleet.url, topic: fleet.topic, node, ...QUICK, ...options });
    return process;
  };
}

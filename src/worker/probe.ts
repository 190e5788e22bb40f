import { sleep } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { EngineClient } from './engine-client.ts';
import type { Kind, Page } from './kinds/kind.ts';
import type { EngineRoom } from './room.ts';

/** An engine that is busy with its own work may take long to say that it lives. */
const LEAST_ANSWER_MS = 2_000;

/** Asks the engine again and again whether it lives, and what it has room for. */
export class Probe {
  readonly #engine: EngineClient;
  readonly #kind: Kind;
  readonly #room: EngineRoom;
  readonly #everyMs: number;
  readonly #warn: (message: string) => void;
  readonly #stop = new AbortController();
  #done: Promise<void> | undefined;
  #looks = 0;

  constructor(
    engine: EngineClient,
    kind: Kind,
    room: EngineRoom,
    everyMs: number,
    warn: (message: string) => void,
  ) {
    this.#engine = engine;
    this.#kind = kind;
    this.#room = room;
    this.#everyMs = everyMs;
    this.#warn = warn;
  }

  /** Looks once, and goes on. Never rejects. */
  async start(): Promise<void> {
    await this.#look();
    this.#done = this.#goOn();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #goOn(): Promise<void> {
    for (;;) {
      await sleep(this.#everyMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    const [why, pages] = await Promise.all([this.#isDown(), this.#pages()]);
    if (this.#stop.signal.aborted) return;
    const wasUp = this.#room.isUp;
    this.#room.isUp = why === undefined;
    if (why !== undefined && (wasUp || this.#looks === 0)) this.#warn(`the engine is down: ${why}`);
    if (why === undefined && !wasUp && this.#looks > 0) this.#warn('the engine is up again');
    this.#looks += 1;
    // of an engine that is down nothing is known: what was known before is as good as anything
    if (why === undefined) this.#room.correct(this.#kind.read(pages.texts), pages.before);
  }

  /** Why; undefined: it is up. */
  async #isDown(): Promise<string | undefined> {
    const { health } = this.#kind;
    try {
      const { status } = await this.#engine.get(health, this.#answerMs);
      return status === 200 ? undefined : `${health} answers ${status}`;
    } catch (error) {
      return messageOf(error);
    }
  }

  async #pages(): Promise<{ texts: Page[]; before: EngineRoom['own'] }> {
    const before = this.#room.own;
    return { before, texts: await pagesOf(this.#engine, this.#kind.pages, this.#answerMs) };
  }

  get #answerMs(): number {
    return Math.max(LEAST_ANSWER_MS, this.#everyMs);
  }
}

/** The bodies of the pages that answer with 200. Never rejects. */
export function pagesOf(engine: EngineClient, paths: readonly string[], ms: number): Promise<Page[]> {
  return Promise.all(
    paths.map(async (path) => {
      const answer = await engine.get(path, ms).catch(() => undefined);
      return answer?.status === 200 ? answer.text : undefined;
    }),
  );
}

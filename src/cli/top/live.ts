/** Looks at a topic again and again, and shows it: on a screen with keys, as plain lines, or as lines of JSON. */
import { once } from 'node:events';
import { monotonic, sleep } from '../../base/clock.ts';
import { SchedulerError } from '../../base/errors.ts';
import { Comparison } from '../../inspect/rates.ts';
import { readRegistry } from '../../inspect/registry.ts';
import { readStatus } from '../../inspect/read-status.ts';
import type { TopReport } from '../../inspect/top-report.ts';
import { whenReady } from '../../redis/connection.ts';
import { describeRedis } from '../../redis/source.ts';
import { catchStop, interrupt } from '../interrupt.ts';
import { duration, oneLine, withoutSecrets, type Failure } from '../output.ts';
import { isScreen } from '../session.ts';
import type { Topic } from '../topic.ts';
import { plainLine } from './head.ts';
import { picture } from './picture.ts';
import { Screen } from './screen.ts';
import { FIRST_VIEW, press, type Key, type Page, type View } from './view.ts';

export interface TopOptions {
  everyMs: number;
  /** Looks; Infinity: until it is ended. */
  count: number;
}

/** The trouble that is shown says for how long it lasts. */
const WORSE_EVERY_MS = 1_000;
/** A screen does not wait for the end of a look that takes so long. */
const LATE_MS = 2_000;

/** Why there is no report, and since when. */
interface Trouble extends Failure {
  since: number;
}

export class Live {
  readonly #topic: Topic;
  readonly #options: TopOptions;
  readonly #comparison = new Comparison();
  readonly #over: AbortSignal;
  readonly #quit = new AbortController();
  readonly #ended: Promise<unknown>;
  readonly #screen: Screen | undefined;
  #view: View = FIRST_VIEW;
  #page: Page = { rows: 0, height: 0 };
  #report: TopReport | undefined;
  #trouble: Trouble | undefined;
  /** When Redis answered last. */
  #heardAt = monotonic();
  /** When the look began that is under way. */
  #lookingSince: number | undefined;

  constructor(topic: Topic, options: TopOptions) {
    this.#topic = topic;
    this.#options = options;
    this.#over = AbortSignal.any([catchStop(), this.#quit.signal]);
    this.#ended = once(this.#over, 'abort');
    if (hasScreen(topic)) this.#screen = this.#makeScreen();
  }

  /** Resolves when it is ended: by a key, a signal, or as all looks are done. */
  async run(): Promise<void> {
    const { client } = this.#topic;
    const gone = (): void => this.#lost('the connection broke');
    // a screen says it at once, the next look may take a while to notice
    if (this.#screen) client.on('close', gone);
    const isOver = (): boolean => this.#over.aborted;
    const worse = setInterval(() => this.#worsen(), WORSE_EVERY_MS);
    this.#screen?.open();
    try {
      for (let n = 1; ; n += 1) {
        const from = monotonic();
        // who ends it does not wait for a server that hangs
        await Promise.race([this.#look(), this.#ended]);
        if (isOver()) return;
        await this.#show();
        if (n >= this.#options.count) return;
        const { everyMs } = this.#options;
        // a server that is slow to answer is not asked all the time
        await sleep(Math.max(everyMs / 2, everyMs - (monotonic() - from)), this.#over);
        if (isOver()) return;
      }
    } finally {
      clearInterval(worse);
      client.off('close', gone);
      this.#screen?.close();
    }
  }

  async #look(): Promise<void> {
    const { client, name: topic, source, failed } = this.#topic;
    const server = describeRedis(source);
    this.#lookingSince = monotonic();
    try {
      if (whenReady(client)) throw new SchedulerError('REDIS', 'top', `no connection to Redis at ${server}`);
      const registry = await readRegistry(client, topic);
      this.#report = this.#comparison.add(await readStatus(client, { topic, server, registry }));
      this.#trouble = undefined;
      this.#heardAt = monotonic();
    } catch (error) {
      this.#trouble = { ...failed(error).failure!, since: this.#heardAt };
    } finally {
      this.#lookingSince = undefined;
    }
  }

  #worsen(): void {
    const isLate = this.#lookingSince !== undefined && monotonic() - this.#lookingSince > LATE_MS;
    if (isLate) this.#lost('it has not answered yet');
    else if (this.#trouble) this.#draw();
  }

  #lost(message: string): void {
    this.#trouble ??= { code: 'REDIS', message, since: this.#heardAt };
    this.#draw();
  }

  async #show(): Promise<void> {
    if (this.#screen) this.#draw();
    else if (this.#trouble) await this.#showTrouble(this.#trouble);
    else await this.#topic.show({ json: { ...this.#report! }, text: plainLine(this.#report!) });
  }

  /** It is no end, so it is no failure of the command. */
  async #showTrouble({ code, message, hint, since }: Trouble): Promise<void> {
    const ms = Math.round(monotonic() - since);
    const text = oneLine(`no answer from Redis for ${duration(ms)}: ${withoutSecrets(message)}`);
    const error = { code, message, ...(hint === undefined ? {} : { hint }) };
    await this.#topic.show({ json: { ok: false, topic: this.#topic.name, sinceMs: ms, error }, text });
  }

  #draw(): void {
    const report = this.#report;
    if (!this.#screen || !report) return;
    const trouble = this.#trouble && {
      why: withoutSecrets(this.#trouble.message),
      ms: monotonic() - this.#trouble.since,
    };
    const scene = { report, view: this.#view, everyMs: this.#options.everyMs, trouble };
    const { lines, ...page } = picture(scene, this.#screen.size);
    this.#page = page;
    this.#screen.draw(lines);
  }

  #makeScreen(): Screen {
    const { stdin, stdout, env } = this.#topic.terminal;
    return new Screen({
      ...{ stdin, stdout, colours: !env['NO_COLOR'] },
      onKey: (key) => this.#pressed(key),
      onResize: () => this.#draw(),
      onEnd: () => this.#quit.abort(),
    });
  }

  #pressed(key: Key): void {
    const next = press(this.#view, key, this.#page);
    if (next === 'quit') this.#quit.abort();
    else if (next === 'interrupt') interrupt();
    else if (next === 'suspend') this.#screen!.suspend();
    else {
      this.#view = next;
      this.#draw();
    }
  }
}

function hasScreen({ options, terminal }: Topic): boolean {
  return isScreen(terminal) && !options.json && !options.quiet;
}

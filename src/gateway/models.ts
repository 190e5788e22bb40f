/** The models of the fleet as this gateway knows them: read when they are asked for, never by a clock of its own. */
import { monotonic, sleep, within } from '../base/clock.ts';
import { readModels, type Model, type RegistryClient } from '../openai/registry.ts';
import { ApiError } from './api-error.ts';

/** What was read is good for this long, and is then read again behind the request that asked. */
const FRESH_MS = 2_000;
/** Names that are not known are looked up no more often than this, whoever asks for them. */
const MISS_EVERY_MS = 200;
const HOLD_EVERY_MS = 250;
const READ_MS = 2_000;
const RETRY_MS = 5_000;

export class Models {
  readonly #client: RegistryClient;
  readonly #fleet: string;
  readonly #holdMs: number;
  #models: ReadonlyMap<string, Model> = new Map();
  /** Every name that was there since the start: a request for one waits for its workers to come back. */
  readonly #known = new Set<string>();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(client: RegistryClient, fleet: string, holdMs: number) {
    this.#client = client;
    this.#fleet = fleet;
    this.#holdMs = holdMs;
  }

  /** Whether a worker of it was there at the last look. */
  isServed(name: string): boolean {
    return this.#models.has(name);
  }

  /** All, as they are now, or as they were if Redis does not answer. */
  async all(): Promise<ReadonlyMap<string, Model>> {
    await this.#read(MISS_EVERY_MS).catch(() => undefined);
    return this.#models;
  }

  /** @throws ApiError redis_down */
  async refresh(): Promise<ReadonlyMap<string, Model>> {
    await this.#read(MISS_EVERY_MS);
    return this.#models;
  }

  /**
   * The model of that name; of a known one whose workers are gone after `hold` at the latest.
   * @param gone ends the wait
   * @throws ApiError model_not_found, no_workers, redis_down
   */
  async find(name: string, gone: AbortSignal): Promise<Model> {
    const model = this.#models.get(name);
    if (model) {
      if (monotonic() - this.#readAt > FRESH_MS) void this.#read(FRESH_MS).catch(() => undefined);
      return model;
    }
    const until = monotonic() + this.#holdMs;
    // a worker may have come since the last look, which is at most so long ago
    await sleep(MISS_EVERY_MS - (monotonic() - this.#readAt), gone);
    await this.#read(MISS_EVERY_MS);
    for (;;) {
      const found = this.#models.get(name);
      if (found) return found;
      if (!this.#known.has(name) && this.#models.size > 0) throw notFound(name);
      if (!this.#known.has(name) || monotonic() >= until || gone.aborted) throw noWorkers(name);
      await sleep(HOLD_EVERY_MS, gone);
      await this.#read(MISS_EVERY_MS);
    }
  }

  /** Reads unless that was done `ms` ago; who comes while it is being read waits for the same answer. */
  async #read(ms: number): Promise<void> {
    if (monotonic() - this.#readAt < ms) return;
    this.#reading ??= within(READ_MS, 'models', readModels(this.#client, this.#fleet)).then(
      (models) => {
        this.#models = models;
        this.#readAt = monotonic();
        this.#reading = undefined;
        for (const name of models.keys()) this.#known.add(name);
      },
      (error: unknown) => {
        this.#reading = undefined;
        throw error;
      },
    );
    await this.#reading.catch(() => {
      throw redisDown();
    });
  }
}

export function notFound(name: string): ApiError {
  return new ApiError('model_not_found', `no worker serves the model ${shown(name)}`, { param: 'model' });
}

export function noWorkers(name: string): ApiError {
  return new ApiError('no_workers', `no worker of the model ${shown(name)} is there`, {
    retryAfterMs: RETRY_MS,
  });
}

export function redisDown(): ApiError {
  return new ApiError('redis_down', 'the queue does not answer', { retryAfterMs: RETRY_MS });
}

function shown(name: string): string {
  return JSON.stringify(name.length > 128 ? `${name.slice(0, 128)}…` : name);
}

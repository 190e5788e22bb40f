/** Who may use the gateway. A key is known by its SHA-256 alone; neither the key nor its hash is ever told. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from './api-error.ts';
import type { KeyOptions } from './key-options.ts';

/** Who sent a request, and what it may do. */
export interface Caller {
  readonly name: string;
  /** @throws ApiError key_limit; else call what it gives when the request has ended */
  enter(): () => void;
  mayUse(model: string): boolean;
  readonly maxPriorityMs: number;
}

const BEARER = /^Bearer +(\S+) *$/i;
const RETRY_MS = 1_000;
const DAY_MS = 86_400_000;

class Key implements Caller {
  readonly name: string;
  readonly hash: Buffer;
  readonly maxPriorityMs: number;
  readonly #models: ReadonlySet<string> | undefined;
  readonly #most: number;
  #inFlight = 0;

  constructor({ name, sha256, models, maxInFlight = Infinity, maxPriorityMs = 0 }: KeyOptions) {
    this.name = name;
    this.hash = Buffer.from(sha256, 'hex');
    this.maxPriorityMs = maxPriorityMs;
    this.#models = models && new Set(models);
    this.#most = maxInFlight;
  }

  enter(): () => void {
    if (this.#inFlight >= this.#most)
      throw new ApiError('key_limit', `this key has ${this.#most} requests in flight, which is its limit`, {
        retryAfterMs: RETRY_MS,
      });
    this.#inFlight += 1;
    let isOver = false;
    return () => {
      if (!isOver) this.#inFlight -= 1;
      isOver = true;
    };
  }

  mayUse(model: string): boolean {
    return this.#models?.has(model) ?? true;
  }
}

/** Without keys everyone may do everything. */
const ANYONE: Caller = {
  name: '',
  enter: () => () => undefined,
  mayUse: () => true,
  maxPriorityMs: DAY_MS,
};

export class Keys {
  readonly #keys: readonly Key[];

  constructor(keys: readonly KeyOptions[]) {
    this.#keys = keys.map((options) => new Key(options));
  }

  /**
   * Who sends this. Every key is compared, in the same time whether or not it is the one.
   * @param apiKey the header `x-api-key`, as clients of `/v1/messages` send it
   * @throws ApiError invalid_api_key
   */
  callerOf(authorization: string | undefined, apiKey: string | undefined): Caller {
    if (this.#keys.length === 0) return ANYONE;
    const given = BEARER.exec(authorization ?? '')?.[1] ?? apiKey;
    const hash = createHash('sha256')
      .update(given ?? '')
      .digest();
    let found: Key | undefined;
    for (const key of this.#keys) if (timingSafeEqual(hash, key.hash)) found = key;
    if (given !== undefined && found) return found;
    throw new ApiError(
      'invalid_api_key',
      'no key, or one that is not known; it belongs into "Authorization: Bearer"',
    );
  }
}

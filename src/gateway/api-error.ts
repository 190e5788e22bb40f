/** What the gateway itself answers when a request cannot be served: one row for each code, in OpenAI's shape. */

/** The table of docs/gateway.md. */
const CODES = {
  bad_request: [400, 'invalid_request_error'],
  bad_json: [400, 'invalid_request_error'],
  missing_model: [400, 'invalid_request_error'],
  duplicate_key: [400, 'invalid_request_error'],
  stateful: [400, 'invalid_request_error'],
  remote_media: [400, 'invalid_request_error'],
  invalid_api_key: [401, 'authentication_error'],
  model_not_allowed: [403, 'permission_error'],
  not_found: [404, 'invalid_request_error'],
  model_not_found: [404, 'invalid_request_error'],
  method_not_allowed: [405, 'invalid_request_error'],
  request_timeout: [408, 'invalid_request_error'],
  body_too_large: [413, 'invalid_request_error'],
  never_fits: [413, 'invalid_request_error'],
  queue_full: [429, 'rate_limit_error'],
  key_limit: [429, 'rate_limit_error'],
  queue_ttl: [429, 'rate_limit_error'],
  headers_too_large: [431, 'invalid_request_error'],
  internal: [500, 'server_error'],
  worker_lost: [502, 'server_error'],
  poison: [502, 'server_error'],
  no_workers: [503, 'server_error'],
  redis_down: [503, 'server_error'],
  draining: [503, 'server_error'],
  deadline: [504, 'server_error'],
} as const satisfies Record<string, readonly [status: number, type: string]>;

export type ApiErrorCode = keyof typeof CODES;

/** SDKs try these again by themselves, which would do the same harm once more. */
const NOT_AGAIN: readonly ApiErrorCode[] = ['worker_lost', 'poison', 'deadline'];

export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly type: string;
  /** The member of the body, or the header, that it is about. */
  readonly param: string | null;
  /** When to try again; undefined: nothing is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ApiErrorCode,
    message: string,
    { param = null, retryAfterMs }: { param?: string | null; retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.code = code;
    [this.status, this.type] = CODES[code];
    this.param = param;
    this.retryAfterMs = retryAfterMs;
  }

  /** The JSON of the answer. */
  get body(): string {
    const { message, type, param, code } = this;
    return JSON.stringify({ error: { message, type, param, code } });
  }

  /** Headers beside those of the body. */
  get headers(): Record<string, string> {
    const ms = this.retryAfterMs;
    return {
      ...(ms === undefined
        ? {}
        : {
            'retry-after': String(Math.max(1, Math.ceil(ms / 1000))),
            'retry-after-ms': String(Math.ceil(ms)),
          }),
      ...(NOT_AGAIN.includes(this.code) ? { 'x-should-retry': 'false' } : {}),
    };
  }

  /**
   * The event that ends a stream whose status has been sent. No `[DONE]` follows, so that no client takes the stream for
   * complete.
   * @param isMessages the stream is one of `/v1/messages`, which has a shape of its own
   */
  event(isMessages: boolean): string {
    if (!isMessages) return `data: ${this.body}\n\n`;
    const { message, type } = this;
    return `event: error\ndata: ${JSON.stringify({ type: 'error', error: { type, message } })}\n\n`;
  }
}

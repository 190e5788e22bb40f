/**
 * HTTP to an engine: short questions, and requests whose response is read as it comes. Closing the socket aborts a request.
 */
import { Agent, request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import { after } from '../base/clock.ts';
import { ConfigError, messageOf } from '../base/errors.ts';
import { EngineResponse } from './engine-response.ts';

/** How long an engine may take to accept a connection. */
const CONNECT_MS = 5_000;
/** An idle connection is closed before engines close theirs (uvicorn: 5 s), so that few requests meet a closing one. */
const IDLE_MS = 4_000;
/** Bytes of an answer to a question. */
const MAX_ANSWER = 8_388_608;

/**
 * Why there is no response. `refused`: the engine has not begun. `lost`: it may have, and its connection broke; the request
 * may be why. `aborted`: the signal fired.
 */
export class EngineError extends Error {
  readonly how: 'refused' | 'lost' | 'aborted';

  constructor(how: EngineError['how'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'EngineError';
    this.how = how;
  }
}

export interface Answer {
  status: number;
  text: string;
}

export interface EngineCall {
  path: string;
  body: Buffer;
  headers: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

export class EngineClient {
  readonly #base: URL;
  readonly #agent: Agent;
  readonly #key: string | undefined;

  /**
   * @param url of the engine; its path is put in front of every other
   * @param key for `authorization: Bearer`
   * @throws ConfigError for what is no such URL
   */
  constructor(url: string, key?: string) {
    this.#base = baseOf(url);
    this.#key = key;
    const options = { keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' as const };
    this.#agent = this.#base.protocol === 'https:' ? new TlsAgent(options) : new Agent(options);
  }

  /** Without what may be secret. */
  get url(): string {
    return this.#base.origin + this.#base.pathname;
  }

  /** @throws EngineError, also after `ms` */
  get(path: string, ms: number): Promise<Answer> {
    return this.#ask('GET', path, undefined, ms);
  }

  /** @throws EngineError, also after `ms` */
  post(path: string, body: Buffer, ms: number): Promise<Answer> {
    return this.#ask('POST', path, body, ms);
  }

  /**
   * Sends a request; resolves with the head of its response. A connection that the engine closed while it was idle is not
   * held against it: another one is used.
   * @throws EngineError
   */
  async begin(call: EngineCall): Promise<EngineResponse> {
    for (let wasReset = false; ; wasReset = true) {
      const { request, response, isConnected } = this.#send('POST', call.path, call.body, call.headers);
      const abort = (): void => void request.destroy(new Error('aborted'));
      call.signal.addEventListener('abort', abort);
      if (call.signal.aborted) abort();
      try {
        return new EngineResponse(await response, () => call.signal.removeEventListener('abort', abort));
      } catch (error) {
        call.signal.removeEventListener('abort', abort);
        if (call.signal.aborted) throw new EngineError('aborted', 'the request was aborted', error);
        const isLost = isConnected();
        if (isLost && request.reusedSocket && !wasReset) continue;
        // refused after a reset: the engine died of it, or at the same time
        const how = isLost || wasReset ? 'lost' : 'refused';
        throw new EngineError(how, `the engine at ${this.url} ${said(how)}: ${messageOf(error)}`, error);
      }
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(method: string, path: string, body: Buffer | undefined, ms: number): Promise<Answer> {
    const { request, response } = this.#send(method, path, body, {});
    const cancel = after(ms, () => request.destroy(new Error(`no answer within ${ms} ms`)));
    try {
      const answer = await response;
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of answer) {
        parts.push(part as Buffer);
        if ((bytes += (part as Buffer).length) > MAX_ANSWER)
          throw new Error(`${path} is over ${MAX_ANSWER} bytes`);
      }
      return { status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString() };
    } catch (error) {
      request.destroy();
      throw new EngineError('lost', `${method} ${path} of ${this.url}: ${messageOf(error)}`, error);
    } finally {
      cancel();
    }
  }

  #send(
    method: string,
    path: string,
    body: Buffer | undefined,
    headers: Readonly<Record<string, string>>,
  ): { request: ClientRequest; response: Promise<IncomingMessage>; isConnected: () => boolean } {
    const send = this.#base.protocol === 'https:' ? requestTls : requestHttp;
    const request = send({
      protocol: this.#base.protocol,
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      path: this.#base.pathname.replace(/\/$/, '') + path,
      method,
      agent: this.#agent,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
        ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
      },
    });
    request.setNoDelay(true);
    // of a connection that never stood the engine has seen nothing
    let isConnected = false;
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      const cancel = after(CONNECT_MS, () =>
        request.destroy(new Error(`no connection within ${CONNECT_MS} ms`)),
      );
      const connected = (): void => {
        isConnected = true;
        cancel();
      };
      request.on('socket', (socket) => {
        if (!socket.connecting) connected();
        else socket.once('connect', connected);
      });
      request.on('response', resolve);
      request.on('error', reject);
      request.on('close', () => {
        cancel();
        reject(new Error('the connection was closed'));
      });
    });
    // one that is aborted early is looked at by nobody
    response.catch(() => undefined);
    request.end(body);
    return { request, response, isConnected: () => isConnected };
  }
}

function said(how: 'refused' | 'lost'): string {
  return how === 'refused' ? 'refused a connection' : 'closed the connection without an answer';
}

/** @throws ConfigError */
function baseOf(url: string): URL {
  const allowed =
    'an http:// or https:// URL without user, query and fragment; a key goes into --engine-key-file';
  const base = URL.canParse(url) ? new URL(url) : undefined;
  const isGood =
    base !== undefined &&
    ['http:', 'https:'].includes(base.protocol) &&
    base.username === '' &&
    base.password === '' &&
    base.search === '' &&
    base.hash === '';
  if (!isGood) throw new ConfigError('engine', undefined, allowed, `engine: allowed is ${allowed}`);
  return base;
}

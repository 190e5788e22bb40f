// The few calls to a container engine that we make ourselves, over plain HTTP. They come before testcontainers is loaded,
// which takes 0.7 s. Each has a time limit and leaves no socket behind when no answer comes.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import type { RequestOptions } from 'node:http';
import { homedir } from 'node:os';
import { messageOf } from '../../base/errors.ts';

const answerMs = 2_000;
const pullMs = 30_000;
const killMs = 10_000;

/** Where a container engine listens. It is found as testcontainers finds it, so that both use the same one. */
export type ContainerEngine = Pick<RequestOptions, 'socketPath' | 'host' | 'port'>;

/** @throws Error with the reason, within 2 s, if no engine answers */
export async function findEngine(): Promise<ContainerEngine> {
  const engine = locate();
  const { status } = await call(engine, 'GET', '/_ping', answerMs).catch((error: unknown) => {
    throw new Error(`the container engine does not answer: ${messageOf(error)}`, { cause: error });
  });
  if (status !== 200) throw new Error(`the container engine answers its ping with status ${status}`);
  return engine;
}

/**
 * Makes sure that the engine has the image; pulls it if not.
 * @throws Error if it cannot be pulled within 30 s
 */
export async function ensureImage(engine: ContainerEngine, image: string): Promise<void> {
  if (await hasImage(engine, image)) return;
  const tag = /[:@][^/]+$/.test(image) ? '' : ':latest';
  const path = `/images/create?fromImage=${encodeURIComponent(image + tag)}`;
  const { body } = await call(engine, 'POST', path, pullMs).catch((error: unknown) => {
    throw new Error(`no image ${image} here, and pulling it failed: ${messageOf(error)}`, { cause: error });
  });
  if (await hasImage(engine, image)) return;
  throw new Error(`no image ${image} here, and it cannot be pulled: ${pullError(body)}`);
}

/** Ends a container as a crash would, by SIGKILL, and removes it. */
export async function killContainer(engine: ContainerEngine, id: string): Promise<void> {
  await call(engine, 'DELETE', `/containers/${id}?force=1&v=1`, killMs);
}

/** The engine answers a pull with status 200 and one JSON object a line; a refusal is a single object. */
function pullError(body: string): string {
  const last = body.trim().split('\n').at(-1) ?? '';
  try {
    const { error, message } = JSON.parse(last) as { error?: string; message?: string };
    return error ?? message ?? 'no reason given';
  } catch {
    return 'no reason given';
  }
}

async function hasImage(engine: ContainerEngine, image: string): Promise<boolean> {
  const { status } = await call(engine, 'GET', `/images/${encodeURIComponent(image)}/json`, answerMs);
  return status === 200;
}

function locate(): ContainerEngine {
  const host = process.env.DOCKER_HOST;
  if (host !== undefined && host !== '') return parse(host);
  const run = process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`;
  const sockets = [
    '/var/run/docker.sock',
    `${run}/docker.sock`,
    `${homedir()}/.docker/run/docker.sock`,
    `${homedir()}/.docker/desktop/docker.sock`,
  ];
  const socketPath = sockets.find((path) => existsSync(path));
  if (socketPath === undefined)
    throw new Error('no container engine: DOCKER_HOST is unset and no socket exists');
  return { socketPath };
}

function parse(host: string): ContainerEngine {
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol === 'unix:') return { socketPath: url.pathname };
  if (url && /^(tcp|http):$/.test(url.protocol) && process.env.DOCKER_TLS_VERIFY !== '1') {
    return { host: url.hostname, port: url.port === '' ? '2375' : url.port };
  }
  throw new Error('DOCKER_HOST must be unix://<path> or tcp://<host>:<port> without TLS');
}

interface Answer {
  status: number;
  body: string;
}

function call(
  engine: ContainerEngine,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (error: Error) =>
      reject(signal.aborted ? new Error(`no answer within ${timeoutMs / 1_000} s`, { cause: error }) : error);
    request({ ...engine, method, path, signal, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', fail);
    })
      .on('error', fail)
      .end();
  });
}

/** What a client asked for, read from its body and headers, or why it is refused. */
import type { IncomingHttpHeaders } from 'node:http';
import { BadJson, readObject, setMembers, splice, type JsonObject } from '../openai/json-object.ts';
import { isResumable, outputLimit } from '../openai/resume.ts';
import type { Route } from '../openai/routes.ts';
import { ApiError } from './api-error.ts';
import type { Caller } from './keys.ts';
import { mediaOf, refuseRemote, type Media } from './prompt.ts';
import type { GatewaySettings } from './settings.ts';

/** A request that may be put. Times are ms. */
export interface Order {
  route: Route;
  /** The name in the registry. */
  model: string;
  /** With the model's own name in the place of an alias; every other byte is the client's. */
  body: Buffer;
  stream: boolean;
  /** The client asked for the usage of a stream. */
  wantsUsage: boolean;
  isResumable: boolean;
  maxTokens: number | undefined;
  traceparent: string | undefined;
  media: Media;
  /** A head start. */
  priority: number;
  queueTtl: number;
  deadline: number;
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const DAY_MS = 86_400_000;

/** @throws ApiError */
export function readOrder(
  route: Route,
  headers: IncomingHttpHeaders,
  bytes: Buffer,
  caller: Caller,
  settings: GatewaySettings,
): Order {
  const object = objectOf(bytes);
  const { values } = object;
  refuseState(route, values);
  const media = mediaOf(values);
  if (settings.denyRemoteMedia) refuseRemote(media);
  const { model, body } = modelOf(object, caller, settings);
  const stream = values.stream === true;
  const options = values.stream_options as { include_usage?: unknown } | null | undefined;
  return {
    ...{ route, model, body, stream, media },
    wantsUsage: options?.include_usage === true,
    isResumable: isResumable(route, object),
    maxTokens: outputLimit(object),
    traceparent: one(headers.traceparent, TRACEPARENT),
    priority: priorityOf(headers, caller, settings),
    queueTtl: Math.min(settings.queueTtl, numberIn(headers, 'x-sched-lua-ttl-ms', 1) ?? Infinity),
    deadline: Math.min(settings.deadline, (numberIn(headers, 'x-stainless-timeout', 0) ?? Infinity) * 1_000),
  };
}

function objectOf(bytes: Buffer): JsonObject {
  try {
    return readObject(bytes);
  } catch (error) {
    if (error instanceof BadJson)
      throw new ApiError(error.code, error.message, { param: error.param ?? null });
    throw error;
  }
}

/** What one engine would have to remember for a later request, which may come to another. */
function refuseState(route: Route, values: Readonly<Record<string, unknown>>): void {
  if (route !== '/v1/responses') return;
  const param = ['previous_response_id', 'conversation', 'background'].find((name) => {
    const value = values[name];
    return value !== undefined && value !== null && value !== false;
  });
  if (param === undefined) return;
  throw new ApiError(
    'stateful',
    `${param} needs an engine that remembers, and any engine may get this request`,
    { param },
  );
}

function modelOf(
  object: JsonObject,
  caller: Caller,
  { aliases }: GatewaySettings,
): Pick<Order, 'model' | 'body'> {
  const { values, bytes } = object;
  const name = values.model;
  if (typeof name !== 'string' || name === '')
    throw new ApiError('missing_model', 'the body needs a "model"', { param: 'model' });
  if (!caller.mayUse(name))
    throw new ApiError('model_not_allowed', 'this key may not use that model', { param: 'model' });
  const model = Object.hasOwn(aliases, name) ? aliases[name]! : name;
  if (model === name) return { model, body: bytes };
  return { model, body: splice(bytes, setMembers(object, { model: JSON.stringify(model) })) };
}

function priorityOf(headers: IncomingHttpHeaders, caller: Caller, { objectives }: GatewaySettings): number {
  const objective = one(headers['x-gateway-inference-objective'], /^/);
  const headStart =
    objective !== undefined && Object.hasOwn(objectives, objective) ? objectives[objective]! : 0;
  const asked = numberIn(headers, 'x-sched-lua-priority', -DAY_MS) ?? 0;
  const sum = headStart + Math.min(asked, caller.maxPriorityMs);
  return Math.round(Math.max(-DAY_MS, Math.min(DAY_MS, sum)));
}

/** @throws ApiError bad_request */
function numberIn(headers: IncomingHttpHeaders, name: string, least: number): number | undefined {
  const text = headers[name];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' && /^-?\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : NaN;
  if (value >= least) return value === 0 && least === 0 ? undefined : value;
  throw new ApiError('bad_request', `the header ${name} is not a number of at least ${least}`, {
    param: name,
  });
}

function one(value: string | string[] | undefined, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}

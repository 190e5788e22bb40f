/**
 * The declaration of every Lua script: its keys, arguments and status words, in the order of the script's header.
 * `script.ts` compares the two when it assembles a script, so a renamed argument fails at once.
 */
import { SHARD_TABLES } from '../base/keys.ts';

export interface ScriptDeclaration {
  readonly keys: readonly string[];
  /** Fixed arguments. */
  readonly args: readonly string[];
  /** Arguments that repeat, after the fixed ones. */
  readonly each?: readonly string[];
  /** Every status word that an answer may hold. */
  readonly status: readonly string[];
}

/** What every shard script is told first; see lua/lib/caller.lua. */
export const CALLER = [
  'node',
  'epoch',
  'seen',
  'clock',
  'ttl',
  'lease',
  'wake',
  'number',
  'policy',
  'min_load',
  'load_unit',
  'steal_after',
  'lane_call',
] as const;

const GUARDS = ['EVICTED', 'STALE'] as const;

function shardScript(
  args: readonly string[],
  status: readonly string[],
  each?: readonly string[],
): ScriptDeclaration {
  return {
    keys: SHARD_TABLES,
    args: [...CALLER, ...args],
    status: [...GUARDS, ...status],
    ...(each ? { each } : {}),
  };
}

export const SCRIPTS = {
  put_requests: shardScript(
    ['max_waiting', 'claims_in', 'dead', 'dead_bytes'],
    ['OK', 'DUPLICATE', 'EXPIRED', 'FULL'],
    ['id', 'tokens', 'deadline', 'head_start', 'tries_left', 'tries_spent', 'loss', 'body'],
  ),
  claim: shardScript(
    [
      'limit',
      'alone_tokens',
      'sum_tokens',
      'total_tokens',
      'max_bytes',
      'since',
      'idle_for',
      'entropy',
      'patience',
      'keep_for',
      'ask_on',
      'elsewhere',
    ],
    ['OK', 'IDLE', 'BLOCKED', 'KEEPING'],
  ),
  push_back: shardScript(
    [],
    ['OK', 'LOST', 'FAILED'],
    ['ticket', 'fence', 'after', 'elsewhere', 'counted', 'reason'],
  ),
  put_results: shardScript(
    ['max_results', 'max_bytes', 'terms', 'groups'],
    ['OK', 'DOUBT', 'FULL', 'ORPHAN', 'LOST', 'OVERFLOW'],
    ['ticket', 'fence', 'number', 'kind', 'dead', 'payload'],
  ),
  take_results: shardScript(['cursor', 'limit', 'max_bytes'], ['OK', 'BOX'], ['ticket', 'fence', 'halt']),
  refresh: shardScript(['reap_limit', 'cursor', 'alive', 'held'], ['OK'], ['ticket', 'fence']),
  cancel: shardScript(['final', 'reason'], ['OK', 'WAITING', 'CLAIMED', 'ENDED'], ['ticket']),
  reset: shardScript(['slice'], ['OK'], ['ticket']),
  inspect: { keys: SHARD_TABLES, args: [], status: [] },
  register: {
    keys: ['nodes', 'meta', 'cards'],
    args: [
      'action',
      'instance',
      'clock',
      'keep_alive',
      'ttl',
      'above',
      'epoch',
      'load_shards',
      'load_unit',
      'empty',
      'engine',
      'breaker',
      'card',
    ],
    each: ['name', 'home'],
    status: ['OK', 'TAKEN', 'SCHEMA', 'UNIT'],
  },
  note_topic: { keys: ['topics'], args: ['topic', 'clock', 'keep'], status: ['OK'] },
} as const satisfies Record<string, ScriptDeclaration>;

export type ScriptName = keyof typeof SCRIPTS;
export const SCRIPT_NAMES = Object.keys(SCRIPTS) as ScriptName[];

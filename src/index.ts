export { admit, type Budget } from './base/budget.ts';
export { bytesCodec, jsonCodec, type Codec, type CodecName } from './base/codec.ts';
export { ConfigError, SchedulerError, type ErrorCode } from './base/errors.ts';
export type {
  ClusterNode,
  ClusterSource,
  LoadUnit,
  RedisClient,
  RedisSource,
  SchedulerOptions,
  SharedConnection,
  StealPolicy,
  WaitReplicas,
} from './base/options.ts';
export { tokensCodec, type TokenFields, type TokensCodecOptions } from './base/tokens-codec.ts';
export type { ShardPlace } from './inspect/places.ts';
export type { ShardStatus } from './inspect/shard-status.ts';
export type {
  FindingKind,
  NodeStatus,
  StatusFinding,
  StatusReport,
  TopicStatus,
} from './inspect/status-report.ts';
export type { NodeRates, Rates, TopChange, TopNode, TopReport } from './inspect/top-report.ts';
export type { TooLarge } from './inspect/too-large.ts';
export type { SchedulerHealth } from './node/health.ts';
export type { SchedulerStats } from './node/stats.ts';
export {
  EVENT_NAMES,
  SchedulerEvents,
  type EventName,
  type EventOf,
  type StealReason,
} from './observe/events.ts';
export type { Logger } from './observe/log.ts';
export type { Quantiles } from './observe/recent.ts';
export type { ScriptTally } from './observe/tally.ts';
export type { Card, CardTotals } from './protocol/card.ts';
export type { GiveBackOptions } from './protocol/give-back.ts';
export type { EngineDown, Registration } from './protocol/registration.ts';
export { connect, type Connection, type ConnectOptions } from './redis/shared.ts';
export type { PutOutcome } from './owner/door.ts';
export type { PutOptions } from './owner/prepare.ts';
export type { FinalResult, Result } from './owner/results.ts';
export type { Submission } from './owner/submission.ts';
export type { ClaimedRequest } from './runner/claims.ts';
export type { BreakerOptions } from './runner/breaker.ts';
export { Retry } from './runner/retry.ts';
export type { ResultStatus, RunnerResult } from './runner/outbox.ts';
export type { BudgetSource, Engine } from './runner/budget-source.ts';
export type { Handler, RunOptions } from './runner/run-loop.ts';
export type { CloseOptions, WaitOptions } from './scheduler-options.ts';
export { Scheduler } from './scheduler.ts';

/**
 * SGLang. Metrics need `--enable-metrics`; `/server_info` (before: `/get_server_info`) is always there. Each rank of an
 * engine may have a sample of its own.
 */
import { objectOf, reading, whole, type Kind, type Reading } from './kind.ts';
import { named, samplesOf, sumOf } from './samples.ts';

const RANKS = ['tp_rank', 'pp_rank', 'moe_ep_rank', 'pid'];

export const sglang: Kind = {
  name: 'sglang',
  health: '/health',
  pages: ['/metrics', '/server_info', '/get_server_info'],
  read: ([metrics, info, older]) => readSglang(metrics, objectOf(info ?? older)),
  isResumable: false,
  defaultSlots: 256,
  defaultBlockSize: 1,
};

function readSglang(metrics: string | undefined, info: Readonly<Record<string, unknown>>): Reading {
  const samples = samplesOf(metrics);
  const total = (...names: string[]): number | undefined => sumOf(named(samples, ...names), RANKS);
  const engines = whole(info.dp_size, 1) ?? 1;
  const each = whole(info.max_total_num_tokens, 1);
  const tokens = total('sglang:max_total_num_tokens') ?? (each === undefined ? undefined : each * engines);
  const blockSize =
    whole(info.page_size, 1) ??
    whole(named(samples, 'sglang:cache_config_info')[0]?.labels.page_size, 1) ??
    (tokens === undefined ? undefined : sglang.defaultBlockSize);
  const used = total('sglang:kv_used_tokens', 'sglang:num_used_tokens');
  return reading({
    blocks: inBlocks(tokens, blockSize, Math.floor),
    blockSize,
    usedBlocks: inBlocks(used, blockSize, Math.ceil),
    slots: whole(info.max_running_requests, 1),
    maxModelLen: whole(info.context_length, 1),
    running: total('sglang:num_running_reqs'),
    waiting: total('sglang:num_queue_reqs'),
  });
}

function inBlocks(
  tokens: number | undefined,
  blockSize: number | undefined,
  round: (blocks: number) => number,
): number | undefined {
  return tokens === undefined || blockSize === undefined ? undefined : round(tokens / blockSize);
}

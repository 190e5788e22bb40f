/**
 * vLLM, and whatever has its metrics. With data parallelism several engines are behind one endpoint, told apart by the label
 * `engine`. How many requests run at once (`--max-num-seqs`) is not said anywhere.
 */
import { reading, whole, type Kind, type Reading } from './kind.ts';
import { named, samplesOf, sumOf, type Sample } from './samples.ts';

export const vllm: Kind = {
  name: 'vllm',
  health: '/health',
  pages: ['/metrics'],
  read: ([metrics]) => readVllm(samplesOf(metrics)),
  isResumable: true,
  tokenizer: {
    body: (model, prompt) => ({ model, prompt, add_special_tokens: false }),
    count: (answer) => whole((answer as { count?: unknown } | null)?.count),
  },
  // its own default on the smaller GPUs; a larger one queues inside the engine, which is then left alone
  defaultSlots: 256,
  defaultBlockSize: 16,
};

function readVllm(samples: readonly Sample[]): Reading {
  const caches = named(samples, 'vllm:cache_config_info').map(cacheOf);
  const known = caches.filter(({ blocks }) => blocks !== undefined);
  const usage = named(samples, 'vllm:kv_cache_usage_perc', 'vllm:gpu_cache_usage_perc');
  const used = known.map(({ engine, blocks }) => {
    const mine = usage.find(({ labels }) => (labels.engine ?? '') === engine) ?? only(usage);
    return mine === undefined ? undefined : mine.value * blocks!;
  });
  return reading({
    blocks: known.length === 0 ? undefined : sum(known.map(({ blocks }) => blocks!)),
    blockSize: caches.find(({ blockSize }) => blockSize !== undefined)?.blockSize,
    usedBlocks: used.length === 0 || used.includes(undefined) ? undefined : Math.round(sum(used as number[])),
    running: sumOf(named(samples, 'vllm:num_requests_running')),
    waiting: sumOf(named(samples, 'vllm:num_requests_waiting')),
  });
}

/** "None" before the engine has measured its memory, and for ever of those processes that do not. */
function cacheOf({ labels }: Sample): {
  engine: string;
  blocks: number | undefined;
  blockSize: number | undefined;
} {
  const blockSize = whole(labels.block_size, 1);
  // models with layers of several kinds: a block is no `block_size` tokens, and only this says what the cache holds
  const tokens = whole(labels.kv_cache_size_tokens, 1);
  const blocks =
    tokens !== undefined && blockSize !== undefined
      ? Math.floor(tokens / blockSize)
      : whole(labels.num_gpu_blocks, 1);
  return { engine: labels.engine ?? '', blocks, blockSize };
}

function only(samples: readonly Sample[]): Sample | undefined {
  return samples.length === 1 ? samples[0] : undefined;
}

function sum(list: readonly number[]): number {
  return list.reduce((total, one) => total + one, 0);
}

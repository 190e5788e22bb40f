/** The kinds of engines that a worker knows, and which of them answers at an endpoint. */
import { fastdeploy } from './fastdeploy.ts';
import { objectOf, type Kind, type KindName, type Page } from './kind.ts';
import { llamacpp } from './llamacpp.ts';
import { openai } from './openai.ts';
import { sglang } from './sglang.ts';
import { tgi } from './tgi.ts';
import { vllm } from './vllm.ts';

export const KINDS: Readonly<Record<KindName, Kind>> = { openai, vllm, sglang, tgi, llamacpp, fastdeploy };

/** GET: the pages that {@link kindOf} looks at, in its order. */
export const TELLING_PAGES = ['/metrics', '/props', '/info', '/server_info', '/get_server_info'] as const;

const BY_METRIC: readonly (readonly [RegExp, Kind])[] = [
  [/^vllm:/m, vllm],
  [/^sglang:/m, sglang],
  [/^(fastdeploy:|available_gpu_block_num)/m, fastdeploy],
  [/^tgi_/m, tgi],
  [/^llamacpp:/m, llamacpp],
];

/** What answers with these pages. */
export function kindOf([metrics = '', props, info, ...servers]: readonly Page[]): Kind {
  const byMetric = BY_METRIC.find(([pattern]) => pattern.test(metrics));
  if (byMetric) return byMetric[1];
  if ('total_slots' in objectOf(props)) return llamacpp;
  if ('max_batch_total_tokens' in objectOf(info)) return tgi;
  if (servers.some((page) => 'max_total_num_tokens' in objectOf(page))) return sglang;
  return openai;
}

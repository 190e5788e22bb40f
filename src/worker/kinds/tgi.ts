/** Text Generation Inference: its limits are in `/info`, in tokens, so a block is one token. */
import { objectOf, reading, whole, type Kind } from './kind.ts';
import { named, samplesOf, sumOf } from './samples.ts';

export const tgi: Kind = {
  name: 'tgi',
  health: '/health',
  pages: ['/info', '/metrics'],
  read([page, metrics]) {
    const info = objectOf(page);
    const samples = samplesOf(metrics);
    return reading({
      blocks: whole(info.max_batch_total_tokens, 1),
      blockSize: 1,
      slots: whole(info.max_batch_size, 1) ?? whole(info.max_concurrent_requests, 1),
      maxModelLen: whole(info.max_total_tokens, 1),
      usedBlocks: sumOf(named(samples, 'tgi_batch_current_max_tokens')),
      running: sumOf(named(samples, 'tgi_batch_current_size')),
      waiting: sumOf(named(samples, 'tgi_queue_size')),
    });
  },
  isResumable: true,
  tokenizer: {
    body: (_, inputs) => ({ inputs, add_special_tokens: false }),
    count: (answer) => (Array.isArray(answer) ? answer.length : undefined),
  },
  defaultBlockSize: 1,
};

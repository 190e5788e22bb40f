/** FastDeploy, whose scheduler is our reference. Older versions print some names without their prefix. */
import { reading, whole, type Kind, type Reading } from './kind.ts';
import { named, samplesOf, sumOf } from './samples.ts';

export const fastdeploy: Kind = {
  name: 'fastdeploy',
  health: '/health',
  pages: ['/metrics'],
  read([metrics]): Reading {
    const samples = samplesOf(metrics);
    const total = (name: string): number | undefined => sumOf(named(samples, `fastdeploy:${name}`, name));
    const [blocks, available] = [total('max_gpu_block_num'), total('available_gpu_block_num')];
    // 0 until the engine has measured its memory
    const isMeasured = blocks !== undefined && blocks > 0;
    const config = named(samples, 'fastdeploy:cache_config_info', 'cache_config_info')[0];
    return reading({
      blocks: isMeasured ? blocks : undefined,
      blockSize: whole(config?.labels.block_size, 1),
      slots: whole(total('max_batch_size'), 1),
      usedBlocks: isMeasured && available !== undefined ? Math.max(0, blocks - available) : undefined,
      running: total('num_requests_running'),
      waiting: total('num_requests_waiting'),
    });
  },
  isResumable: false,
  defaultBlockSize: 64,
};

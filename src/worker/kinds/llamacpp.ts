/**
 * llama.cpp's server. Each slot has a context of its own, in tokens, so a block is one token. `/slots` may be turned off,
 * `/metrics` must be turned on.
 */
import { jsonOf, objectOf, reading, whole, type Kind } from './kind.ts';
import { named, samplesOf, sumOf } from './samples.ts';

interface Slot {
  is_processing?: unknown;
  n_ctx?: unknown;
}

export const llamacpp: Kind = {
  name: 'llamacpp',
  health: '/health',
  pages: ['/props', '/slots', '/metrics'],
  read([page, slotsPage, metrics]) {
    const props = objectOf(page);
    const said = jsonOf(slotsPage);
    const list = Array.isArray(said) ? (said as (Slot | null)[]) : undefined;
    const settings = (props.default_generation_settings ?? {}) as { n_ctx?: unknown };
    const slots = whole(props.total_slots, 1) ?? (list?.length || undefined);
    const context = whole(settings.n_ctx, 1) ?? whole(list?.[0]?.n_ctx, 1);
    const samples = samplesOf(metrics);
    const running = list?.filter((slot) => slot?.is_processing === true).length;
    return reading({
      blocks: slots === undefined || context === undefined ? undefined : slots * context,
      blockSize: 1,
      slots,
      maxModelLen: context,
      running: running ?? sumOf(named(samples, 'llamacpp:requests_processing')),
      waiting: sumOf(named(samples, 'llamacpp:requests_deferred')),
    });
  },
  isResumable: true,
  tokenizer: {
    body: (_, content) => ({ content, add_special: false }),
    count: (answer) => {
      const { tokens } = (answer ?? {}) as { tokens?: unknown };
      return Array.isArray(tokens) ? tokens.length : undefined;
    },
  },
  defaultBlockSize: 1,
};

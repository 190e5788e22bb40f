import { EngineModel, type EngineOptions, type Sequence } from './engine-model.ts';

/** At least so many requests are measured; the sample is repeated until there are enough. */
const LEAST_MEASURED = 2000;

/**
 * How many requests like those of `sample` one engine serves per second of model time when work always waits. The model
 * runs with an endless queue of the sample, and is measured once two full batches have warmed it up.
 */
export function capacity(
  sample: readonly Pick<Sequence, 'promptTokens' | 'outputTokens'>[],
  options: Partial<EngineOptions> = {},
): number {
  if (sample.length === 0) throw new RangeError('the sample must hold at least one request');
  const model = new EngineModel(options);
  const warmUp = 2 * model.options.maxSequences;
  const measured = Math.ceil(LEAST_MEASURED / sample.length) * sample.length;
  let next = 0;
  let finished = 0;
  let elapsedMs = 0;
  let warm: { finished: number; atMs: number } | undefined;
  while (!warm || finished < warm.finished + measured) {
    while (model.admit({ ...sample[next % sample.length]!, id: next })) next += 1;
    const progress = model.iterate();
    elapsedMs += progress.durationMs;
    finished += progress.finished.length;
    if (!warm && finished >= warmUp) warm = { finished, atMs: elapsedMs };
  }
  return ((finished - warm.finished) * 1000) / (elapsedMs - warm.atMs);
}

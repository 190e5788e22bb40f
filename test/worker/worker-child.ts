// A worker in a process of its own, for tests that kill it.
import { Worker } from '../../src/worker/worker.ts';
import type { WorkerOptions } from '../../src/worker/options.ts';

export type Said = { node: string } | { error: string };

process.on('message', (options: WorkerOptions) => {
  const quiet: WorkerOptions = { ...options, onWarning: () => undefined };
  Worker.start(quiet).then(
    ({ node }) => process.send?.({ node } satisfies Said),
    (error: unknown) => process.send?.({ error: String(error) } satisfies Said),
  );
});
// without its parent the process has no purpose
process.on('disconnect', () => process.exit());

import { EmulatedEngine } from '../../src/testing/engine/engine.ts';
import { actAlone } from '../support/alone.ts';

function start(engine: EmulatedEngine): Promise<unknown>[] {
  return [1, 2, 3].map(async () => {
    const run = engine.run(1000, 40);
    for (;;) {
      const step = await run.next();
      if (step.done) return step.value;
    }
  });
}

/** With real timers, and not closed. */
async function serveThree(): Promise<void> {
  await Promise.all(start(new EmulatedEngine({ timeScale: 0.05 })));
}

/** In the middle of its work: what it leaves open shows that the check sees it. */
async function beginThree(): Promise<void> {
  void start(new EmulatedEngine({ timeScale: 1 }));
  await new Promise((next) => setImmediate(next));
}

actAlone({ serveThree, beginThree });

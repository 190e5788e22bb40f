// Engines that count, emulated, for tests: each is killed after its test.
import { CountingEngine, type EngineOptions } from '../../../src/testing/counting/engine.ts';

/** For every test of the suite that calls this. */
export function useCountingEngines(): (options?: EngineOptions) => Promise<CountingEngine> {
  const engines: CountingEngine[] = [];
  afterEach(() => Promise.all(engines.splice(0).map((engine) => engine.kill())));
  return async (options) => {
    const engine = new CountingEngine(options);
    engines.push(engine);
    return engine.start();
  };
}

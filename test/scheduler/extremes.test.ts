// Options at their extremes that may stand together do: a real node serves a request under each pair of them.
import { expect } from 'chai';
import type { Scheduler, SchedulerError, SchedulerOptions } from '../../src/index.ts';
import { OPTIONS } from '../../src/base/option-table.ts';
import { settle } from '../../src/base/settle.ts';
import { CHOICES, configurations, optionsOf } from '../base/extremes.ts';
import { room, useFleet } from '../support/fleet.ts';

const DEFAULTS = settle({});
/** An encoded request, and an encoded output, of one byte: the least that a body and a result may have. */
const LEAST = {
  codec: { encode: () => 'r', decode: () => 'r' },
  outputCodec: { encode: () => 'o', decode: () => 'o' },
  idOf: (id: string) => id,
  promptTokensOf: () => 1,
};
const MOST_SHARDS = OPTIONS.loadShards.kind.range![1];
const MANY_SHARDS = 64;

/** What a node of this machine can start with. */
function runnable(options: ReturnType<typeof optionsOf>): typeof options {
  return {
    ...options,
    // no server answers within 1 ms for sure
    ...(options.commandTimeout === 1 ? { commandTimeout: DEFAULTS.commandTimeout } : {}),
    // a node that looks at 65,536 shards asks each of them once, and so does the check after the test: minutes
    ...(options.loadShards === MOST_SHARDS ? { loadShards: MANY_SHARDS } : {}),
  };
}

describe('a node with options at their extremes', () => {
  const fleet = useFleet();
  const overflows: string[] = [];
  const note = ({ name }: Error): void => {
    if (name === 'TimeoutOverflowWarning') overflows.push(name);
  };
  before(() => process.on('warning', note));
  after(() => process.off('warning', note));

  /** How the request ended. */
  async function ending(node: Scheduler<string, string>): Promise<string> {
    try {
      return String(await node.submit('x', { deadlineMs: 60_000 }).result());
    } catch (error) {
      return (error as SchedulerError).message;
    }
  }

  for (const [i, choices] of configurations(CHOICES).entries()) {
    it(`${i + 1}: serves a request`, async () => {
      const options = runnable(optionsOf(choices)) as SchedulerOptions<string, string>;
      const node = await fleet.start<string, string>('n', { ...LEAST, ...options });
      const served = node.run(() => 'o', { budget: room() });
      const ended = await ending(node);
      await node.close();
      await served;
      // a busy machine may keep a handler from its result for longer than the least lease
      if (ended !== 'o')
        expect([ended.replace(/\d+/, 'n'), options.leaseMs], JSON.stringify(options)).to.deep.equal([
          'request x failed: no tries left: n runners lost it',
          100,
        ]);
      expect(fleet.warnings.filter((warning) => !/lazyfree|disk|persist/.test(warning))).to.deep.equal([]);
      expect(overflows).to.deep.equal([]);
    });
  }
});

// lua/README.md#bad-days, the bad input; options are in bad-options.test.ts, the bad days are in bad-days.test.ts.
import { expect } from 'chai';
import { ConfigError, type Budget } from '../../src/index.ts';
import {
  ended,
  endings,
  finish,
  rejection,
  request,
  requests,
  room,
  take,
  useFleet,
  type Prompt,
} from '../support/fleet.ts';

const BAD_BUDGETS: readonly [option: string, budget: unknown][] = [
  ['budget', null],
  ['budget', 3],
  ['budget.availableBlocks', { ...room(), availableBlocks: -1 }],
  ['budget.availableBlocks', { ...room(), availableBlocks: NaN }],
  ['budget.blockSize', { ...room(), blockSize: 0 }],
  ['budget.reservedOutputBlocks', { ...room(), reservedOutputBlocks: 1.5 }],
  ['budget.maxNumBatchedTokens', { ...room(), maxNumBatchedTokens: '8192' }],
  ['budget.batch', { ...room(), batch: undefined }],
  ['budget.totalBlocks', { ...room(), totalBlocks: 3 }],
  ['budget.chunkedPrefill', { ...room(), chunkedPrefill: true }],
  ['budget.chunkedPrefill.maxPartialPrefills', { ...room(), chunkedPrefill: {} }],
];

describe('bad input to a running scheduler', () => {
  const fleet = useFleet();

  it('a budget: is refused by name, in getRequests and in run', async () => {
    const node = await fleet.start('a');
    for (const [option, budget] of BAD_BUDGETS) {
      for (const call of [
        node.getRequests(budget as Budget),
        node.run(() => 1, { budget: budget as Budget }),
      ]) {
        const error = await rejection(call);
        expect(error, option).to.be.instanceOf(ConfigError).with.property('option', option);
        expect(error.message).to.match(/ is .*; allowed is /);
      }
    }
  });

  it('a request that cannot be encoded is refused with a reason; the others of its call are accepted', async () => {
    const node = await fleet.start<Prompt & { extra?: unknown }>('a');
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const extras = [
      1,
      2n,
      'text',
      circular,
      {
        toJSON: () => {
          throw new Error('shy');
        },
      },
      null,
    ];
    const list = extras.map((extra, i) => ({ ...request(`r${i}`), extra }));
    const outcomes = await node.putRequests(list);
    expect(outcomes.map(({ id, error }) => [id, error?.code])).to.deep.equal([
      ['r0', undefined],
      ['r1', 'ENCODE'],
      ['r2', undefined],
      ['r3', 'ENCODE'],
      ['r4', 'ENCODE'],
      ['r5', undefined],
    ]);
    expect(outcomes[1]!.error!.message).to.match(/^"r1" could not be encoded: .*BigInt/);
    expect(outcomes[3]!.error!.message).to.match(/^"r3" could not be encoded: .*circular/);
    expect(outcomes[4]!.error!.message).to.equal('"r4" could not be encoded: shy');
    expect(await fleet.loads()).to.deep.equal({ a: 3 });
    expect((await node.putRequests([request('r1')]))[0]!.error, 'its id is free').to.equal(undefined);
  });

  it('an ill-formed id is refused with a reason; the others of its call are accepted', async () => {
    const node = await fleet.start('a');
    const ids = [
      'ok',
      '',
      '\ud800',
      'a\udc00b',
      'x'.repeat(513),
      '漢'.repeat(171),
      7,
      null,
      undefined,
      'x'.repeat(512),
    ];
    const list = [
      ...ids.map((id) => ({ ...request('x'), request_id: id as string })),
      null as unknown as Prompt,
    ];
    const outcomes = await node.putRequests(list);
    expect(outcomes.map(({ error }) => error?.code)).to.deep.equal([
      undefined,
      ...Array<string>(8).fill('BAD_ID'),
      undefined,
      'BAD_ID',
    ]);
    for (const { error } of outcomes.slice(1, 9))
      expect(error!.message).to.match(/^id .* is not a well-formed string of 1 to 512 bytes$/);
    expect(outcomes.at(-1)!.error!.message).to.match(/^the request has no id \(option idOf\)/);
    expect(await fleet.loads()).to.deep.equal({ a: 2 });
  });

  it('prompt tokens that are no count are refused with a reason; the others of the call are accepted', async () => {
    const node = await fleet.start<{ request_id: string; n: unknown }>('a', {
      promptTokensOf: ({ n }) => n as number,
    });
    const counts = [0, -1, 1.5, NaN, '3', undefined, 2 ** 32, 2 ** 32 - 1];
    const outcomes = await node.putRequests(counts.map((n, i) => ({ request_id: `r${i}`, n })));
    expect(outcomes.map(({ error }) => error?.code)).to.deep.equal([
      undefined,
      ...Array<string>(6).fill('ENCODE'),
      undefined,
    ]);
    expect(outcomes[1]!.error!.message).to.match(
      /^"r1": prompt tokens are -1, not an integer from 0 to 4294967295/,
    );
    const plain = await fleet.start('b');
    const [missing] = await plain.putRequests([{ request_id: 'r' } as Prompt]);
    expect(missing!.error).to.have.property('code', 'ENCODE');
  });

  it('a request over maxBodyBytes is refused with both numbers; the others of its call are accepted', async () => {
    const node = await fleet.start('a', { maxBodyBytes: 300 });
    const [small, large] = await node.putRequests([request('small', 20), request('large', 200)]);
    expect(small!.error).to.equal(undefined);
    expect(large!.error).to.have.property('code', 'TOO_LARGE');
    expect(large!.error!.message).to.match(/^"large" has \d{3} bytes, over maxBodyBytes 300$/);
  });

  it('a payload that its runner cannot decode ends as failed and goes to dead; the others are unharmed', async () => {
    const decode = (): never => {
      throw new Error('of a newer version');
    };
    const owner = await fleet.start('owner');
    const list = [request('good0'), request('bad'), request('good1')];
    await owner.putRequests(list);
    const encode = (value: Prompt): string => JSON.stringify(value);
    const picky = {
      encode,
      decode: (bytes: Buffer): Prompt =>
        bytes.includes('bad') ? decode() : (JSON.parse(String(bytes)) as Prompt),
    };
    const runner = await fleet.start('runner', { codec: picky, minLoadScore: 1 });
    const claims = await take(runner, 2, room(4));
    await finish(runner, claims);
    const results = await ended(owner, ['good0', 'bad', 'good1']);
    expect(endings(results)).to.deep.equal({ good0: 'finished', bad: 'failed', good1: 'finished' });
    const reason = 'the request could not be decoded: of a newer version';
    expect(results.get('bad')).to.deep.equal([{ kind: 'failed', reason }]);
    const { dead } = await fleet.snapshot();
    expect(dead).to.have.length(1);
    expect(String(dead[0]!.get('ticket')).endsWith('|bad')).to.equal(true);
    expect(String(dead[0]!.get('error'))).to.equal(reason);
    expect(String(dead[0]!.get('body'))).to.equal(JSON.stringify(list[1]));
  });

  it('a result over maxResultBytes, or that cannot be encoded, is refused, and the claim stands', async () => {
    const [owner, runner] = [
      await fleet.start('owner'),
      await fleet.start('runner', { maxResultBytes: 100 }),
    ];
    await owner.putRequests([request('r')]);
    const { claim } = (await take(runner, 1))[0]!;
    const answers = await runner.putResults([
      { claim, output: 'x'.repeat(99), finished: true },
      { claim, output: 2n, finished: true },
      { claim, output: 'x'.repeat(98) },
      { claim, output: 'the rest', finished: true },
    ]);
    expect(answers).to.deep.equal(['too_large', 'encode', 'ok', 'ok']);
    expect((await ended(owner, ['r'])).get('r')).to.deep.equal([
      { kind: 'chunk', output: 'x'.repeat(98) },
      { kind: 'finished', output: 'the rest' },
    ]);
  });

  it('requests beyond maxWaiting are refused with FULL, in order, with ms after which to try again', async () => {
    const [node, runner] = [await fleet.start('a', { maxWaiting: 3 }), await fleet.start('runner')];
    const outcomes = await node.putRequests(requests('r', 5));
    expect(outcomes.map(({ error }) => error?.code)).to.deep.equal([
      undefined,
      undefined,
      undefined,
      'FULL',
      'FULL',
    ]);
    for (const { error } of outcomes.slice(3)) {
      expect(error!.retryAfterMs).to.be.within(100, 60_000);
      expect(error!.message).to.match(
        /3 requests of this node wait \(option maxWaiting\); try again in \d+ ms$/,
      );
    }
    expect(await fleet.loads()).to.deep.equal({ a: 3 });
    const refused = await rejection(node.submit(request('r3')).result());
    expect(refused).to.have.property('code', 'FULL');
    await take(runner, 1);
    expect(await node.putRequests([request('r3')]), 'a claim makes room').to.deep.equal([{ id: 'r3' }]);
  });
});

import { expect } from 'chai';
import { Scheduler, bytesCodec, tokensCodec, type Codec, type SchedulerOptions } from '../../src/index.ts';
import { rejection, room, useFleet } from '../support/fleet.ts';
import { waitUntil } from '../support/server.ts';

interface Job<Payload> {
  id: string;
  payload: Payload;
}

/** JSON that keeps integers of any size. */
const bigJson: Codec<unknown> = {
  encode: (value) =>
    JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `big:${part}` : part)).replace(
      /"big:(\d+)"/g,
      '$1',
    ),
  decode: (bytes) =>
    JSON.parse(bytes.toString().replace(/:(\d{16,})/g, ':"big:$1"'), (_key, part: unknown) =>
      typeof part === 'string' && part.startsWith('big:') ? BigInt(part.slice(4)) : part,
    ) as unknown,
};

const ownCodec: Codec<Job<Uint32Array>> = {
  encode({ id, payload }) {
    const head = Buffer.from(`${id}\n`);
    return Buffer.concat([head, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)]);
  },
  decode(bytes) {
    const end = bytes.indexOf('\n');
    const tokens = new Uint32Array(new Uint8Array(bytes.subarray(end + 1)).buffer);
    return { id: bytes.toString('utf8', 0, end), payload: tokens };
  },
};

describe('payloads', () => {
  const fleet = useFleet();

  /** Sends a request to another node, which echoes it; answers what arrived there and what came back. */
  async function echo<Request, Output = Request>(
    value: Request,
    options: SchedulerOptions<Request, Output>,
    outputOf: (request: Request) => Output = (request) => request as unknown as Output,
  ): Promise<{ arrived: Request; back: Output | undefined; stored: Buffer; promptTokens: number }> {
    const [owner, runner] = [await fleet.start('owner', options), await fleet.start('runner', options)];
    const submission = owner.submit(value);
    await waitUntil(async () => (await fleet.redis.hlen(fleet.key('body'))) === 1, 'it is in Redis');
    const [stored] = await fleet.redis.hvalsBuffer(fleet.key('body'));
    const [claimed] = await runner.getRequests(room(), { waitMs: 5_000 });
    await runner.putResults([{ claim: claimed!.claim, output: outputOf(claimed!.request), finished: true }]);
    const { request: arrived, promptTokens } = claimed!;
    return { arrived, back: await submission.result(), stored: stored!, promptTokens };
  }

  const accessors = { idOf: ({ id }: { id: string }) => id, promptTokensOf: () => 1 };

  it('are JSON by default, and text of any language survives', async () => {
    const texts = [
      '',
      'ASCII',
      '\u0000\u0007\n\r\t"\\',
      'äöü ß',
      '漢字かな',
      '👩🏽‍🚀 \u{10FFFF}',
      '\u2028\u2029\ufeff',
      '| ( } [ { \\u0000',
    ];
    const value = { id: 'r', payload: { texts, nested: [[1.5, -0.25, null, true], {}] } };
    const { arrived, back, stored } = await echo(value, accessors);
    expect(arrived).to.deep.equal(value);
    expect(back).to.deep.equal(value);
    expect(stored.toString()).to.equal(JSON.stringify(value));
  });

  it('keep integers over 2^53 with a codec that does', async () => {
    const value = { id: 'r', seed: 922_337_203_685_477_580n, largest: 2n ** 64n - 1n };
    const { arrived, back, stored } = await echo<typeof value>(value, {
      ...accessors,
      codec: bigJson as Codec<typeof value>,
      outputCodec: bigJson as Codec<typeof value>,
    });
    expect(stored.toString()).to.include('"seed":922337203685477580,');
    expect(arrived).to.deep.equal(value);
    expect(back).to.deep.equal(value);
  });

  it('may be bytes of any value, which are kept as they are', async () => {
    const value = Uint8Array.from({ length: 1_024 }, (_, i) => (i * 7 + (i >> 8)) % 256);
    const { arrived, back, stored } = await echo<Uint8Array>(value, {
      codec: bytesCodec,
      outputCodec: bytesCodec,
      idOf: () => 'r',
      promptTokensOf: (bytes) => bytes.length,
    });
    for (const bytes of [stored, arrived, back!]) expect(Buffer.from(bytes).equals(value)).to.equal(true);
  });

  it('may be a view into a larger buffer: its bytes alone are sent', async () => {
    const value = new Uint8Array(100).fill(7).subarray(10, 20);
    const { stored } = await echo<Uint8Array>(value, {
      codec: bytesCodec,
      outputCodec: bytesCodec,
      idOf: () => 'r',
      promptTokensOf: () => 1,
    });
    expect(stored).to.deep.equal(Buffer.alloc(10, 7));
  });

  it('may be typed arrays by a codec of the user’s own, also when the node runs its own request', async () => {
    const tokens = Uint32Array.from({ length: 5_000 }, (_, i) => (i * 2_654_435_761) % 2 ** 32);
    const options: SchedulerOptions<Job<Uint32Array>, number> = {
      codec: ownCodec,
      idOf: ({ id }) => id,
      promptTokensOf: ({ payload }) => payload.length,
    };
    const sum = ({ payload }: Job<Uint32Array>): number => payload.reduce((a, b) => (a + b) % 1_000_003, 0);
    const { arrived, back } = await echo({ id: 'other', payload: tokens }, options, sum);
    expect(arrived.payload).to.deep.equal(tokens);
    expect(back).to.equal(sum({ id: '', payload: tokens }));

    const own = await fleet.start('own', { ...options, policy: 'none' });
    const submission = own.submit({ id: 'own', payload: tokens });
    const [claimed] = await own.getRequests(room(), { waitMs: 5_000 });
    expect(claimed!.request.payload).to.deep.equal(tokens);
    expect(claimed!.promptTokens).to.equal(5_000);
    await own.putResults([{ claim: claimed!.claim, output: sum(claimed!.request), finished: true }]);
    expect(await submission.result()).to.equal(back);
  });

  interface TokenPrompt {
    request_id: string;
    prompt_token_ids: Uint32Array;
    sampling: { temperature: number; stop: string[] };
  }
  const prompt = (request_id: string, length = 5_000): TokenPrompt => ({
    request_id,
    prompt_token_ids: Uint32Array.from({ length }, (_, i) => (i * 2_654_435_761) % 2 ** 32),
    sampling: { temperature: 0.7, stop: ['\n', 'ä'] },
  });
  interface TokenOutput {
    ids: Int32Array;
    text: string;
  }

  for (const length of [0, 3, 5_000, 100_000]) {
    it(`may be ${length} token ids, by the codec tokens: they travel as they are, and are counted without options`, async () => {
      const outputOf = ({ prompt_token_ids: ids }: TokenPrompt): TokenOutput => ({
        ids: Int32Array.from(ids.subarray(0, 2_000)),
        text: 'ok',
      });
      const value = prompt('r', length);
      const { arrived, back, stored, promptTokens } = await echo<TokenPrompt, TokenOutput>(
        value,
        { codec: 'tokens', outputCodec: 'tokens' },
        outputOf,
      );
      expect(arrived).to.deep.equal(value);
      expect(back).to.deep.equal(outputOf(value));
      expect(promptTokens).to.equal(length);
      expect(stored.subarray(0, 4).toString()).to.equal('TOK1');
      const { buffer } = value.prompt_token_ids;
      expect(stored.subarray(stored.length - buffer.byteLength)).to.deep.equal(Buffer.from(buffer));
    });
  }

  it('of the codec tokens may come in chunks: arrays alone, objects, text', async () => {
    const [owner, runner] = [
      await fleet.start<TokenPrompt>('owner', { codec: 'tokens', outputCodec: 'tokens' }),
      await fleet.start<TokenPrompt>('runner', { codec: 'tokens', outputCodec: 'tokens' }),
    ];
    const outputs = [
      Uint32Array.of(7),
      { ids: new Uint32Array(3_000).fill(9) },
      'text',
      new Int32Array(0),
      null,
    ];
    void runner.run(
      async function* () {
        for (const output of outputs) yield await Promise.resolve(output);
        return outputs[1];
      },
      { budget: room() },
    );
    const seen: unknown[] = [];
    for await (const { output } of owner.submit(prompt('r'))) seen.push(output);
    expect(seen).to.deep.equal([...outputs, outputs[1]]);
  });

  it('of the codec tokens, run by their own node, are the runner’s alone: each attempt reads them anew', async () => {
    const node = await fleet.start<TokenPrompt>('a', { codec: 'tokens', policy: 'none' });
    const value = prompt('r');
    await node.putRequests([value]);
    for (const attempt of [1, 2, 3]) {
      const [claimed] = await node.getRequests(room(), { waitMs: 5_000 });
      expect(claimed!.request, String(attempt)).to.deep.equal(prompt('r'));
      claimed!.request.prompt_token_ids.fill(0);
      await claimed!.giveBack();
    }
    expect(value).to.deep.equal(prompt('r'));
  });

  it('of the codec json are read by the codec tokens: a fleet changes its runners first', async () => {
    interface Plain {
      request_id: string;
      prompt_token_ids: ArrayLike<number>;
    }
    const value: Plain = { request_id: 'r', prompt_token_ids: [1, 2, 3] };
    const runner = await fleet.start<Plain>('runner', { codec: 'tokens' });
    const owner = await fleet.start<Plain>('owner');
    await owner.putRequests([value]);
    const [claimed] = await runner.getRequests(room(), { waitMs: 5_000 });
    expect(claimed!.request).to.deep.equal(value);
    await claimed!.giveBack();

    const between = { ...tokensCodec<Plain>(), encode: (request: Plain) => JSON.stringify(request) };
    const later = await fleet.start<Plain>('later', { codec: between });
    const fields = tokensCodec<Plain>({ fields: ['prompt_token_ids'] });
    const last = await fleet.start<Plain>('last', { codec: fields });
    await owner.reset();
    await last.putRequests([{ ...value, request_id: 's' }]);
    const [packed] = await later.getRequests(room(), { waitMs: 5_000 });
    expect(packed!.request).to.deep.equal({ request_id: 's', prompt_token_ids: Uint32Array.of(1, 2, 3) });
  });

  it('of the codec tokens end as failed at a node that has the codec json, which says so', async () => {
    const owner = await fleet.start<TokenPrompt>('owner', { codec: 'tokens', policy: 'none' });
    const runner = await fleet.start('runner');
    const failure = rejection(owner.submit(prompt('r')).result());
    await runner.getRequests(room(), { waitMs: 500 });
    expect((await failure).message).to.match(
      /could not be decoded: \d+ bytes that are no JSON, but of the codec tokens$/,
    );
  });

  it('that the codec tokens cannot encode are refused, each alone', async () => {
    const codec = tokensCodec<{ request_id: string; prompt_token_ids: ArrayLike<number> }>({
      fields: ['prompt_token_ids'],
    });
    const owner = await fleet.start('owner', { codec, policy: 'none' });
    const lists: [string, ArrayLike<number>][] = [
      ['good', [1]],
      ['nan', [1, NaN]],
      ['large', [2 ** 32]],
      ['floats', new Float32Array(2)],
    ];
    const outcomes = await owner.putRequests(
      lists.map(([request_id, prompt_token_ids]) => ({ request_id, prompt_token_ids })),
    );
    expect(outcomes.map(({ id, error }) => [id, error?.code, error?.message])).to.deep.equal([
      ['good', undefined, undefined],
      [
        'nan',
        'ENCODE',
        '"nan" could not be encoded: "prompt_token_ids"[1] is no integer from 0 to 4294967295',
      ],
      [
        'large',
        'ENCODE',
        '"large" could not be encoded: "prompt_token_ids"[0] is no integer from 0 to 4294967295',
      ],
      [
        'floats',
        'ENCODE',
        '"floats" could not be encoded: "prompt_token_ids" is a Float32Array; token ids are a Uint32Array or an Int32Array',
      ],
    ]);
  });

  it('that are damaged in Redis end their request as failed, with a reason', async () => {
    const owner = await fleet.start<TokenPrompt>('owner', { codec: 'tokens', policy: 'none' });
    const runner = await fleet.start<TokenPrompt>('runner', { codec: 'tokens' });
    const failure = rejection(owner.submit(prompt('r')).result());
    await waitUntil(async () => (await fleet.redis.hlen(fleet.key('body'))) === 1, 'it is in Redis');
    const [[field, body]] = Object.entries(await fleet.redis.hgetallBuffer(fleet.key('body'))) as [
      [string, Buffer],
    ];
    await fleet.redis.hset(fleet.key('body'), field, body.subarray(0, -4));
    await runner.getRequests(room(), { waitMs: 500 });
    expect((await failure).message).to.match(
      /could not be decoded: \d+ bytes of the codec tokens are damaged: 5000 token ids are to follow, and 19996 bytes do$/,
    );
  });

  it('a runner that changes its request changes nobody else’s: each attempt reads the payload anew', async () => {
    const node = await fleet.start<Job<number[]>>('a', accessors);
    await node.putRequests([{ id: 'r', payload: [1, 2, 3] }]);
    const [first] = await node.getRequests(room(), { waitMs: 5_000 });
    first!.request.payload.length = 0;
    await first!.giveBack();
    const [second] = await node.getRequests(room(), { waitMs: 5_000 });
    expect(second!.request.payload).to.deep.equal([1, 2, 3]);
  });

  it('ids may be any text: each result finds its request', async () => {
    const ids = [
      'a|b',
      '}',
      '{',
      '(',
      '[',
      ' ',
      '\u0000',
      '\n',
      'ä',
      '👩🏽‍🚀',
      'x'.repeat(512),
      '漢'.repeat(170),
      '-1',
      '__proto__',
      'r ',
    ];
    const [owner, runner] = [
      await fleet.start<Job<number>, string>('owner', accessors),
      await fleet.start<Job<number>, string>('runner', { ...accessors, minLoadScore: 1 }),
    ];
    expect(await owner.putRequests(ids.map((id, payload) => ({ id, payload })))).to.deep.equal(
      ids.map((id) => ({ id })),
    );
    const claims = await runner.getRequests(room(64), { waitMs: 5_000 });
    expect(claims.map(({ id }) => id)).to.deep.equal(ids);
    await runner.putResults(claims.map(({ claim, id }) => ({ claim, output: id, finished: true })));
    const results = new Map<string, unknown>();
    await waitUntil(() => {
      for (const [id, [result]] of owner.getResults()) results.set(id, result!.output);
      return results.size === ids.length;
    }, 'all results are there');
    for (const id of ids) expect(results.get(id)).to.equal(id);
    await fleet.verify();
  });

  it('a result may have no output at all', async () => {
    await using node = await Scheduler.start<Job<null>, string>({
      ...accessors,
      redis: fleet.url,
      topic: fleet.topic,
      node: 'a',
      onWarning: () => undefined,
    });
    const submission = node.submit({ id: 'r', payload: null });
    const [claimed] = await node.getRequests(room(), { waitMs: 5_000 });
    await node.putResults([{ claim: claimed!.claim, finished: true }]);
    expect(await submission.result()).to.equal(undefined);
  });
});

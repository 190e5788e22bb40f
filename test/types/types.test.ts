// What a user's compiler says of programs on the public types: what is right compiles, and what is wrong does not.
import { join } from 'node:path';
import { expect } from 'chai';
import { copyIoredis, type OtherIoredis } from '../support/other-ioredis.ts';
import { compile } from './compile.ts';

const SUBMITTED = `
  import { Scheduler, type FinalResult, type Result } from 'sched-lua';
  declare const front: Scheduler<{ request_id: string }, { text: string }>;
  export async function use(): Promise<unknown[]> {
    const seen: unknown[] = [];
    for await (const result of front.submit({ request_id: 'r' })) {
`;
const END = `
    }
    return seen;
  }
  export type Used = [FinalResult, Result];
`;
const START = `
  import { Scheduler, type RedisSource } from 'sched-lua';
  import { Cluster, Redis } from 'ioredis';
  import { Cluster as OtherCluster, Redis as OtherRedis } from 'other-ioredis';
`;
const PUT = `
  import { Scheduler } from 'sched-lua';
  declare const node: Scheduler<unknown, { text: string }>;
  declare const last: boolean;
  const [claim, output] = ['c', { text: 't' }];
`;

const CODEC = `
  import { Scheduler, tokensCodec, type Codec, type CodecName, type TokensCodecOptions } from 'sched-lua';
  interface Prompt {
    ids: Uint32Array; any: ArrayLike<number>; maybe?: Uint32Array | number[]; list: number[]; text: string;
  }
  declare const prompt: Prompt;
`;

/** Programs, and what the compiler says of those that are wrong. */
const PROGRAMS: readonly [what: string, program: string, says?: RegExp][] = [
  [
    'a chunk has an output',
    `${SUBMITTED} if (result.kind === 'chunk') seen.push(result.output.text); ${END}`,
  ],
  [
    'a finished one may have no output',
    `${SUBMITTED} if (result.kind === 'finished') seen.push(result.output.text); ${END}`,
    /'result.output' is possibly 'undefined'/,
  ],
  [
    'a failed one has a reason',
    `${SUBMITTED} if (result.kind === 'failed') seen.push(result.reason.length); ${END}`,
  ],
  [
    'an expired one may have no reason',
    `${SUBMITTED} if (result.kind === 'expired') seen.push(result.reason.length); ${END}`,
    /'result.reason' is possibly 'undefined'/,
  ],
  [
    'a restart has no output',
    `${SUBMITTED} if (result.kind === 'restart') seen.push(result.output.text); ${END}`,
    /'result.output' is possibly 'undefined'/,
  ],
  [
    'kind, output and reason can be read of every result',
    `${SUBMITTED} const { kind, output, reason } = result; seen.push(kind, output?.text, reason?.length); ${END}`,
  ],
  [
    'all six kinds are known, and no other',
    `${SUBMITTED}
      switch (result.kind) {
        case 'chunk': case 'restart': case 'finished': case 'failed': case 'cancelled': case 'expired': break;
        default: { const none: never = result; seen.push(none); }
      } ${END}`,
  ],
  [
    'a misspelt kind is found',
    `${SUBMITTED} if (result.kind === 'canceled') seen.push(result); ${END}`,
    /no overlap/,
  ],
  [
    'results are put as chunks and ends',
    `${PUT} void node.putResults([
      { claim, output }, { claim, output, finished: true }, { claim, finished: true }, { claim, failed: 'why' },
      { claim, output, finished: last },
    ]);`,
  ],
  ['a chunk without an output is none', `${PUT} void node.putResults([{ claim }]);`, /not assignable/],
  [
    'clients of any copy of ioredis are sources',
    `${START} export const sources: RedisSource[] = [
      new Redis(), new OtherRedis(), new Cluster([]), new OtherCluster([]), 'redis://h', { host: 'h', port: 1 },
    ]; void Scheduler.start({ redis: new OtherRedis() });`,
  ],
  [
    'what is no client is no source',
    `${START} export const source: RedisSource = { duplicate: () => ({}), status: 'ready' };`,
    /not assignable/,
  ],
  [
    'a misspelt option is found',
    `${START} void Scheduler.start({ leaseMS: 1 });`,
    /'leaseMS' does not exist/,
  ],
  [
    'a codec has a name, and an array of token ids keeps its type',
    `${CODEC} void Scheduler.start<Prompt, Uint32Array>({ codec: 'tokens', outputCodec: 'tokens' })
      .then(async (node) => {
        const [claimed] = await node.getRequests({} as never);
        const ids: Uint32Array = claimed!.request.ids;
        await node.putResults([{ claim: claimed!.claim, output: ids }]);
      });`,
  ],
  ['a misspelt codec is found', `${CODEC} void Scheduler.start({ codec: 'token' });`, /not assignable/],
  [
    'a codec of tokens is one of its request',
    `${CODEC} void Scheduler.start({ codec: tokensCodec<Prompt>() }).then((node) => node.putRequests([prompt]));`,
  ],
  [
    'a field that may be a Uint32Array can be named',
    `${CODEC} export const codec: Codec<Prompt> = tokensCodec<Prompt>({ fields: ['ids', 'any', 'maybe'] });
      export const names: CodecName[] = ['json', 'tokens'];
      export const options: TokensCodecOptions = { fields: ['of what is not known'] };`,
  ],
  [
    'a field that is a plain array cannot: it would arrive as another',
    `${CODEC} tokensCodec<Prompt>({ fields: ['list'] });`,
    /not assignable/,
  ],
  [
    'a field that is not there cannot',
    `${CODEC} tokensCodec<Prompt>({ fields: ['idz'] });`,
    /not assignable/,
  ],
  [
    'a failed one is not finished',
    `${PUT} void node.putResults([{ claim, failed: 'why', finished: true }]);`,
    /not assignable/,
  ],
];

describe('the public types', () => {
  let said: Record<string, string[]>;
  let other: OtherIoredis;
  const fileOf = (number: number): string => `case-${number}.ts`;

  before(function () {
    this.timeout(120_000);
    other = copyIoredis();
    const programs = PROGRAMS.map(([, program], i) => [fileOf(i), program]);
    said = compile(Object.fromEntries(programs) as Record<string, string>, {
      'other-ioredis': [join(other.folder, 'built/index.d.ts')],
    });
  });
  after(() => other.remove());

  for (const [i, [what, , says]] of PROGRAMS.entries()) {
    it(`${what}${says === undefined ? '' : ': the compiler says so'}`, () => {
      const errors = said[fileOf(i)]!;
      if (says === undefined) expect(errors).to.deep.equal([]);
      else
        expect(errors)
          .to.have.length(1)
          .and.to.satisfy(([error]: string[]) => says.test(error!));
    });
  }
});

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  admit,
  type Budget,
  claimBounds,
  fitsEngine,
  requiredBlocks,
  validateBudget,
} from '../../src/base/budget.ts';
import { ConfigError } from '../../src/base/errors.ts';

/** One recorded call of the reference's get_requests (test/vectors/budget.jsonl). */
interface Vector {
  prompt_tokens: number[];
  batch: number;
  available_blocks: number;
  block_size: number;
  reserved_output_blocks: number;
  max_num_batched_tokens: number;
  enable_chunked_prefill: boolean;
  max_num_partial_prefills: number;
  max_long_partial_prefills: number;
  long_prefill_token_threshold: number;
  admitted: number[];
}

const vectors = readFileSync(new URL('../vectors/budget.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Vector);

/** Lines of the recording where the reference refuses, for ever, a first prompt above maxNumBatchedTokens. */
const MENDED = [
  3, 12, 14, 33, 34, 68, 72, 76, 88, 106, 117, 138, 210, 246, 264, 273, 292, 315, 319, 326, 341, 366, 377,
  383, 398,
];

function budgetOf(vector: Vector): Budget {
  const budget: Budget = {
    availableBlocks: vector.available_blocks,
    blockSize: vector.block_size,
    reservedOutputBlocks: vector.reserved_output_blocks,
    maxNumBatchedTokens: vector.max_num_batched_tokens,
    batch: vector.batch,
  };
  if (!vector.enable_chunked_prefill) return budget;
  return {
    ...budget,
    chunkedPrefill: {
      maxPartialPrefills: vector.max_num_partial_prefills,
      maxLongPartialPrefills: vector.max_long_partial_prefills,
      longPrefillTokenThreshold: vector.long_prefill_token_threshold,
    },
  };
}

/** A roomy budget, to change one thing of. */
function roomy(change: Partial<Budget> = {}): Budget {
  return {
    availableBlocks: 1000,
    blockSize: 16,
    reservedOutputBlocks: 2,
    maxNumBatchedTokens: 2048,
    batch: 8,
    ...change,
  };
}

const anyBudget: fc.Arbitrary<Budget> = fc.record(
  {
    availableBlocks: fc.nat(40),
    blockSize: fc.integer({ min: 1, max: 16 }),
    reservedOutputBlocks: fc.nat(8),
    maxNumBatchedTokens: fc.nat(300),
    batch: fc.nat(12),
    chunkedPrefill: fc.record({
      maxPartialPrefills: fc.nat(6),
      maxLongPartialPrefills: fc.nat(3),
      longPrefillTokenThreshold: fc.nat(120),
    }),
  },
  {
    requiredKeys: ['availableBlocks', 'blockSize', 'reservedOutputBlocks', 'maxNumBatchedTokens', 'batch'],
  },
);
const anyPrompts = fc.array(fc.oneof(fc.nat(20), fc.nat(400)), { maxLength: 14 });
const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);

describe('budget', () => {
  describe('admit', () => {
    it('decides as the reference on its recorded calls, but for the first prompt above maxNumBatchedTokens', () => {
      expect(vectors).to.have.length(400);
      const differing: number[] = [];
      for (const [index, vector] of vectors.entries()) {
        const admitted = admit(vector.prompt_tokens, budgetOf(vector));
        expect(vector.admitted).to.deep.equal(
          [...vector.admitted.keys()],
          'the reference admits from the front',
        );
        if (admitted !== vector.admitted.length) differing.push(index + 1);
      }
      expect(differing).to.deep.equal(MENDED);
    });

    it('admits in those 25 calls the one prompt that the reference refuses, for that reason and no other', () => {
      for (const line of MENDED) {
        const vector = vectors[line - 1]!;
        const budget = budgetOf(vector);
        const first = vector.prompt_tokens[0]!;
        expect(vector.admitted, `line ${line}`).to.deep.equal([]);
        expect(admit(vector.prompt_tokens, budget), `line ${line}`).to.equal(1);
        expect(budget.chunkedPrefill, `line ${line}`).to.equal(undefined);
        expect(first, `line ${line}`).to.be.greaterThan(budget.maxNumBatchedTokens);
        // The reference's other rules let it in: the batch, the reserve and the blocks.
        expect(budget.batch, `line ${line}`).to.be.at.least(1);
        expect(budget.availableBlocks, `line ${line}`).to.be.greaterThan(budget.reservedOutputBlocks);
        expect(requiredBlocks(first, budget), `line ${line}`).to.be.at.most(budget.availableBlocks);
      }
    });

    it('admits the prompt above maxNumBatchedTokens only if it comes first, and then alone', () => {
      expect(admit([3000, 0, 1], roomy())).to.equal(1);
      expect(admit([1, 3000, 1], roomy())).to.equal(1);
      expect(admit([2000, 48, 0, 1], roomy())).to.equal(3);
    });

    it('admits nothing when no block is left beyond the reserve of one request, or batch is 0', () => {
      expect(admit([0], roomy({ availableBlocks: 2 }))).to.equal(0);
      expect(admit([0], roomy({ availableBlocks: 3 }))).to.equal(1);
      expect(admit([1], roomy({ batch: 0 }))).to.equal(0);
      expect(admit([], roomy())).to.equal(0);
    });

    it('stops at the first refusal: a small request behind a large one is not let past it', () => {
      expect(admit([16, 16 * 1000, 16], roomy())).to.equal(1);
    });

    it('looks at the first `batch` requests only', () => {
      expect(admit([1, 1, 1, 1], roomy({ batch: 3 }))).to.equal(3);
    });

    it('admits every beginning of what it admits, and never fewer with more blocks', () => {
      fc.assert(
        fc.property(anyBudget, anyPrompts, fc.nat(20), (budget, prompts, more) => {
          const admitted = admit(prompts, budget);
          for (let length = 0; length <= prompts.length; length += 1) {
            expect(admit(prompts.slice(0, length), budget)).to.equal(Math.min(length, admitted));
          }
          const larger = { ...budget, availableBlocks: budget.availableBlocks + more };
          expect(admit(prompts, larger)).to.be.at.least(admitted);
        }),
      );
    });
  });

  describe('claimBounds', () => {
    it('never excludes what admit admits', () => {
      fc.assert(
        fc.property(anyBudget, anyPrompts, (budget, prompts) => {
          const { limit, aloneTokens, sumTokens } = claimBounds(budget);
          const admitted = prompts.slice(0, admit(prompts, budget));
          expect(admitted.length).to.be.at.most(limit);
          if (admitted.length > 0) expect(admitted[0]).to.be.at.most(aloneTokens);
          if (admitted.length > 1) expect(sum(admitted)).to.be.at.most(sumTokens);
        }),
        { numRuns: 2000 },
      );
    });

    it('is reached: no smaller bounds would do', () => {
      fc.assert(
        fc.property(anyBudget, (budget) => {
          const { limit, aloneTokens, sumTokens } = claimBounds(budget);
          expect(admit(new Array<number>(limit + 1).fill(0), budget)).to.equal(limit);
          if (limit < 1) return;
          expect(admit([aloneTokens], budget)).to.equal(1);
          expect(admit([aloneTokens + 1], budget)).to.equal(0);
          if (limit < 2 || budget.chunkedPrefill?.maxLongPartialPrefills === 0) return;
          expect(admit([sumTokens, 0], budget)).to.equal(2);
          expect(admit([sumTokens + 1, 0], budget)).to.be.below(2);
        }),
        { numRuns: 2000 },
      );
    });

    it('asks Redis nothing when nothing can be admitted', () => {
      const nothing = { limit: 0, aloneTokens: 0, sumTokens: 0 };
      expect(claimBounds(roomy({ availableBlocks: 2 }))).to.deep.equal(nothing);
      expect(claimBounds(roomy({ batch: 0 }))).to.deep.equal(nothing);
      const chunkedPrefill = {
        maxPartialPrefills: 0,
        maxLongPartialPrefills: 1,
        longPrefillTokenThreshold: 9,
      };
      expect(claimBounds(roomy({ chunkedPrefill }))).to.deep.equal(nothing);
    });

    it('lets one request exceed maxNumBatchedTokens up to the free blocks, and several not', () => {
      expect(claimBounds(roomy())).to.deep.equal({ limit: 8, aloneTokens: 998 * 16, sumTokens: 2048 });
    });

    it('gives integers of at most 2^32-1 for any budget that is valid', () => {
      const large = Number.MAX_SAFE_INTEGER;
      const budget = roomy({
        availableBlocks: large,
        blockSize: large,
        maxNumBatchedTokens: large,
        batch: large,
      });
      validateBudget(budget);
      const most = 2 ** 32 - 1;
      expect(claimBounds(budget)).to.deep.equal({ limit: most, aloneTokens: most, sumTokens: most });
      fc.assert(
        fc.property(anyBudget, (any) => {
          for (const bound of Object.values(claimBounds(any))) {
            expect(Number.isInteger(bound) && bound >= 0 && bound <= most).to.equal(true);
          }
        }),
      );
    });
  });

  describe('fitsEngine', () => {
    it('is true exactly for the prompts that the empty engine would admit', () => {
      fc.assert(
        fc.property(anyBudget, fc.nat(700), (any, prompt) => {
          const { availableBlocks, blockSize, reservedOutputBlocks, maxNumBatchedTokens } = any;
          const empty = { availableBlocks, blockSize, reservedOutputBlocks, maxNumBatchedTokens, batch: 1 };
          const fits = fitsEngine(prompt, { totalBlocks: availableBlocks, blockSize, reservedOutputBlocks });
          expect(fits).to.equal(admit([prompt], empty) === 1);
        }),
      );
    });

    it('is false for every prompt when the whole engine is no more than the reserve of one request', () => {
      expect(fitsEngine(0, { totalBlocks: 2, blockSize: 16, reservedOutputBlocks: 2 })).to.equal(false);
      expect(fitsEngine(0, { totalBlocks: 3, blockSize: 16, reservedOutputBlocks: 2 })).to.equal(true);
    });

    it('is true for every prompt when totalBlocks is not known', () => {
      expect(fitsEngine(1e9, { blockSize: 16, reservedOutputBlocks: 2 })).to.equal(true);
    });
  });

  it('counts whole blocks, and the reserve for the output once for each request', () => {
    const blocks = [0, 1, 16, 17].map((tokens) => requiredBlocks(tokens, roomy()));
    expect(blocks).to.deep.equal([2, 3, 3, 4]);
  });

  describe('validateBudget', () => {
    const chunkedPrefill = {
      maxPartialPrefills: 4,
      maxLongPartialPrefills: 1,
      longPrefillTokenThreshold: 327,
    };
    const full = roomy({ totalBlocks: 1000, chunkedPrefill });

    it('accepts whole numbers from 0, with the optional parts or without', () => {
      expect(() => validateBudget(full)).not.to.throw();
      expect(() =>
        validateBudget(roomy({ totalBlocks: undefined, chunkedPrefill: undefined })),
      ).not.to.throw();
      expect(() =>
        validateBudget(roomy({ availableBlocks: 0, batch: 0, maxNumBatchedTokens: 0 })),
      ).not.to.throw();
    });

    const bad = [Number.NaN, -1, 1.5, Infinity, 2 ** 53, '8', 8n, null];
    const names = ['availableBlocks', 'blockSize', 'reservedOutputBlocks', 'maxNumBatchedTokens', 'batch'];
    for (const name of [...names, 'totalBlocks']) {
      it(`refuses ${name} unless it is a whole number, and names it`, () => {
        for (const value of bad) {
          const broken = () => validateBudget({ ...full, [name]: value });
          expect(broken, String(value)).to.throw(ConfigError, `budget.${name}`);
        }
      });
    }

    for (const name of Object.keys(chunkedPrefill)) {
      it(`refuses chunkedPrefill.${name} unless it is a whole number, and names it`, () => {
        for (const value of [...bad, undefined]) {
          const broken = () =>
            validateBudget({ ...full, chunkedPrefill: { ...chunkedPrefill, [name]: value } });
          expect(broken, String(value)).to.throw(ConfigError, `budget.chunkedPrefill.${name}`);
        }
      });
    }

    it('refuses readyInMs unless it is a time from 0, and names it', () => {
      for (const readyInMs of [0, 0.5, 1e6, undefined])
        expect(() => validateBudget({ ...full, readyInMs }), String(readyInMs)).not.to.throw();
      for (const readyInMs of [Number.NaN, -1, Infinity, '8', 8n, null])
        expect(() => validateBudget({ ...full, readyInMs })).to.throw(ConfigError, 'budget.readyInMs');
    });

    it('refuses a field that no budget has, and names the one that was meant; one of a class may have more', () => {
      expect(() => validateBudget({ ...full, readyinMs: 5 })).to.throw(
        ConfigError,
        'budget.readyinMs is no option of a budget; did you mean budget.readyInMs?',
      );
      expect(() =>
        validateBudget({ ...full, chunkedPrefill: { ...chunkedPrefill, longPrefill: 1 } }),
      ).to.throw(ConfigError, /^budget\.chunkedPrefill\.longPrefill is no option of a budget/);
      class Room {
        engine = 'mine';
      }
      expect(() => validateBudget(Object.assign(new Room(), full))).not.to.throw();
    });

    it('refuses a missing field, blocks of no tokens, and more free blocks than there are', () => {
      expect(() => validateBudget({ ...full, batch: undefined })).to.throw(ConfigError, 'budget.batch');
      expect(() => validateBudget({ ...full, blockSize: 0 })).to.throw(ConfigError, 'budget.blockSize');
      expect(() => validateBudget({ ...full, totalBlocks: 999 })).to.throw(ConfigError, 'budget.totalBlocks');
    });

    it('refuses what is no object', () => {
      for (const value of [undefined, null, 8, 'budget']) {
        expect(() => validateBudget(value), String(value)).to.throw(ConfigError, 'budget');
        const chunked = { ...full, chunkedPrefill: value ?? null };
        expect(() => validateBudget(chunked), String(value)).to.throw(ConfigError, 'budget.chunkedPrefill');
      }
    });
  });
});

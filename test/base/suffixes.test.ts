// Where the shards of a topic are in a Redis Cluster: suffixes.ts, and the sequence that is a part of the data model.
import { expect } from 'chai';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { shardKey, shardKeys, slotOf, slotOfKey } from '../../src/base/keys.ts';
import { MAX_SHARDS, SLOTS, slotOfTag, suffixOf } from '../../src/base/suffixes.ts';

const vectors = JSON.parse(readFileSync(new URL('../vectors/suffixes.json', import.meta.url), 'utf8')) as {
  first: string[];
  all: string;
};

/** Of any length and any of the allowed characters. */
function randomTopic(): string {
  return randomBytes(1 + (randomBytes(1)[0]! % 48)).toString('base64url');
}

/** Shards at each of so many masters, which have the slots in equal ranges. */
function spread(slots: readonly number[], masters: number): number[] {
  const counts = new Array<number>(masters).fill(0);
  for (const slot of slots) counts[Math.floor((slot * masters) / SLOTS)]! += 1;
  return counts;
}

/** By masters and shards: what the busiest master may have of its fair share, and whether one may be empty. */
const SHARES: readonly [masters: number, shards: number, most: number, mayBeEmpty: boolean][] = [
  // no three suffixes do better: with any, a master is empty for at least half of the topics
  [3, 3, 2, true],
  [3, 6, 1.5, false],
  [3, 12, 1.25, false],
  [3, 16, 1.125, false],
  [3, 32, 1.04, false],
  [3, 64, 1.04, false],
  [6, 3, 2, true],
  [6, 12, 1.5, false],
  [6, 16, 1.125, false],
  [6, 32, 1.125, false],
  [6, 64, 1.04, false],
];

describe('the suffixes of shards', () => {
  let all: string[] = [];

  before(function () {
    this.timeout(60_000);
    all = Array.from({ length: MAX_SHARDS }, (_, shard) => suffixOf(shard));
  });

  it('are those of the schema: another sequence would lose every topic', () => {
    expect(all.slice(0, vectors.first.length)).to.deep.equal(vectors.first);
    expect(createHash('sha256').update(all.join('\n')).digest('hex')).to.equal(vectors.all);
  });

  it('are three characters each that no pattern and no tag takes for its own, for as many shards as there may be', () => {
    expect(new Set(all)).to.have.property('size', MAX_SHARDS);
    expect(all.filter((suffix) => !/^[0-9A-Za-z]{3}$/.test(suffix))).to.deep.equal([]);
  });

  it('are refused for what is no shard', () => {
    for (const shard of [-1, 0.5, NaN, MAX_SHARDS, Infinity])
      expect(() => suffixOf(shard), String(shard)).to.throw(
        RangeError,
        'the shards of a topic are 0 to 65535',
      );
  });

  it('give the first 16,384 shards of a topic a slot each, and the others share them evenly', () => {
    const slots = all.map((_, shard) => slotOf('a-topic', shard));
    for (let from = 0; from < MAX_SHARDS; from += SLOTS)
      expect(new Set(slots.slice(from, from + SLOTS))).to.have.property('size', SLOTS);
  });

  it('spread any 2^k shards from a multiple of 2^k over all 2^k parts of the slots, in every topic', () => {
    for (let i = 0; i < 50; i += 1) {
      const topic = randomTopic();
      for (const size of [2, 4, 16, 256])
        for (const from of [0, size, 12 * size]) {
          const slots = Array.from({ length: size }, (_, n) => slotOf(topic, from + n));
          expect(new Set(spread(slots, size)), `${topic} ${from}+${size}`).to.deep.equal(new Set([1]));
        }
    }
  });

  for (const [masters, shards, most, mayBeEmpty] of SHARES)
    it(`give no master of ${masters} more than ${most} of its fair share of ${shards} shards, in any topic`, () => {
      // of 16,384 topics with other slots each has its own picture: these are all that there are
      const base = slotOfTag('t.\0\0\0');
      const parts = Array.from({ length: shards }, (_, shard) => slotOf('t', shard) ^ base);
      let [worst, empty] = [0, 0];
      for (let topic = 0; topic < SLOTS; topic += 1) {
        const counts = spread(
          parts.map((part) => part ^ topic),
          masters,
        );
        worst = Math.max(worst, Math.max(...counts) / (shards / masters));
        if (counts.includes(0)) empty += 1;
      }
      expect(worst).to.be.at.most(most);
      expect(empty > 0).to.equal(mayBeEmpty);
      // and the topics of today are among them
      for (let i = 0; i < 200; i += 1) {
        const topic = randomTopic();
        const slots = Array.from({ length: shards }, (_, shard) => slotOf(topic, shard));
        expect(Math.max(...spread(slots, masters)) / (shards / masters), topic).to.be.at.most(most);
      }
    });

  it('are in the keys, which are in the slot of their shard', () => {
    const topic = randomTopic();
    for (const shard of [0, 1, 7, 40_000]) {
      const keys = shardKeys(topic, shard);
      expect(keys[0]).to.equal(`{${topic}.${suffixOf(shard)}}:waiting`);
      expect(new Set(keys.map(slotOfKey))).to.deep.equal(new Set([slotOf(topic, shard)]));
    }
    expect(slotOfKey(shardKey(topic, 0, 'out'))).to.equal(slotOf(topic, 0));
  });
});

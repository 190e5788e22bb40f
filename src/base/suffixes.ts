/**
 * Three characters that stand for a shard in the hash tag of its keys, `{topic.suffix}`, chosen so that the shards of every
 * topic are spread over all slots of a Redis Cluster.
 *
 * CRC-16 is linear: the slot of a tag is the topic's part XOR the part of its suffix, and suffixes of one length have the same
 * part in every topic. The part of shard n is the n-th number of the van der Corput sequence in base 2: the lowest 14 bits of
 * n, reversed. Of that sequence any 2^k numbers in a row from a multiple of 2^k have one in each 2^k-th of all slots, and so
 * they have after an XOR with whatever part the topic has.
 *
 * Among the suffixes with that part, at least 8 each, shard n has number floor(n / 16,384) in the order of `CHARACTERS`. So
 * the first 16,384 shards have a slot each, and four of 65,536 share one. The sequence is part of the data model: another
 * one is another {@link SCHEMA}. `test/vectors/suffixes.json` holds it.
 */
import crc16Xmodem from 'crc/crc16xmodem';

/** Of a Redis Cluster. */
export const SLOTS = 16_384;
/** The most that a topic can have (option `loadShards`); wake-ups have room for no more. */
export const MAX_SHARDS = 65_536;
/** In this order. None means anything in a hash tag, a glob pattern or a shell. */
const CHARACTERS = Array.from('0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
const SLOT_BITS = 14;

/** A character, and what it adds to the slot of a tag. */
interface Part {
  character: string;
  slot: number;
}

const [FIRST, SECOND] = [partsOf(2), partsOf(1)];
/** By what it adds. */
const THIRD = new Array<string | undefined>(SLOTS).fill(undefined);
for (const { character, slot } of partsOf(0)) THIRD[slot] = character;
const known: string[] = [];

/** @param behind how many characters follow it */
function partsOf(behind: number): Part[] {
  return CHARACTERS.map((character) => ({ character, slot: slotOfTag(character + '\0'.repeat(behind)) }));
}

/** The slot of every key with this hash tag. */
export function slotOfTag(tag: string): number {
  return crc16Xmodem(tag) % SLOTS;
}

/**
 * The suffix of a shard, by its number from 0.
 * @throws RangeError for what is no number of a shard
 */
export function suffixOf(shard: number): string {
  return (known[shard] ??= find(shard));
}

function find(shard: number): string {
  if (!Number.isInteger(shard) || shard < 0 || shard >= MAX_SHARDS)
    throw new RangeError(`shard ${shard}: the shards of a topic are 0 to ${MAX_SHARDS - 1}`);
  const wanted = reversed(shard % SLOTS);
  let before = Math.floor(shard / SLOTS);
  for (const first of FIRST) {
    for (const second of SECOND) {
      const third = THIRD[wanted ^ first.slot ^ second.slot];
      if (third === undefined) continue;
      if (before === 0) return first.character + second.character + third;
      before -= 1;
    }
  }
  // never: a test makes all of them
  throw new RangeError(`shard ${shard} has no suffix`);
}

/** The van der Corput sequence, in units of a slot. */
function reversed(number: number): number {
  let slot = 0;
  for (let bit = 0; bit < SLOT_BITS; bit += 1) slot |= ((number >> bit) & 1) << (SLOT_BITS - 1 - bit);
  return slot;
}

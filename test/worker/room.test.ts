// The account of an engine's room: this worker's own is the truth, what the engine says only takes away.
import { expect } from 'chai';
import { EngineRoom } from '../../src/worker/room.ts';
import { waitUntil } from '../support/server.ts';

const LIMITS = {
  slots: 4,
  blocks: 100,
  blockSize: 16,
  defaultBlockSize: 16,
  reserveOutput: 32,
  maxBatchedTokens: 8_192,
};
const NOTHING = { blocks: 0, requests: 0 };

function roomOf(limits: Partial<ConstructorParameters<typeof EngineRoom>[0]> = {}): EngineRoom {
  const room = new EngineRoom({ ...LIMITS, ...limits });
  room.isUp = true;
  return room;
}

describe("an engine's room", () => {
  it('is closed until the engine answers', () => {
    const room = new EngineRoom(LIMITS);
    expect(room.room()).to.include({ batch: 0, availableBlocks: 100 });
    room.isUp = true;
    expect(room.room()).to.include({
      batch: 4,
      availableBlocks: 100,
      totalBlocks: 100,
      reservedOutputBlocks: 2,
    });
  });

  it('shrinks by a prompt and the reserve of its output, then by what is emitted behind that, and comes back', () => {
    const room = roomOf();
    expect(room.enter('a', 17)).to.equal(true);
    expect(room.room()).to.include({ batch: 3, availableBlocks: 96 });
    room.grow('a', 32);
    expect(room.room().availableBlocks).to.equal(96);
    room.grow('a', 1);
    expect(room.room().availableBlocks).to.equal(95);
    room.leave('a');
    room.leave('a');
    room.grow('a', 50);
    expect(room.room()).to.include({ batch: 4, availableBlocks: 100 });
  });

  it('takes what the library claims for it, and nothing more', () => {
    const room = roomOf({ blocks: 8 });
    // 8 blocks: two prompts of 2 blocks with a reserve of 2 each
    expect(room.enter('a', 32)).to.equal(true);
    expect(room.enter('b', 33)).to.equal(false);
    expect(room.enter('b', 32)).to.equal(true);
    expect(room.enter('c', 0)).to.equal(false);
  });

  it('loses what others use, not what it knows of itself', () => {
    const room = roomOf();
    room.enter('a', 160);
    const before = room.own;
    room.correct({ usedBlocks: 9, running: 1 }, before);
    expect(room.room()).to.include({ batch: 3, availableBlocks: 88 });
    room.correct({ usedBlocks: 30, running: 3 }, before);
    expect(room.room()).to.include({ batch: 1, availableBlocks: 70 });
    // what left while the engine was asked may still be in what it said
    room.leave('a');
    room.correct({ usedBlocks: 12, running: 1 }, before);
    expect(room.room()).to.include({ batch: 4, availableBlocks: 100 });
    room.correct({ usedBlocks: 12, running: 1 }, NOTHING);
    expect(room.room()).to.include({ batch: 3, availableBlocks: 88 });
  });

  it('is never more than its user said, and less if the engine has less', () => {
    const room = roomOf();
    room.correct({ blocks: 1_000, slots: 64, blockSize: 32 }, NOTHING);
    expect(room.room()).to.include({ batch: 4, totalBlocks: 100, blockSize: 16 });
    room.correct({ blocks: 50, slots: 2 }, NOTHING);
    expect(room.room()).to.include({ batch: 2, totalBlocks: 50 });
  });

  it('is as the engine says where its user says nothing, and stays so while the engine says nothing', () => {
    const rest = { defaultSlots: 256, defaultBlockSize: 16, reserveOutput: 32, maxBatchedTokens: 8_192 };
    const room = new EngineRoom(rest);
    expect(room.missing).to.deep.equal(['blocks']);
    room.correct({ blocks: 10, blockSize: 64, slots: 3 }, NOTHING);
    room.isUp = true;
    expect(room.missing).to.deep.equal([]);
    room.correct({}, NOTHING);
    expect(room.room()).to.include({ totalBlocks: 10, blockSize: 64, batch: 3 });
  });

  it('is closed while requests wait inside the engine', () => {
    const room = roomOf();
    room.correct({ waiting: 1 }, NOTHING);
    expect(room.room().batch).to.equal(0);
    room.correct({ waiting: 0 }, NOTHING);
    expect(room.room().batch).to.equal(4);
  });

  it('is closed for as long as it is held, and tells who waits when it opens', async () => {
    const room = roomOf();
    room.hold(30);
    expect(room.room().batch).to.equal(0);
    await room.whenRoom(new AbortController().signal);
    expect(room.room().batch).to.equal(4);
    room.close();
  });

  it('tells who waits when a request leaves, and lets go of who waits no more', async () => {
    const room = roomOf({ slots: 1 });
    room.enter('a', 1);
    const stop = new AbortController();
    let told = 0;
    void room.whenRoom(new AbortController().signal).then(() => (told += 1));
    void room.whenRoom(stop.signal).then(() => (told += 10));
    stop.abort();
    await waitUntil(() => told === 10, 'the one that waits no more is let go');
    room.leave('a');
    await waitUntil(() => told === 11, 'the other is told');
  });
});

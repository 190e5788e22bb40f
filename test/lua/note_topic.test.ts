import { expect } from 'chai';
import { runScript } from '../../src/redis/run-script.ts';
import { freshTopic } from '../support/server.ts';
import { connection, connections, noteStatus, statusWordsOf } from './support.ts';
import { START } from './view.ts';

const KEEP = 60_000;

describe('note_topic', () => {
  connections();
  // not the list of the server, which other tests use
  let key = '';
  beforeEach(() => (key = `${freshTopic()}:topics`));

  async function note(topic: string, at: number, keep: string | number = KEEP): Promise<void> {
    const reply = await runScript(
      connection(),
      'auto',
      'note_topic',
      [key],
      [topic, String(START + at), String(keep)],
    );
    noteStatus('note_topic', [String(reply[0])]);
  }

  async function listed(): Promise<[string, number][]> {
    const flat = await connection().zrange(key, 0, '-1', 'WITHSCORES');
    return flat.flatMap((one, i): [string, number][] =>
      i % 2 === 0 ? [[one, Number(flat[i + 1]) - START]] : [],
    );
  }

  it('lists a topic until its time is over, and runs twice as once', async () => {
    await note('a', 0);
    await note('b', 10_000);
    await note('b', 10_000);
    expect(await listed()).to.deep.equal([
      ['a', KEEP],
      ['b', KEEP + 10_000],
    ]);
    expect((await connection().pexpiretime(key)) - START).to.equal(KEEP + 10_000);
    await note('c', KEEP);
    expect((await listed()).map(([topic]) => topic)).to.deep.equal(['b', 'c']);
  });

  it('never shortens what a topic, or the list, has: neither by a shorter time nor by a clock that is behind', async () => {
    await note('a', 0, 2 * KEEP);
    await note('a', 0);
    await note('b', -10_000);
    expect(await listed()).to.deep.equal([
      ['b', KEEP - 10_000],
      ['a', 2 * KEEP],
    ]);
    expect((await connection().pexpiretime(key)) - START).to.equal(2 * KEEP);
  });

  it('has room for 1,000 topics: those that were noted last', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => [START + KEEP + i, `t${i}`]).flat();
    await connection().zadd(key, ...many);
    await note('new', 2_000);
    const topics = (await listed()).map(([topic]) => topic);
    expect([topics.length, topics[0], topics.at(-1)]).to.deep.equal([1_000, 't1', 'new']);
  });

  it('goes by the time of the server, if no other is given', async () => {
    await runScript(connection(), 'auto', 'note_topic', [key], ['a', '', String(KEEP)]);
    const [[, until] = ['', 0]] = await listed();
    expect(Math.abs(until + START - KEEP - Date.now())).to.be.lessThan(5_000);
  });

  it('refuses what is out of its range, and writes nothing then', async () => {
    for (const [topic, keep] of [
      ['', KEEP],
      ['t'.repeat(129), KEEP],
      ['a', 0],
      ['a', 1_099_511_627_777],
      ['a', 'x'],
    ] as const) {
      const error = await note(topic, 0, keep).then(
        () => 'taken',
        (thrown: unknown) => String(thrown),
      );
      expect(error, `${topic} ${keep}`).to.not.equal('taken');
    }
    expect(await connection().exists(key)).to.equal(0);
  });

  statusWordsOf('note_topic');
});

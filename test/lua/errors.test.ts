// An error that Redis raises within a script says where in lua/ that is.
import { expect } from 'chai';
import { sources } from '../../scripts/lib/lua/sources.ts';
import type { ScriptMode } from '../../src/base/options.ts';
import { runScript, runScriptAndWait } from '../../src/redis/run-script.ts';
import { shardKeys } from '../../src/base/keys.ts';
import { claim, put } from './calls.ts';
import { connection, connections, TestShard } from './support.ts';

const { scripts: scriptSources, helpers: helperSources } = sources();

/** `lua/<file>:<line>` of the one line of a file that holds this text. */
function whereIs(file: string, text: string): string {
  const helper = /^lib\/(.*)\.lua$/.exec(file)?.[1];
  const source = helper === undefined ? scriptSources[file.slice(0, -4)]! : helperSources[helper]!;
  const lines = source.split('\n').flatMap((line, i) => (line.includes(text) ? [i + 1] : []));
  expect(lines, `${text} in ${file}`).to.have.length(1);
  return `lua/${file}:${lines[0]}`;
}

describe('an error of Redis within a script', () => {
  connections();

  /** A shard whose table of that name is a string. */
  async function damaged(table: 'request' | 'idle'): Promise<TestShard> {
    const shard = new TestShard();
    await shard.run(put(shard, 'a', ['x']));
    await connection().set(shard.key(table), 'no table', 'PX', 60_000);
    return shard;
  }

  const messageOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'it was answered',
      (error: unknown) => (error as Error).message,
    );

  for (const mode of ['auto', 'preloaded'] satisfies ScriptMode[]) {
    it(`names the file and the line behind the line of the text (scripts: ${mode})`, async () => {
      const shard = await damaged('request');
      const { script, args } = put(shard, 'a', ['y']);
      const keys = shardKeys(shard.topic, shard.number);
      const message = await messageOf(runScript(connection(), mode, script, keys, args));
      const where = whereIs('put_requests.lua', "call('HMGET', tables.REQUEST");
      expect(message).to.match(/^WRONGTYPE /);
      expect(message)
        .to.match(/user_script:\d+ \(/)
        .and.include(`(${where})`);
    });
  }

  it('names the file of a helper', async () => {
    const shard = await damaged('idle');
    const { script, args } = claim(shard, 'b', { limit: 0 });
    const message = await messageOf(
      runScript(connection(), 'auto', script, shardKeys(shard.topic, shard.number), args),
    );
    expect(message).to.include(`(${whereIs('lib/rest.lua', "call('ZREM', tables.IDLE")})`);
    const again = put(shard, 'a', ['y']);
    const text = await messageOf(
      runScript(connection(), 'auto', again.script, shardKeys(shard.topic, shard.number), again.args),
    );
    expect(text).to.include(`(${whereIs('lib/ring.lua', "call('ZREMRANGEBYSCORE'")})`);
  });

  it('does so before a WAIT too', async () => {
    const shard = await damaged('request');
    const { script, args } = put(shard, 'a', ['y']);
    const keys = shardKeys(shard.topic, shard.number);
    const message = await messageOf(
      runScriptAndWait(
        connection(),
        { mode: 'auto', name: script, keys, args },
        { replicas: 0, timeoutMs: 1 },
      ),
    );
    expect(message).to.include(`(${whereIs('put_requests.lua', "call('HMGET', tables.REQUEST")})`);
  });
});

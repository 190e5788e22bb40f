/** The cheap look at a shard: figures from the script `inspect`, at a cost that does not depend on how many wait. */
import { messageOf, SchedulerError } from '../base/errors.ts';
import { shardKeys } from '../base/keys.ts';
import { runScript, type Client } from '../redis/run-script.ts';
import { decodeFigures, type FiguresReply, type ShardFigures } from './decode.ts';

/**
 * Reads a shard's figures. A shard without any key is answered as empty.
 * @throws SchedulerError SCRIPT if the script is not on the server and this user may not EVAL
 */
export async function readFigures(client: Client, topic: string, shard: number): Promise<ShardFigures> {
  const reply: unknown = await runInspect(client, shardKeys(topic, shard));
  return decodeFigures(reply as FiguresReply);
}

/** First without EVAL: an operator's Redis user may have no right to it, and the script is there as a rule. */
async function runInspect(client: Client, keys: readonly string[]): Promise<Buffer[]> {
  try {
    return await runScript(client, 'preloaded', 'inspect', keys, []);
  } catch (missing) {
    if (!(missing instanceof SchedulerError) || missing.code !== 'SCRIPT') throw missing;
    return runScript(client, 'auto', 'inspect', keys, []).catch((error: unknown) => {
      throw messageOf(error).startsWith('NOPERM') ? missing : error;
    });
  }
}

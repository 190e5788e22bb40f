/**
 * Notes the topic in the server's list of topics, for `sched-lua topics`: when its node comes, and now and then while it is here.
 * Nothing depends on it, so nobody waits for it: a user who may not write that key, say, has topics that are not listed.
 */
import { monotonic } from '../base/clock.ts';
import { TOPICS_KEY } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import { runScript, type Client } from '../redis/run-script.ts';

/** A server that lost the list has it again after so long. */
const EVERY_MS = 600_000;
/** As long as the registry of a topic stays behind its last node. */
const KEEP_MS = 86_400_000;

export class TopicNotes {
  readonly #client: Client;
  readonly #rules: Pick<Rules, 'topic' | 'scripts'>;
  #nextAt = -Infinity;

  constructor(client: Client, rules: Pick<Rules, 'topic' | 'scripts'>) {
    this.#client = client;
    this.#rules = rules;
  }

  /** Called often; it does so at times only. Never throws. */
  note(): void {
    const now = monotonic();
    if (now < this.#nextAt) return;
    this.#nextAt = now + EVERY_MS;
    const { topic, scripts } = this.#rules;
    const args = [topic, '', String(KEEP_MS + 2 * EVERY_MS)];
    runScript(this.#client, scripts, 'note_topic', [TOPICS_KEY], args).catch(() => undefined);
  }
}

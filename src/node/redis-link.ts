/** A node's connections to Redis, its own or shared ones, and what speaks over them. */
import { SchedulerError } from '../base/errors.ts';
import { keyPatterns } from '../base/keys.ts';
import type { Rules } from '../base/options.ts';
import { OPEN_LINK, isStandIn } from '../base/stand-in.ts';
import type { ConnectionName, Teller } from '../observe/events.ts';
import { Engines } from '../protocol/engines.ts';
import { Lookout } from '../protocol/lookout.ts';
import { Membership } from '../protocol/membership.ts';
import { redisRegistry } from '../protocol/register.ts';
import { RedisShards } from '../protocol/shards.ts';
import { silenceMs } from '../redis/connection.ts';
import { mayWake, refusedCommands } from '../redis/permissions.ts';
import { joinSockets } from '../redis/shared.ts';
import type { Sockets, SocketsUser } from '../redis/sockets.ts';
import { serverWarnings } from '../redis/suitability.ts';
import { ReplicatedPuts } from '../redis/wait-replicas.ts';
import type { Link, LinkContext, OpenLink } from './link.ts';
import { Wakeup, type Rings } from './wakeup.ts';

/** The link to Redis, or that of what stands in for it. */
export function openLink(context: LinkContext): Link {
  const { redis } = context.rules;
  return isStandIn(redis) ? (redis[OPEN_LINK] as OpenLink)(context) : new RedisLink(context);
}

class RedisLink implements Link {
  readonly membership: Membership;
  readonly shards: RedisShards;
  readonly lookout: Lookout;
  readonly engines: Engines;
  readonly #rules: Rules;
  readonly #teller: Teller;
  readonly #user: SocketsUser;
  readonly #sockets: Sockets;
  #wakeup: Wakeup | undefined;

  constructor({ rules, teller, localClaims }: LinkContext) {
    this.#rules = rules;
    this.#teller = teller;
    this.#user = {
      silenceMs: silenceMs(rules),
      waitReplicas: rules.waitReplicas,
      up: (connection) => teller.heard('connectionUp')?.({ connection }),
      down: (connection, reason) => teller.heard('connectionDown')?.({ connection, reason }),
    };
    this.#sockets = joinSockets(rules.redis, this.#user);
    const { commands, side } = this.#sockets;
    this.membership = new Membership(redisRegistry(commands, rules), rules);
    this.shards = new RedisShards({
      client: commands,
      membership: this.membership,
      rules,
      teller,
      side,
      replicatedPuts: this.#replicatedPuts(),
      localClaims,
    });
    this.lookout = new Lookout(commands, rules.topic, this.membership);
    this.engines = new Engines(commands, rules, this.membership);
  }

  #replicatedPuts(): ReplicatedPuts | undefined {
    const { waitReplicas, scripts, onWarning } = this.#rules;
    const queue = this.#sockets.waitsOf(this.#user);
    return queue && waitReplicas && new ReplicatedPuts(queue, { waitReplicas, scripts, onWarning });
  }

  ready(): Promise<void> {
    return this.#sockets.ready(this.#rules.commandTimeout, this.#user);
  }

  /** @throws SchedulerError CONFIG if the Redis user may not use a command: scripts would stop half-way */
  async check(): Promise<void> {
    const { topic, onWarning } = this.#rules;
    const { commands } = this.#sockets;
    for (const warning of serverWarnings(await this.#sockets.facts(), this.#rules)) onWarning(warning);
    const refused = await refusedCommands(commands, topic);
    if (refused.length > 0) {
      const message = `the Redis user may not ${refused.join(', ')} on the keys ${keyPatterns(topic)[1]}: scripts would stop half-way; "sched-lua acl ${topic}" prints what it needs`;
      throw new SchedulerError('CONFIG', 'start', message);
    }
    if (await mayWake(commands, topic)) return;
    onWarning(
      `the Redis user may not publish: nodes are not woken, and find work and results late; allow the channels {${topic}}:wake:*`,
    );
  }

  async listen(rings: Rings): Promise<void> {
    const { topic, onWarning } = this.#rules;
    const wakeup = new Wakeup(rings, {
      ...{ topic, onWarning },
      node: this.membership.name,
      isShard: (number) => number < this.membership.shardsInUse,
      teller: this.#teller,
    });
    this.#wakeup = wakeup;
    await this.membership.answered('start', () => wakeup.subscribe(this.#sockets));
  }

  connections(): Partial<Record<ConnectionName, 'up' | 'down'>> {
    return this.#sockets.states(this.#user);
  }

  close(): void {
    if (this.#wakeup) this.#sockets.unsubscribe(this.#wakeup);
    this.#sockets.leave(this.#user);
  }
}

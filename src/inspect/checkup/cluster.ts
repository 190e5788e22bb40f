/** A Redis Cluster: whether every slot is served, none is half moved, and a topic's shards are spread. Pure. */
import { count } from '../../base/words.ts';
import type { Finding } from '../../redis/suitability.ts';
import { fieldOf, findingOf } from './condition.ts';

const SLOTS = 16_384;
/** A master may have so much more than its fair share of a topic's shards. */
const UNEVEN = 1.5;

/** @param info of CLUSTER INFO of one server; undefined: it may not be read */
export function examineCluster(info: string | undefined): Finding {
  if (info === undefined) return findingOf('cluster', undefined);
  const number = (name: string): number => Number(fieldOf(info, name) ?? NaN);
  const state = fieldOf(info, 'cluster_state');
  const [assigned, failing, suspected] = [
    number('cluster_slots_assigned'),
    number('cluster_slots_fail'),
    number('cluster_slots_pfail'),
  ] as const;
  const found = `${state}, ${assigned} of ${SLOTS} slots assigned, ${failing + suspected} at masters that do not answer`;
  if (assigned < SLOTS)
    return findingOf('cluster', found, {
      why: `${count(SLOTS - assigned, 'slot')} of no master: what lies there is refused`,
      remedy: 'give them to one',
      command: 'redis-cli --cluster fix <host>:<port>',
      severity: 'broken',
    });
  if (state !== 'ok' || failing > 0)
    return findingOf('cluster', found, {
      why: `the Cluster is in state ${state}, ${failing} slots are at masters that failed: what lies there is refused`,
      remedy: 'start the master, or promote a replica of it (on that replica)',
      command: 'CLUSTER FAILOVER TAKEOVER',
      severity: 'broken',
    });
  if (suspected === 0) return findingOf('cluster', found);
  return findingOf('cluster', found, {
    why: `${count(suspected, 'slot')} at a master that does not answer this one`,
    remedy: 'look at that master and the network; CLUSTER NODES names it (fail?)',
  });
}

/** `[93->-id]` and `[93-<-id]` behind the slots of the server that is asked. */
const OPEN = /\[(\d+)-([<>])-([0-9a-f]+)\]/g;

/** @param nodes of CLUSTER NODES of one master; undefined: it may not be read */
export function examineOpenSlots(nodes: string | undefined): Finding {
  if (nodes === undefined) return findingOf('open slots', undefined);
  const own = nodes.split('\n').find((line) => line.includes('myself')) ?? '';
  const open = [...own.matchAll(OPEN)].map(([, slot, way]) => ({ slot: slot!, leaves: way === '>' }));
  if (open.length === 0) return findingOf('open slots', 'none');
  const found = open.map(({ slot, leaves }) => `${slot} ${leaves ? 'leaves' : 'comes'}`).join(', ');
  return findingOf('open slots', found, {
    why: `half moved: ${found}; calls that need keys of both sides are answered TRYAGAIN, and wait`,
    remedy: 'end the move, or take it back',
    command: 'redis-cli --cluster fix <host>:<port>',
  });
}

/** @param shards of the topic at each master */
export function examineSpread(shards: ReadonlyMap<string, number>): Finding {
  const counts = [...shards.values()];
  const all = counts.reduce((sum, one) => sum + one, 0);
  const found = [...shards].map(([server, n]) => `${server} ${n}`).join(', ');
  const fair = all / counts.length;
  const most = Math.max(...counts);
  if (all < 2 * counts.length || most <= UNEVEN * fair) return findingOf('shards per master', found);
  return findingOf('shards per master', found, {
    why: `${most} of ${all} shards are at one of ${counts.length} masters: it is the first to be too busy`,
    remedy: 'spread the slots evenly, or give the topic more shards (loadShards)',
    command: 'redis-cli --cluster rebalance <host>:<port>',
  });
}

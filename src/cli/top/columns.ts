/** The columns of the two tables of `top`: those that come first stay when a terminal is narrow. */
import type { ShardStatus } from '../../inspect/shard-status.ts';
import type { Rates, TopNode } from '../../inspect/top-report.ts';
import { figure, short } from './cells.ts';

export interface Column<Row> {
  /** Its heading, by which it is also named in `--sort`, in small letters. */
  title: string;
  /** What it is, for the help. */
  means: string;
  /** null: it is not known, and comes last whatever the order. */
  value: (row: Row) => number | string | null;
  show: (value: number) => string;
}

const plain = (value: number): string => (value < 100_000 ? String(value) : figure(value));

function column<Row>(
  title: string,
  means: string,
  value: Column<Row>['value'],
  show: (value: number) => string = plain,
): Column<Row> {
  return { title, means, value, show };
}

function rate(title: string, means: string, name: keyof Rates): Column<TopNode> {
  return column(title, means, ({ rates }) => rates?.[name] ?? null, figure);
}

const isEngine = ({ engine, condition }: TopNode): boolean => engine !== null && condition !== 'left';

export const NODE_COLUMNS: readonly Column<TopNode>[] = [
  column('NODE', 'name', ({ name }) => name),
  column('STATE', 'idle, serving, front, down, draining, silent or left', ({ condition }) => condition),
  column('WAIT', 'of its requests, those that wait', ({ waiting }) => waiting),
  column('OLDEST', 'for how long the first of them has waited', ({ oldestMs }) => oldestMs, short),
  column('RUN', 'requests that its engine has', (node) =>
    node.card && isEngine(node) ? Math.max(node.card.held, node.card.running) : null,
  ),
  rate('ACC/s', 'accepted', 'accepted'),
  rate('FIN/s', 'of its requests, finished well', 'finished'),
  rate('CLM/s', 'claimed for its engine', 'claimed'),
  rate('IN/s', 'of these, stolen from others', 'stolenIn'),
  rate('OUT/s', 'of its requests, ended at others', 'stolenOut'),
  column('Q.50', 'median of how long its requests queued', ({ card }) => queued(card)?.p50 ?? null, short),
  column('Q.99', '99 % of them queued for less', ({ card }) => queued(card)?.p99 ?? null, short),
  column('ROOM', 'prompt tokens that its engine has room for', (node) =>
    isEngine(node) ? (node.card?.room?.tokens ?? null) : null,
  ),
  column('R.50', 'median of how long requests ran here', ({ card }) => ran(card)?.p50 ?? null, short),
  column('R.99', '99 % of them ran for less', ({ card }) => ran(card)?.p99 ?? null, short),
  rate('FAIL/s', 'of its requests, failed', 'failed'),
  rate('LOST/s', 'of its claims, lost to another', 'leasesLost'),
  rate('BACK/s', 'of its claims, given back', 'givenBack'),
  column('HOST', 'where it runs', ({ card }) => card?.host ?? null),
  column('VERSION', 'of sched-lua', ({ card }) => card?.version ?? null),
  rate('CANC/s', 'of its requests, cancelled', 'cancelled'),
  rate('EXP/s', 'of its requests, past their deadlines', 'expired'),
  rate('RES/s', 'results of its claims', 'results'),
  rate('B/s', 'bytes of these', 'resultBytes'),
];

const queued = (card: TopNode['card']) => card?.lastMinute.queued;
const ran = (card: TopNode['card']) => card?.lastMinute.ran;

export const SHARD_COLUMNS: readonly Column<ShardStatus>[] = [
  column('SHARD', 'number', ({ shard }) => shard),
  column('WAIT', 'requests that wait', ({ waiting }) => waiting),
  column('OLDEST', 'for how long the first has waited', ({ oldestMs }) => oldestMs, short),
  column('CLAIMS', 'requests that runners hold', ({ claims }) => claims),
  column('OVERDUE', 'of these, past their leases or deadlines', ({ leases }) => leases.overdue),
  column('LOAD', 'what waits, in the unit of the topic', ({ load }) => load),
  column('RESULTS', 'that their owners have not taken yet', ({ results }) => results),
  column('DEAD', 'requests given up', ({ dead }) => dead),
  column('SEEN', 'since a node looked at it', ({ visitedMs }) => visitedMs, short),
];

/** Of a Redis Cluster. */
export const PLACE_COLUMNS: readonly Column<ShardStatus>[] = [
  column('SLOT', 'in the Cluster', ({ place }) => place?.slot ?? null),
  column('MASTER', 'of that slot', ({ place }) => place?.server ?? null),
];

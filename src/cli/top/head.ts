/** A topic as a whole: the lines above the tables of `top`, and its one line where there is no screen. */
import { duration } from '../../base/words.ts';
import type { Delays, TopReport } from '../../inspect/top-report.ts';
import { count, oneLine, shorten } from '../output.ts';
import { figure, short, trend } from './cells.ts';

const LONGEST_NAME = 30;

/** Figures of the whole topic. */
function totalsOf({ nodes, shards }: TopReport) {
  const here = nodes.filter(({ condition }) => condition !== 'silent' && condition !== 'left');
  const sum = (of: (shard: TopReport['shards'][number]) => number): number =>
    shards.reduce((all, shard) => all + of(shard), 0);
  const ages = shards.flatMap(({ oldestMs }) => oldestMs ?? []);
  return {
    here: here.length,
    engines: here.filter(({ engine }) => engine !== null).length,
    silent: nodes.filter(({ condition }) => condition === 'silent').length,
    waiting: sum(({ waiting }) => waiting),
    oldest: ages.length === 0 ? '-' : short(Math.max(...ages)),
    claims: sum(({ claims }) => claims),
    overdue: sum(({ leases }) => leases.overdue),
    dead: sum(({ dead }) => dead),
    results: sum(({ results }) => results),
  };
}

/** `12:00:03`, UTC, of the server's clock. */
const timeOf = (now: number): string => new Date(now).toISOString().slice(11, 19);

const delay = (of: Delays | null): string =>
  of ? `p50 ${short(of.p50)} p99 ${short(of.p99)}` : 'p50 - p99 -';

export function headLines(report: TopReport, everyMs: number): string[] {
  const { rates, change } = report;
  const total = totalsOf(report);
  const per = (name: Exclude<keyof NonNullable<typeof rates>, 'nodes'>): string =>
    rates ? `${figure(rates[name])}/s` : '-';
  const grows = change ? ` (${trend(change.waiting)}/s)` : '';
  const dies = change && change.dead !== 0 ? ` (${trend(change.dead)}/s)` : '';
  const silent = total.silent > 0 ? `, ${total.silent} silent` : '';
  return [
    `sched-lua top  ${shorten(report.topic, LONGEST_NAME)}  ${shorten(report.server, LONGEST_NAME)}  ${timeOf(report.now)} UTC  every ${duration(everyMs)}`,
    `${count(total.here, 'node')} (${count(total.engines, 'engine')}${silent})  ${count(report.shards.length, 'shard')}  waiting ${total.waiting}${grows}`,
    `accepted ${per('accepted')}  finished ${per('finished')}  failed ${per('failed')}  cancelled ${per('cancelled')}  expired ${per('expired')}`,
    `claimed ${total.claims} overdue ${total.overdue}  stolen in ${per('stolenIn')} out ${per('stolenOut')}  given back ${per('givenBack')}  lost ${per('leasesLost')}`,
    `queued ${delay(report.queued)}  ran ${delay(report.ran)}  oldest ${total.oldest}  dead ${total.dead}${dies}`,
  ];
}

/** The same in one line, with what is wrong at its end. */
export function plainLine(report: TopReport): string {
  const { rates, change, findings } = report;
  const total = totalsOf(report);
  const per = (name: Exclude<keyof NonNullable<typeof rates>, 'nodes'>): string =>
    rates ? `${figure(rates[name])}/s` : '-';
  const [worst] = findings;
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : '';
  return oneLine(
    [
      `${timeOf(report.now)}Z`,
      `nodes ${total.here}`,
      `engines ${total.engines}`,
      `waiting ${total.waiting}${change ? ` (${trend(change.waiting)}/s)` : ''}`,
      `oldest ${total.oldest}`,
      `claimed ${total.claims} overdue ${total.overdue}`,
      `accepted ${per('accepted')}`,
      `finished ${per('finished')}`,
      `failed ${per('failed')}`,
      `cancelled ${per('cancelled')}`,
      `expired ${per('expired')}`,
      `stolen in ${per('stolenIn')} out ${per('stolenOut')}`,
      `queued ${delay(report.queued)}`,
      `lost ${per('leasesLost')}`,
      `dead ${total.dead}`,
    ].join(' ') + (worst ? `; ${worst.severity}: ${worst.text}${more}` : ''),
  );
}

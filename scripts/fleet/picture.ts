/** The p99 of the queueing delay against the load, a line a policy, as an SVG that reads on light and on dark. */
import { at, svgOf } from '../lib/measure/svg.ts';
import type { Policy } from './options.ts';
import type { RunReport } from './report.ts';

interface Line {
  policy: Policy;
  /** Of each load, the mean over the seeds, in ms. */
  points: { load: number; ms: number }[];
}

const WIDTH = 760;
const HEIGHT = 420;
const BOX = { left: 70, right: 620, top: 40, bottom: 360 };
/** Mid tones that stand out from white and from black; distinct without colour vision by their dashes. */
const STYLES: Record<Policy, { colour: string; dash: string }> = {
  ideal: { colour: '#808080', dash: '2 4' },
  oldest: { colour: '#1f8f5f', dash: '' },
  lucky: { colour: '#3b82d6', dash: '8 3' },
  'two-choices': { colour: '#a05fd0', dash: '8 3 2 3' },
  reference: { colour: '#d9480f', dash: '4 3' },
  none: { colour: '#c28a00', dash: '12 4' },
};
const LABEL_GAP = 16;

/** @param runs of one trace; those of a policy and load are averaged */
export function draw(runs: readonly RunReport[]): string {
  const lines = linesOf(runs);
  const loads = distinct(runs.map(({ load }) => load)).sort((one, other) => one - other);
  const all = lines.flatMap(({ points }) => points.map(({ ms }) => Math.max(1, ms)));
  const decades = {
    from: Math.floor(Math.log10(Math.min(...all))),
    to: Math.ceil(Math.log10(Math.max(...all))),
  };
  const x = scaleOf(loads[0]!, loads.at(-1)!, BOX.left + 20, BOX.right - 20);
  const y = scaleOf(decades.from, Math.max(decades.to, decades.from + 1), BOX.bottom, BOX.top);
  const yOf = (ms: number): number => y(Math.log10(Math.max(1, ms)));
  const labels = spread(lines.map(({ points }) => yOf(points.at(-1)!.ms)));
  const { nodes, fronts, skew, trace } = runs[0]!;
  const among = fronts === 0 ? 'owners' : `${fronts} fronts`;
  const owners = skew === null ? `${among} round robin` : `${Math.round(skew * 100)} % at one node`;
  const title = `p99 queueing delay, ${nodes} nodes, ${owners}, ${trace.split('/').at(-1)!}`;
  return svgOf(title, { width: WIDTH, height: HEIGHT, left: BOX.left }, [
    ...grid(loads, decades, x, yOf),
    ...lines.map((line, i) => drawLine(line, x, yOf, labels[i]!)),
  ]);
}

function linesOf(runs: readonly RunReport[]): Line[] {
  return distinct(runs.map(({ policy }) => policy)).map((policy) => {
    const own = runs.filter((run) => run.policy === policy);
    const loads = distinct(own.map(({ load }) => load)).sort((one, other) => one - other);
    const points = loads.map((load) => {
      const same = own.filter((run) => run.load === load);
      return { load, ms: same.reduce((sum, run) => sum + run.queueDelayMs.p99, 0) / same.length };
    });
    return { policy, points };
  });
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/** Maps from..to onto low..high; a single value onto the middle. */
function scaleOf(from: number, to: number, low: number, high: number): (value: number) => number {
  return (value) => (from === to ? (low + high) / 2 : low + ((value - from) / (to - from)) * (high - low));
}

function grid(
  loads: readonly number[],
  decades: { from: number; to: number },
  x: (load: number) => number,
  y: (ms: number) => number,
): string[] {
  const parts: string[] = [];
  for (let decade = decades.from; decade <= Math.max(decades.to, decades.from + 1); decade += 1) {
    const ms = 10 ** decade;
    const label = ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`;
    parts.push(
      `<line class="grid" x1="${BOX.left}" x2="${BOX.right}" y1="${at(y(ms))}" y2="${at(y(ms))}"/>`,
      `<text x="${BOX.left - 8}" y="${at(y(ms) + 4)}" text-anchor="end">${label}</text>`,
    );
  }
  for (const load of loads)
    parts.push(`<text x="${at(x(load))}" y="${BOX.bottom + 22}" text-anchor="middle">${load}</text>`);
  const middle = (BOX.left + BOX.right) / 2;
  parts.push(`<text x="${middle}" y="${BOX.bottom + 44}" text-anchor="middle">load</text>`);
  return parts;
}

function drawLine(
  { policy, points }: Line,
  x: (load: number) => number,
  y: (ms: number) => number,
  labelY: number,
): string {
  const { colour, dash } = STYLES[policy];
  const path = points.map(({ load, ms }) => `${at(x(load))},${at(y(ms))}`).join(' ');
  const dots = points.map(({ load, ms }) => `<circle cx="${at(x(load))}" cy="${at(y(ms))}" r="3"/>`).join('');
  const dashes = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
  return (
    `<g fill="${colour}"><polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>${dots}` +
    `<text x="${BOX.right + 4}" y="${at(labelY + 4)}" style="fill: ${colour}">${policy}</text></g>`
  );
}

/** Places of labels, moved apart where they would overlap; in the order of the values given. */
function spread(values: readonly number[]): number[] {
  const places = [...values];
  const order = values.map((_, i) => i).sort((one, other) => values[one]! - values[other]!);
  order.forEach((label, i) => {
    if (i > 0) places[label] = Math.max(places[label]!, places[order[i - 1]!]! + LABEL_GAP);
  });
  return places;
}

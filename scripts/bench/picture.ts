/** What each entry costs Redis, as a multiple of bare lists, cell by cell, as an SVG. */
import { at, escape, svgOf } from '../lib/measure/svg.ts';
import type { CellFigures } from './figures.ts';

const BOX = { left: 230, right: 700, top: 66 };
const ROW = 26;
const TITLE = 'Redis CPU of a request, or of a chunk, as a multiple of bare lists';
/** Mid tones that stand out from white and from black; each with a form of its own. */
const STYLES: Readonly<Record<string, { colour: string; form: 'dot' | 'square' | 'ring' }>> = {
  ours: { colour: '#1f8f5f', form: 'dot' },
  acknowledged: { colour: '#808080', form: 'square' },
  'redis-streams': { colour: '#a05fd0', form: 'ring' },
  bullmq: { colour: '#d9480f', form: 'square' },
  'bullmq-events': { colour: '#d9480f', form: 'ring' },
  reference: { colour: '#3b82d6', form: 'square' },
};

interface Line {
  cell: string;
  marks: { name: string; ratio: number }[];
}

/** @param cells those without bare lists are left out */
export function draw(cells: readonly CellFigures[]): string {
  const lines = cells.flatMap((cell) => lineOf(cell) ?? []);
  const ratios = lines.flatMap(({ marks }) => marks.map(({ ratio }) => ratio));
  const most = Math.max(2, Math.ceil(Math.log2(Math.max(...ratios, 1))));
  const least = Math.min(0, Math.floor(Math.log2(Math.min(...ratios, 1))));
  const x = (ratio: number): number =>
    BOX.left + ((Math.log2(ratio) - least) / (most - least)) * (BOX.right - BOX.left);
  const bottom = BOX.top + lines.length * ROW;
  const size = { width: BOX.right + 40, height: bottom + 30, left: 10 };
  return svgOf(TITLE, size, [
    ...legend(),
    ...Array.from({ length: most - least + 1 }, (_, i) => grid(2 ** (least + i), x, bottom)),
    ...lines.map((line, i) => drawLine(line, BOX.top + (i + 0.5) * ROW, x)),
  ]);
}

function lineOf({ name, rows }: CellFigures): Line | undefined {
  const cost = (row: string): number | undefined =>
    rows.find((one) => one.name === row)?.costs.redisMicros?.median;
  const lists = cost('lists');
  if (lists === undefined) return undefined;
  const marks = Object.keys(STYLES).flatMap((row) => {
    const own = cost(row);
    return own === undefined ? [] : [{ name: row, ratio: own / lists }];
  });
  return { cell: name, marks };
}

function legend(): string[] {
  const names = Object.keys(STYLES);
  const width = (BOX.right + 20) / names.length;
  return names.map(
    (name, i) =>
      mark(name, 16 + i * width, 42) +
      `<text x="${at(26 + i * width)}" y="46" style="fill: ${STYLES[name]!.colour}">${name}</text>`,
  );
}

function grid(ratio: number, x: (ratio: number) => number, bottom: number): string {
  return (
    `<line class="grid" x1="${at(x(ratio))}" x2="${at(x(ratio))}" y1="${BOX.top}" y2="${bottom}"/>` +
    `<text x="${at(x(ratio))}" y="${bottom + 18}" text-anchor="middle">${ratio}</text>`
  );
}

function drawLine({ cell, marks }: Line, y: number, x: (ratio: number) => number): string {
  const label = `<text x="10" y="${at(y + 4)}">${escape(cell)}</text>`;
  // ours on top
  return (
    label +
    [...marks]
      .reverse()
      .map(({ name, ratio }) => mark(name, x(ratio), y))
      .join('')
  );
}

function mark(name: string, x: number, y: number): string {
  const { colour, form } = STYLES[name]!;
  if (form === 'square')
    return `<rect x="${at(x - 4)}" y="${at(y - 4)}" width="8" height="8" fill="${colour}"/>`;
  const fill = form === 'dot' ? `fill="${colour}"` : `fill="none" stroke="${colour}" stroke-width="2"`;
  return `<circle cx="${at(x)}" cy="${at(y)}" r="4.5" ${fill}/>`;
}

import { expect } from 'chai';
import { draw } from '../../../scripts/fleet/picture.ts';
import { toTable, toText, type RunReport } from '../../../scripts/fleet/report.ts';
import { barOf, lineOf } from '../../../scripts/fleet/screen.ts';

function run(policy: RunReport['policy'], load: number, p99: number, seed = 1): RunReport {
  return {
    ...{
      policy,
      load,
      seed,
      trace: 'dir/a<b.csv',
      skew: 0.3,
      nodes: 8,
      fronts: 0,
      loadUnit: 'requests',
      ask: 'late',
      requests: 10,
      scale: 0.25,
      r99: 1.5,
    },
    queueDelayMs: { p50: 20, p99 },
    ...{ large: null, longestMs: 2 * p99, largeP99Ms: null, smallP99Ms: p99 },
    ...{ ttftP99Ms: p99 + 100, stolenShare: 0.125, inversions: 0.5, workConservation: 0.01, unsound: 0 },
  };
}

/** y of each dot of a policy's line. */
function heights(svg: string, policy: string): number[] {
  const group = svg.split('<g ').find((part) => part.includes(`>${policy}</text>`))!;
  return [...group.matchAll(/cy="([\d.]+)"/g)].map(([, y]) => Number(y));
}

describe('the picture of the fleet experiment', () => {
  const runs = [
    run('ideal', 0.6, 100),
    run('ideal', 0.9, 1_000),
    run('oldest', 0.6, 100),
    run('oldest', 0.9, 10_000),
  ];

  it('has a line for each policy, the longer delay above, on a logarithmic scale', () => {
    const svg = draw(runs);
    const [low, high] = heights(svg, 'ideal') as [number, number];
    const [same, highest] = heights(svg, 'oldest') as [number, number];
    expect(high).to.be.lessThan(low);
    expect(same).to.equal(low);
    expect(low - highest).to.be.closeTo(2 * (low - high), 0.2);
  });

  it('averages the seeds', () => {
    const svg = draw([run('ideal', 0.9, 500), run('ideal', 0.9, 1_500, 2), run('oldest', 0.9, 1_000)]);
    expect(heights(svg, 'ideal')).to.deep.equal(heights(svg, 'oldest'));
  });

  it('is one SVG document, whatever the name of the trace, and puts no label over another', () => {
    const svg = draw(runs.map((one) => ({ ...one, queueDelayMs: { p50: 1, p99: 1_000 } })));
    expect(svg).to.match(/^<svg [^]*<\/svg>\n$/);
    expect(svg).to.contain('a&#60;b.csv').and.not.to.contain('a<b');
    const [one, other] = ['ideal', 'oldest'].map((policy) =>
      Number(new RegExp(`y="([\\d.]+)"[^>]*>${policy}<`).exec(svg)![1]),
    ) as [number, number];
    expect(Math.abs(one - other)).to.be.at.least(13);
  });
});

describe('the report of the fleet experiment', () => {
  it('has a row for each run, with what the ideal has not left open', () => {
    const [header, ideal, oldest] = toTable([
      run('ideal', 0.9, 1_000),
      {
        ...run('oldest', 0.9, 1_500),
        large: 0.05,
        largeP99Ms: 2_500,
        commandsPerRequest: 4.25,
        redisCpuUsPerRequest: 300,
      },
    ]).split('\n') as [string, string, string];
    expect(header).to.match(
      /^policy +large % +load +seed +delay p50 +p99 ms +R99 +small p99 +large p99 +longest +TTFT p99/,
    );
    expect(ideal).to.match(/^ideal +- +0\.9 +1 +20 +1000 +1\.50 +1000 +- +2000 +1100 .* - /);
    expect(oldest).to.match(
      /^oldest +5 +0\.9 +1 +20 +1500 +1\.50 +1500 +2500 +3000 +1600 +12\.5 +0\.5 +1 +4\.25 +300/,
    );
  });

  it('says where the requests enter if there are fronts, and what an idle front costs, once a policy', () => {
    const plain = [run('ideal', 0.9, 1_000), run('oldest', 0.9, 1_500)];
    expect(toText(plain)).to.equal(toTable(plain));
    const idleMs = [
      { generationMs: 0, front: 2.5, owner: 1.25 },
      { generationMs: 10, front: 12.5, owner: 11.25 },
    ];
    const runs = plain.map((one) => ({ ...one, fronts: 2, ...(one.policy === 'oldest' && { idleMs }) }));
    const lines = toText([...runs, { ...runs[1]!, seed: 2 }]).split('\n');
    expect(lines[0]).to.equal('All requests enter at 2 nodes without an engine, beside 8 with one.');
    expect(lines[1]).to.match(/^policy /);
    expect(lines.filter((line) => line.includes('idle engine'))).to.deep.equal([
      'oldest: beside an idle engine a put has its result after 2.5 ms at a front, 1.25 ms at an owner with the engine: ' +
        '2 times, 1.25 ms are added (medians, real ms, a handler that answers at once)',
      'oldest: beside an idle engine a put has its result after 12.5 ms at a front, 11.25 ms at an owner with the engine: ' +
        '1.11 times, 1.25 ms are added (medians, real ms, a handler of 10 ms)',
    ]);
    expect(draw(runs)).to.contain('8 nodes, 30 % at one node');
    expect(draw(runs.map((one) => ({ ...one, skew: null })))).to.contain('8 nodes, 2 fronts round robin');
  });

  it('says how far it is', () => {
    const stage = { policy: 'oldest', load: 0.9, seed: 2, number: 3, of: 4, requests: 200 } as const;
    expect(barOf(stage, 100)).to.equal(
      `${'█'.repeat(15)}${'░'.repeat(15)} 100 of 200, run 3 of 4: oldest, load 0.9, seed 2`,
    );
    expect(lineOf(run('oldest', 0.9, 1_500))).to.equal(
      'load 0.9 seed 1 oldest      queueing delay p50 20 ms, p99 1500 ms, 1.50 times the ideal',
    );
  });
});

import { expect } from 'chai';
import { SchedulerEvents, Teller } from '../../src/observe/events.ts';
import { News } from '../../src/owner/news.ts';

describe('news', () => {
  it('keeps all results of an id in their order until they are taken, once, and tells of each', () => {
    const events = new SchedulerEvents();
    const told: string[] = [];
    events.on('news', ({ id }) => void told.push(id));
    const origin = (): { topic: string; node: string } => ({ topic: 't', node: 'a' });
    const news = new News<string>(new Teller(events, origin, () => undefined));
    const [x, y] = [news.sink('x'), news.sink('y')];
    expect(x.backlog.results).to.equal(0);
    x.deliver({ kind: 'chunk', output: 'a' });
    y.deliver({ kind: 'finished' });
    x.deliver({ kind: 'finished', output: 'b' });
    expect([x.backlog.results, y.backlog.results, ...told]).to.deep.equal([2, 1, 'x', 'y', 'x']);
    expect([...news.take()]).to.deep.equal([
      [
        'x',
        [
          { kind: 'chunk', output: 'a' },
          { kind: 'finished', output: 'b' },
        ],
      ],
      ['y', [{ kind: 'finished' }]],
    ]);
    expect([news.take().size, x.backlog.results]).to.deep.equal([0, 0]);
  });
});

// The keys of `top`: a view and a key in, a view out.
import { expect } from 'chai';
import { FIRST_VIEW, press, type Key, type Page, type View } from '../../src/cli/top/view.ts';

const PAGE: Page = { rows: 30, height: 10 };
const named = (name: string): Key => ({ name, text: undefined });
const typed = (text: string): Key[] => Array.from(text, (one) => ({ name: one.toLowerCase(), text: one }));

/** The view after these keys; fails if one of them ends it. */
function after(keys: readonly Key[], view: View = FIRST_VIEW, page: Page = PAGE): View {
  return keys.reduce((now, key) => {
    const next = press(now, key, page);
    if (typeof next === 'string') throw new Error(next);
    return next;
  }, view);
}

describe('the keys of top', () => {
  it('end it, interrupt it and suspend it, also from its help; Ctrl-C also from a filter', () => {
    expect(press(FIRST_VIEW, { name: 'q', text: 'q' }, PAGE)).to.equal('quit');
    const help = after(typed('?'));
    expect(press(help, { name: 'q', text: 'q' }, PAGE)).to.equal('quit');
    const filter = after(typed('/'));
    for (const view of [FIRST_VIEW, help, filter]) {
      expect(press(view, { name: 'c', ctrl: true, text: '\u0003' }, PAGE)).to.equal('interrupt');
      expect(press(view, { name: 'z', ctrl: true, text: '\u001a' }, PAGE)).to.equal('suspend');
    }
    expect(after(typed('/q')).typed, 'a letter of a filter').to.equal('q');
  });

  it('show the help, from which any key leads back', () => {
    const help = after(typed('h'));
    expect(help.help).to.equal(true);
    expect(after([named('down')], help)).to.deep.equal(FIRST_VIEW);
  });

  it('sort by the next column and the one before, round the table, and the other way round', () => {
    expect(FIRST_VIEW.sort.nodes).to.equal('WAIT');
    expect(after(typed('s')).sort.nodes).to.equal('OLDEST');
    expect(after([named('right')]).sort.nodes).to.equal('OLDEST');
    expect(after(typed('S')).sort.nodes).to.equal('STATE');
    expect(after(typed('<<<')).sort.nodes).to.equal('B/s');
    expect(after(typed('<<<>')).sort.nodes).to.equal('NODE');
    expect(after(typed('n')).sort.nodes).to.equal('NODE');
    expect(after(typed('nw')).sort.nodes).to.equal('WAIT');
    expect(after(typed('r')).reversed).to.equal(true);
    expect(after(typed('rr')).reversed).to.equal(false);
    expect(after(typed('rs')).reversed, 'a new column begins as it is').to.equal(false);
  });

  it('sort each table by a column of its own', () => {
    const shards = after(typed('t'));
    expect([shards.table, shards.sort]).to.deep.equal(['shards', { nodes: 'WAIT', shards: 'SHARD' }]);
    expect(after(typed('ts')).sort).to.deep.equal({ nodes: 'WAIT', shards: 'WAIT' });
    expect(after([...typed('tn'), named('tab')])).to.deep.equal(FIRST_VIEW);
  });

  it('take a filter as it is typed; Enter keeps it, Esc drops it', () => {
    const typing = after(typed('/gPu'));
    expect([typing.filter, typing.typed]).to.deep.equal(['gPu', 'gPu']);
    expect(after([named('backspace')], typing).filter).to.equal('gP');
    expect(after([{ name: 'u', ctrl: true, text: '\u0015' }], typing).filter).to.equal('');
    const kept = after([named('return')], typing);
    expect([kept.filter, kept.typed]).to.deep.equal(['gPu', undefined]);
    expect(after(typed('/-1'), kept).filter, 'it goes on from there').to.equal('gPu-1');
    for (const view of [typing, kept]) expect(after([named('escape')], view)).to.deep.equal(FIRST_VIEW);
    expect(after(typed('t/')).table, 'it is for nodes').to.equal('nodes');
  });

  it('take no character into a filter that could steer a terminal, and no endless one', () => {
    expect(after([...typed('/a'), { name: 'x', text: '\u001b[2J' }, { text: '\u009b' }]).filter).to.equal(
      'a',
    );
    expect(after(typed(`/${'x'.repeat(500)}`)).filter).to.have.length(128);
  });

  it('move through the rows, as far as there are any', () => {
    expect(after(typed('jj')).from).to.equal(2);
    expect(after(typed('jjk')).from).to.equal(1);
    expect(after(typed('k')).from).to.equal(0);
    expect(after([named('pagedown')]).from).to.equal(10);
    expect(after([named('pagedown'), named('pagedown'), named('pagedown')]).from).to.equal(20);
    expect(after([named('end')]).from).to.equal(20);
    expect(after([named('end'), named('pageup')]).from).to.equal(10);
    expect(after([named('end'), named('home')]).from).to.equal(0);
    expect(after([named('down'), named('up')]).from).to.equal(0);
    expect(after([named('end')], FIRST_VIEW, { rows: 3, height: 10 }).from).to.equal(0);
    expect(after([...typed('jj'), ...typed('s')]).from, 'another order begins at its top').to.equal(0);
  });

  it('leave the view alone that mean nothing', () => {
    for (const key of [named('f5'), { name: 'x', text: 'x' }, { name: 's', ctrl: true, text: '\u0013' }])
      expect(after([key])).to.equal(FIRST_VIEW);
  });
});

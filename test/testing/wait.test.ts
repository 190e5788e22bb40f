import { expect } from 'chai';
import { waitUntil } from '../../src/testing/wait.ts';
import { isAlive, runChild } from './child.ts';

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as Error).message,
  );

describe('waitUntil', () => {
  it('resolves as soon as the condition holds, and looks no more', async () => {
    let looks = 0;
    await waitUntil(() => (looks += 1) === 3, 'it was looked at three times');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(looks).to.equal(3);
  });

  it('looks once without waiting at first', async () => {
    let looked = false;
    const waiting = waitUntil(() => (looked = true), 'it was looked at');
    expect(looked).to.equal(true);
    await waiting;
  });

  it('waits for a condition that answers later, one look at a time', async () => {
    let open = 0;
    let most = 0;
    let looks = 0;
    const condition = async (): Promise<boolean> => {
      most = Math.max(most, (open += 1));
      await new Promise((resolve) => setTimeout(resolve, 12));
      open -= 1;
      return (looks += 1) === 3;
    };
    await waitUntil(condition, 'three looks are over');
    expect(most).to.equal(1);
  });

  it('rejects with the clause and the time that it waited, and looks no more', async () => {
    let looks = 0;
    const never = () => {
      looks += 1;
      return false;
    };
    expect(await failure(waitUntil(never, 'pigs fly', 40))).to.equal('waited 40 ms in vain until pigs fly');
    const atEnd = looks;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(looks).to.be.at.most(atEnd);
  });

  it('rejects in time while the condition hangs', async () => {
    const hangs = () => new Promise<boolean>(() => undefined);
    expect(await failure(waitUntil(hangs, 'it answers', 40))).to.contain('in vain until it answers');
  });

  it('rejects at once with an error of the condition', async () => {
    const broken = () => Promise.reject(new Error('no such table'));
    expect(await failure(waitUntil(broken, 'it works', 60_000))).to.equal('no such table');
  });

  it('leaves no timer behind, so that a process ends at once', async () => {
    const child = await runChild(`
      import { waitUntil } from './src/testing/wait.ts';
      await waitUntil(() => true, 'it holds', 600_000);
      console.log('done', process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length);
    `);
    expect(await child.ended).to.deep.equal({ code: 0, signal: null });
    expect(child.stdout()).to.equal('done 0\n');
    expect(isAlive(child.pid)).to.equal(false);
  });
});

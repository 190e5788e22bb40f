// The process of a worker: it runs the files that the runner gives it, one after the other, on the Redis it is given, and
// looks after each whether it left something behind.
import { checkLeft, openRun } from '../server.ts';
import { runFile } from './file.ts';
import type { News, Order, Settings } from './messages.ts';

/** ioredis keeps a timer of 2 s when it disconnects from a server that has gone. */
const EXIT_MS = 3_000;

let settings: Settings;

function tell(news: News): void {
  process.send?.(news);
}

async function run(file: string): Promise<void> {
  const began = performance.now();
  await openRun(settings.redis);
  await runFile(file, settings, {
    begun: (title) => tell({ what: 'step begun', title }),
    ended: (outcome) => tell({ what: 'step ended', outcome }),
  });
  tell({ what: 'step begun', title: 'the check of what is left behind' });
  const left = await checkLeft();
  if (left.length > 0) {
    const failure = `${file} left behind:\n${left.map((line) => `  ${line}`).join('\n')}`;
    tell({
      what: 'step ended',
      outcome: { state: 'failed', title: `${file} leaves nothing behind`, ms: 0, failure },
    });
  }
  tell({ what: 'file ended', ms: Math.round(performance.now() - began) });
}

/** Without the channel to the runner, nothing may keep this process alive. */
function end(): void {
  process.off('disconnect', abandon);
  process.disconnect();
  setTimeout(() => {
    console.error(`it cannot end by itself; still open: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  }, EXIT_MS).unref();
}

/** The runner has gone, so nobody will read what comes. */
function abandon(): void {
  process.exit(1);
}

process.on('disconnect', abandon);
process.on('message', (message) => {
  const order = message as Order;
  if (order.do === 'prepare') settings = order.settings;
  else if (order.do === 'end') end();
  else void run(order.file);
});
tell({ what: 'ready' });

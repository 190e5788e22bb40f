// What clients send to a server, seen with MONITOR. For servers of a suite's own: MONITOR shows everybody's.
import type { Redis } from 'ioredis';
import { allScripts } from '../../src/redis/run-script.ts';
import { waitUntil } from './server.ts';

const nameOf = new Map(Object.values(allScripts()).map(({ name, sha1 }) => [sha1, name]));

const END = 'the end of what is watched';

/** One command of a client (those that scripts run are left out): the script's name, or the command in capitals. */
export interface Sent {
  /** The client's address. */
  from: string;
  command: string;
}

/** Runs `act` and answers what clients sent meanwhile. */
export async function commandsDuring(admin: Redis, act: () => Promise<unknown>): Promise<Sent[]> {
  const monitor = await admin.monitor();
  const sent: Sent[] = [];
  let over = false;
  monitor.on('monitor', (_time: string, args: string[], from: string) => {
    if (args[1] === END) over = true;
    if (over || from === 'lua') return;
    const command = args[0]!.toUpperCase();
    const script = command === 'EVALSHA' ? nameOf.get(args[1]!) : undefined;
    sent.push({ from, command: script ?? command });
  });
  try {
    await act();
    await admin.echo(END);
    await waitUntil(() => over, 'the monitor has shown everything');
  } finally {
    monitor.disconnect();
  }
  return sent;
}

/** How often each command was sent. */
export function counts(sent: readonly Sent[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { command } of sent) result[command] = (result[command] ?? 0) + 1;
  return result;
}

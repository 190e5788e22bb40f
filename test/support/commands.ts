// What clients send to a server, seen with MONITOR. For servers of a suite's own: MONITOR shows everybody's.
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
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

/** What MONITOR shows of one command: the client's address, the command, and its first argument. */
const SHOWN = /^\+[\d.]+ \[\d+ (\S+)\] "([^"]*)"(?: "([^"]*)")?/;

/**
 * Runs `act` and answers what clients sent meanwhile. Over a plain socket: the monitor of ioredis fails if a command is
 * shown in one read with the answer to MONITOR.
 */
export async function commandsDuring(admin: Redis, act: () => Promise<unknown>): Promise<Sent[]> {
  const { host, port } = admin.options;
  const socket = connect({ host, port: port! });
  const shown = createInterface({ input: socket, crlfDelay: Infinity });
  const sent: Sent[] = [];
  let [begun, over] = [false, false];
  shown.on('line', (line) => {
    begun ||= line === '+OK';
    const [, from, name, argument] = SHOWN.exec(line) ?? [];
    if (argument === END) over = true;
    if (over || from === undefined || from === 'lua') return;
    const command = name!.toUpperCase();
    const script = command === 'EVALSHA' ? nameOf.get(argument!) : undefined;
    sent.push({ from, command: script ?? command });
  });
  try {
    socket.write('MONITOR\r\n');
    await waitUntil(() => begun, 'the monitor has begun');
    await act();
    await admin.echo(END);
    await waitUntil(() => over, 'the monitor has shown everything');
  } finally {
    shown.close();
    socket.destroy();
  }
  return sent;
}

/** How often each command was sent. */
export function counts(sent: readonly Sent[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const { command } of sent) result[command] = (result[command] ?? 0) + 1;
  return result;
}

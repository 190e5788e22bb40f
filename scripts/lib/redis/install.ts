import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { onPath } from '../../../src/testing/redis/path.ts';
import { messageOf } from '../../../src/base/errors.ts';
import type { Log } from '../../../src/testing/redis/server.ts';

const run = promisify(execFile);
const installMs = 300_000;

interface PackageManager {
  program: string;
  /** Brings the lists up to date; its failure alone is none. */
  update?: string[];
  /** Tried in this order: where Redis is no longer packaged, Valkey is. */
  install: string[][];
  needsRoot: boolean;
}

const managers: PackageManager[] = [
  {
    program: 'apt-get',
    update: ['update'],
    install: [['install', '-y', '--no-install-recommends', 'redis-server']],
    needsRoot: true,
  },
  { program: 'dnf', install: either(['install', '-y']), needsRoot: true },
  { program: 'yum', install: either(['install', '-y']), needsRoot: true },
  { program: 'apk', update: ['update'], install: either(['add']), needsRoot: true },
  { program: 'pacman', update: ['-Sy'], install: either(['-S', '--noconfirm', '--needed']), needsRoot: true },
  { program: 'brew', install: either(['install']), needsRoot: false },
];

function either(command: string[]): string[][] {
  return [
    [...command, 'redis'],
    [...command, 'valkey'],
  ];
}

/**
 * Installs a Redis server with this machine's package manager, by `sudo -n` where we are not root.
 *
 * @throws with what each command said if none worked
 */
export async function installRedis(log?: Log): Promise<void> {
  const manager = managers.find(({ program }) => onPath(program) !== undefined);
  if (manager === undefined)
    throw new Error(`none of ${managers.map((m) => m.program).join(', ')} is on PATH`);
  const prefix = manager.needsRoot && process.getuid?.() !== 0 ? ['sudo', '-n'] : [];
  if (prefix.length > 0 && onPath('sudo') === undefined) {
    throw new Error(`${manager.program} needs root, and there is no sudo`);
  }
  const failures: string[] = [];
  const works = async (args: string[]) => {
    const command = [...prefix, manager.program, ...args];
    log?.(`no Redis here: running "${command.join(' ')}"`);
    try {
      const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
      await run(command[0]!, command.slice(1), { env, timeout: installMs });
      return true;
    } catch (error) {
      failures.push(lastLines(messageOf(error)));
      return false;
    }
  };
  if (manager.update) await works(manager.update);
  for (const args of manager.install) if (await works(args)) return;
  throw new Error(failures.join('; '));
}

/** Of execFile's message: the command, then the end of what it wrote to stderr. */
function lastLines(text: string): string {
  const [command = '', ...output] = text.trim().split('\n');
  return [command, ...output.slice(-3)].join(' / ');
}

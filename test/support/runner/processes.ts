// Which processes there are: a worker that is ended takes what it started with it.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

interface Process {
  pid: number;
  parent: number;
  group: number;
  /** It has ended; only its parent has not asked how. */
  isOver: boolean;
}

/** Ids of the processes below that one, at any depth, those included that have a process group of their own. */
export function descendants(pid: number): number[] {
  const all = list();
  const found = [pid];
  for (const above of found)
    found.push(...all.filter(({ parent }) => parent === above).map((process) => process.pid));
  return found.slice(1);
}

/** Ids of the processes of a group that have not ended. */
export function members(group: number): number[] {
  return list()
    .filter((process) => process.group === group && !process.isOver)
    .map(({ pid }) => pid);
}

/** Ends them at once; those that have ended already are left alone. */
export function kill(pids: readonly number[], signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // it has ended meanwhile
    }
  }
}

function list(): Process[] {
  return process.platform === 'linux' ? listProc() : listPs();
}

/** Small containers have no `ps`. */
function listProc(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      let stat: string;
      try {
        stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      } catch {
        return [];
      }
      // pid (name) state parent group …, and the name may have blanks and parentheses
      const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [{ pid: Number(name), parent: Number(parent), group: Number(group), isOver: state === 'Z' }];
    });
}

function listPs(): Process[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat='], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .map(([pid, parent, group, state]) => ({
      ...{ pid: Number(pid), parent: Number(parent), group: Number(group) },
      isOver: state?.startsWith('Z') === true,
    }));
}

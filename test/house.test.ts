// The rooms of src/ and which may look into which: an import that goes up, or round in a circle, fails here by name.
import { expect } from 'chai';
import { readFileSync, readdirSync } from 'node:fs';
import { posix, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ts } from '../scripts/lib/tool/typescript.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Every room of src/, with the rooms that it may import from. `.` holds index.ts and scheduler.ts, the face. A folder in a room may
 * be a room of its own.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  observe: [],
  base: ['observe'],
  redis: ['base', 'observe'],
  protocol: ['redis', 'base', 'observe'],
  owner: ['protocol', 'redis', 'base', 'observe'],
  runner: ['protocol', 'redis', 'base', 'observe'],
  node: ['owner', 'runner', 'protocol', 'redis', 'base', 'observe'],
  '.': ['node', 'inspect', 'owner', 'runner', 'protocol', 'redis', 'base', 'observe'],
  inspect: ['protocol', 'redis', 'base'],
  // it is a link of node/, beside the one to Redis, which node/ gets from the user and does not know
  'testing/in-process': ['node', 'protocol', 'base', 'observe'],
  testing: ['testing/in-process', 'base'],
  metrics: ['.', 'inspect', 'observe', 'base'],
  // the wire between gateway and worker; nothing of the library imports it
  openai: ['.', 'base'],
  // what gateway and worker have in common as commands: settings, what operators ask, figures
  service: ['metrics', 'base'],
  gateway: ['service', 'openai', '.', 'metrics', 'base'],
  // it opens the connection of the registry as the library opens its own
  worker: ['service', 'openai', '.', 'metrics', 'redis', 'base'],
  // what stands on both of them
  fleet: ['gateway', 'worker', 'service', 'openai', 'testing', '.', 'metrics', 'base'],
  // the engine of the demo
  cli: [
    'fleet',
    'testing',
    'gateway',
    'worker',
    'service',
    'openai',
    '.',
    'metrics',
    'inspect',
    'redis',
    'base',
  ],
};

interface Import {
  from: string;
  to: string;
}

function filesOf(folder: string): string[] {
  return readdirSync(posix.join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((file) => posix.join(folder, file.split(sep).join('/')))
    .filter((file) => /\.m?ts$/.test(file) && !file.endsWith('.generated.ts'))
    .sort();
}

/** What a file imports from the same repository, type imports included. */
function importsOf(file: string, text = readFileSync(posix.join(root, file), 'utf8')): Import[] {
  return ts
    .preProcessFile(text)
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => ({ from: file, to: posix.join(posix.dirname(file), fileName) }));
}

/** The room of a file of src/; undefined: it is elsewhere. */
function roomOf(file: string): string | undefined {
  if (!file.startsWith('src/')) return undefined;
  const [, room, ...rest] = file.split('/');
  if (rest.length === 0) return '.';
  const inner = `${room}/${rest[0]}`;
  return inner in ROOMS ? inner : room;
}

/** Imports of src/ that no rule allows, each with what is wrong. */
function forbidden(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const [room, other] = [roomOf(from)!, roomOf(to)];
    if (other === undefined) return [`${from} imports ${to}: outside of src/`];
    if (!(room in ROOMS)) return [`${from}: no room "${room}" is known to test/house.test.ts`];
    if (room === other || ROOMS[room]!.includes(other)) return [];
    return [`${from} imports ${to}: ${room}/ may not look into ${other}/`];
  });
}

/** A circle of files, if there is one, as a path that ends where it began. */
function circle(imports: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const other of next.get(file) ?? []) {
      const found = walk(other, [...path, file]);
      if (found) return found;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const found = walk(file, []);
    if (found) return found;
  }
  return undefined;
}

/** The folder under scripts/ that a file belongs to: `demo`, `chaos` …, or `lib/<part>`. */
function toolOf(file: string): string | undefined {
  return /^scripts\/(lib\/[^/]+|[^/]+)\//.exec(file)?.[1];
}

describe('the house', () => {
  const files = filesOf('src');
  const imports = files.flatMap((file) => importsOf(file));

  it('has no import between rooms of src/ that goes up or sideways', () => {
    expect(imports).to.have.length.above(100);
    expect(forbidden(imports)).to.deep.equal([]);
  });

  it('has no circle of files in src/', () => {
    expect(circle(imports)).to.equal(undefined);
  });

  it('knows every room, and no room that is gone', () => {
    expect([...new Set(files.map((file) => roomOf(file)!))]).to.have.members(Object.keys(ROOMS));
  });

  it('has tools that share scripts/lib/, and do not look into each other', () => {
    const across = filesOf('scripts')
      .flatMap((file) => importsOf(file))
      .flatMap(({ from, to }) => {
        const [tool, other] = [toolOf(from), toolOf(to)];
        if (other === undefined || tool === other) return [];
        return other.startsWith('lib/') ? [] : [`${from} imports ${to}`];
      });
    expect(across).to.deep.equal([]);
  });

  it('names the import that is forbidden', () => {
    const planted = [
      ...importsOf('src/base/clock.ts', "import { Scheduler } from '../scheduler.ts';"),
      ...importsOf('src/owner/owner.ts', "import type { Claims } from '../runner/claims.ts';"),
      ...importsOf('src/testing/wait.ts', "import { Lane } from '../protocol/lane.ts';"),
      ...importsOf('src/testing/in-process/redis.ts', "import { Scheduler } from '../../scheduler.ts';"),
      ...importsOf('src/cli/main.ts', "const later = await import('../../test/support/server.ts');"),
    ];
    expect(forbidden(planted)).to.deep.equal([
      'src/base/clock.ts imports src/scheduler.ts: base/ may not look into ./',
      'src/owner/owner.ts imports src/runner/claims.ts: owner/ may not look into runner/',
      'src/testing/wait.ts imports src/protocol/lane.ts: testing/ may not look into protocol/',
      'src/testing/in-process/redis.ts imports src/scheduler.ts: testing/in-process/ may not look into ./',
      'src/cli/main.ts imports test/support/server.ts: outside of src/',
    ]);
  });

  it('names the files of a circle', () => {
    const planted = [
      ...importsOf('src/base/a.ts', "export * from './b.ts';"),
      ...importsOf('src/base/b.ts', "import './c.ts';"),
      ...importsOf('src/base/c.ts', "import type { A } from './b.ts';"),
    ];
    expect(circle(planted)).to.deep.equal(['src/base/b.ts', 'src/base/c.ts', 'src/base/b.ts']);
  });
});

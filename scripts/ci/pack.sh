#!/usr/bin/env bash
# Installs the packed package in an empty project, with each ioredis that it may have beside it, and uses it as a stranger
# would: import, require, types, examples, command.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$repo"
npm pack --silent --pack-destination "$work" >/dev/null

# usage: check <version of ioredis>
check() {
  mkdir "$work/project-$1"
  cd "$work/project-$1"
  echo '{ "private": true, "type": "module" }' >package.json
  npm install --no-audit --no-fund --loglevel=error "$work"/*.tgz "ioredis@$1"
  if [ "$(find . -path '*/node_modules/ioredis/package.json' | wc -l)" != 1 ]; then
    echo "a second ioredis came with the package" >&2
    exit 1
  fi
  for peer in testcontainers prom-client; do
    if [ -e "node_modules/$peer" ]; then
      echo "$peer came with the package; it must stay an optional peer" >&2
      exit 1
    fi
  done

  cat >check.mjs <<'EOF'
import { Redis } from 'ioredis';
import { Scheduler } from 'sched-lua';
import { EmulatedEngine, InProcessRedis, startRedis, waitUntil } from 'sched-lua/testing';
const values = { Scheduler, EmulatedEngine, InProcessRedis, startRedis, waitUntil };
for (const [name, value] of Object.entries(values)) {
  if (typeof value !== 'function') throw new Error(`the package exports no ${name}`);
}
console.log("importing from 'sched-lua' and 'sched-lua/testing' works");

// as a user's unit tests would, without Redis
const local = await Scheduler.start({ redis: new InProcessRedis() });
const echoes = local.run(({ id }) => id, { budget: new EmulatedEngine() });
const echo = await local.submit({ request_id: 'r1', prompt_token_ids: [1] }).result();
if (echo !== 'r1') throw new Error(`without Redis, the answer is ${JSON.stringify(echo)}`);
await Promise.all([local.close(), echoes]);
console.log('a scheduler works without Redis');

// as a user's suite would, with the Redis of this machine; there may be none
const redis = await startRedis().catch((error) => {
  if (!error.message.startsWith('could not start a private Redis')) throw error;
  console.log(`not tried with a Redis: ${error.message}`);
});
if (redis) {
  const engine = new EmulatedEngine({ timeScale: 0.05 });
  const client = new Redis(redis.url);
  const node = await Scheduler.start({ redis: client, onWarning: () => {} });
  const served = node.run((request) => engine.run(request.promptTokens, 40), { budget: engine });
  const answer = await node.submit({ request_id: 'r1', prompt_token_ids: [1, 2, 3] }).result();
  if (answer?.tokens !== 40) throw new Error(`the emulated engine answered ${JSON.stringify(answer)}`);
  await Promise.all([node.close(), served]);
  client.disconnect();
  await redis.stop();
  console.log(`an emulated engine serves a request by ${redis.description}`);
}
EOF
  node check.mjs

  cat >check.cjs <<'EOF'
const { Scheduler } = require('sched-lua');
if (typeof Scheduler.start !== 'function') throw new Error('require gives no Scheduler');
EOF
  node --no-warnings check.cjs
  echo "require('sched-lua') works"

  cat >check.ts <<'EOF'
import { Cluster, Redis } from 'ioredis';
import type { RedisSource, Scheduler } from 'sched-lua';
import { InProcessRedis, type EmulatedEngine, type PrivateRedis, type startRedis, type waitUntil } from 'sched-lua/testing';
type IsAny<T> = 0 extends 1 & T ? true : false;
type Exports = [Scheduler, EmulatedEngine, PrivateRedis, typeof startRedis, typeof waitUntil];
type AreAny<T extends unknown[]> = { [I in keyof T]: IsAny<T[I]> };
export const typesAreThere: AreAny<Exports> = [false, false, false, false, false];
export const sources: RedisSource[] = [
  ...[new Redis(), new Cluster([]), { host: 'h', port: 6379 }, 'redis://h'],
  new InProcessRedis(),
];
EOF
  cat >check-commonjs.cts <<'EOF'
import { Scheduler, type Result } from 'sched-lua';
export const start: typeof Scheduler.start = Scheduler.start;
export const textOf = (result: Result<string>): string =>
  result.kind === 'chunk' ? result.output : result.kind === 'failed' ? result.reason : '';
EOF
  cat >tsconfig.json <<'EOF'
{
  "compilerOptions": {
    "module": "nodenext",
    "target": "es2023",
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "types": []
  },
  "files": ["check.ts", "check-commonjs.cts"]
}
EOF
  "$repo/node_modules/.bin/tsc"
  echo "its types work, also in CommonJS"

  cp -r "$repo/examples" .
  cat >examples/tsconfig.json <<EOF
{
  "extends": "../tsconfig.json",
  "compilerOptions": { "types": ["node"], "typeRoots": ["$repo/node_modules/@types"] },
  "files": [],
  "include": ["*.ts"]
}
EOF
  "$repo/node_modules/.bin/tsc" -p examples
  echo "the examples compile"

  npx --no-install sched-lua --help >help.txt
  grep -q sched-lua help.txt
  echo "npx sched-lua --help works"
}

# the range of package.json's peerDependencies
for version in 5.11 6; do
  echo "with ioredis $version:"
  check "$version"
done

#!/usr/bin/env bash
# Installs the packed package in an empty project and uses it as a stranger would: import, types, command.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$repo"
npm pack --silent --pack-destination "$work" >/dev/null
mkdir "$work/project"
cd "$work/project"
echo '{ "private": true, "type": "module" }' >package.json
npm install --no-audit --no-fund --loglevel=error "$work"/*.tgz

cat >check.mjs <<'EOF'
import { Scheduler } from 'sched-lua';
if (typeof Scheduler !== 'function') throw new Error('sched-lua exports no Scheduler');
console.log("import { Scheduler } from 'sched-lua' works");
EOF
node check.mjs

cat >check.ts <<'EOF'
import type { Scheduler } from 'sched-lua';
type IsAny<T> = 0 extends 1 & T ? true : false;
export const typesAreThere: IsAny<Scheduler> = false;
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
  "files": ["check.ts"]
}
EOF
"$repo/node_modules/.bin/tsc"
echo "its types work"

npx --no-install sched-lua --help >help.txt
grep -q sched-lua help.txt
echo "npx sched-lua --help works"

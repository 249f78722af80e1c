#!/usr/bin/env bash
# Installs the package into an empty directory, as a user would, and tries it: the command's help, the plan of
# the sample catalog against the simulated API, an import of the client library, and its types.
# Run it in a clone with its packages installed. scripts/node-versions.sh runs it on each version of Node.
#
#   scripts/try-package.sh
#
# Takes half a minute, and one or two minutes more if SQLite must be compiled. Exit 0: everything worked.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

work=$(mktemp -d "${TMPDIR:-/tmp}/trackyard-package.XXXXXX")
command=$work/user/node_modules/.bin/trackyard-batch
simulator=''
finish() {
  # In case a command has started the private Redis of this data directory.
  if [ -x "$command" ] && [ -d "$work/data" ]; then "$command" down >/dev/null 2>&1 || true; fi
  if [ -n "$simulator" ]; then kill "$simulator" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT

npm pack --silent --pack-destination "$work" >/dev/null
mkdir "$work/user"
cd "$work/user"
# Unset your own settings, so that your Redis and your data directory are not used.
unset "${!TRACKYARD_@}"
export TRACKYARD_DATA_DIR=$work/data
# This project's .npmrc does not apply here, so the settings that npm needs are given as options.
echo '{ "name": "user", "private": true, "type": "module" }' >package.json
timeout -k 10 600 npm install --prefer-offline --no-audit --no-fund --no-progress "$work"/*.tgz

# grep without -q reads to the end; otherwise the command may find its output closed.
"$command" --help | grep '^Usage: trackyard-batch' >/dev/null
echo 'help: ok'

"$command" simulate --port 0 >"$work/simulator.out" 2>&1 &
simulator=$!
for _ in $(seq 100); do
  address=$(sed -n 's/^ *export TRACKYARD_API_URL=//p' "$work/simulator.out")
  if [ -n "$address" ]; then break; fi
  sleep 0.1
done
if [ -z "$address" ]; then
  echo 'try-package: the simulated API printed no address within 10 s:' >&2
  cat "$work/simulator.out" >&2
  exit 1
fi
TRACKYARD_API_URL=$address
TRACKYARD_API_KEY=$(sed -n 's/^ *export TRACKYARD_API_KEY=//p' "$work/simulator.out")
export TRACKYARD_API_URL TRACKYARD_API_KEY
"$command" submit node_modules/trackyard-batch/scripts/sample-catalog.csv \
  --query '{title} {mood} music' --dry-run | grep '320 rows' >/dev/null
echo 'plan of the sample catalog: ok'

cat >client.ts <<'END'
import { openBatchClient } from 'trackyard-batch'
const client = await openBatchClient()
const { plan } = await client.plan([{ title: 'Dawn' }], { name: 'one', query: '{title} music' })
await client.close()
if (plan.searches !== 1) throw new Error(`Expected a plan of 1 search, found ${plan.searches}.`)
console.log('client: ok')
END
# With skipLibCheck off, TypeScript checks the declarations of the package too.
"$root/node_modules/.bin/tsc" --strict --noEmit --target es2023 --module nodenext \
  --typeRoots "$root/node_modules/@types" --types node client.ts
echo 'types: ok'
cp client.ts client.mjs
timeout -k 5 60 node client.mjs

#!/usr/bin/env bash
# Tries the last commit of this clone on each major version of Node that package.json declares, and prints a
# table. For each version it takes a Node binary from npm and makes a clone in a temporary directory, in which
# it runs npm ci, the build, the demo, the unit tests and scripts/try-package.sh. The machine's own Node is not
# changed.
#
#   scripts/node-versions.sh [--only VERSION] [--keep]
#
#   --only 22   one major or one exact version (22.23.5); may be repeated. Default: 20 22 24 26
#   --keep      keeps the temporary directory, with one log per step
#
# Takes two minutes per version, and about four more if SQLite must be compiled (twice). Each step has a time limit.
# Exit 0: every step passed. Exit 1: a step failed, and the end of its log was printed. Exit 2: wrong usage.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

usage() {
  echo "node-versions: $1 Usage: scripts/node-versions.sh [--only VERSION]... [--keep]" >&2
  exit 2
}

versions=()
keep=0
while [ $# -gt 0 ]; do
  case "$1" in
    --only)
      [[ ${2:-} =~ ^[0-9]+(\.[0-9]+){0,2}$ ]] || usage "Expected a version after --only, found '${2:-}'."
      versions+=("$2")
      shift 2
      ;;
    --keep)
      keep=1
      shift
      ;;
    *) usage "Unknown option '$1'." ;;
  esac
done
[ ${#versions[@]} -gt 0 ] || versions=(20 22 24 26)

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  *)
    echo "node-versions: npm has no Node binary for $(uname -s) on $(uname -m). Use a version manager instead." >&2
    exit 1
    ;;
esac

# The demo needs Redis.
bash scripts/setup.sh
if [ -n "$(git status --porcelain)" ]; then
  echo 'node-versions: the last commit is tried; your uncommitted changes are not in it.' >&2
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/trackyard-node-versions.XXXXXX")
finish() {
  if [ "$keep" = 1 ]; then echo "node-versions: logs are in $work" >&2; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

failed=0
table=$work/table
printf 'asked\tnode\tinstall\tbuild\tdemo\tunit tests\tpackage\n' >"$table"

# step VERSION NAME LIMIT_S COMMAND…: runs in the version's clone. Writes seconds or FAILED into $cell.
step() {
  local version=$1 name=$2 limit_s=$3 started=$SECONDS log=$work/$1-$2.log
  shift 3
  # In the foreground: otherwise Ctrl-C would end this script, but not the step.
  if timeout --foreground -k 10 "$limit_s" "$@" >"$log" 2>&1 </dev/null; then
    cell="$((SECONDS - started)) s"
    return 0
  fi
  cell=FAILED
  failed=1
  echo "node-versions: $name failed on Node $version after $((SECONDS - started)) s. The end of its log:" >&2
  tail -n 25 "$log" >&2
  return 1
}

# try VERSION: prints one row of the table. If the install fails, the other steps are skipped.
try() {
  local version=$1 home clone=$work/$1/clone row=$1 cell
  home=$work/$version/node_modules/node-$platform
  echo "node-versions: trying Node $version…" >&2
  mkdir -p "$work/$version"
  if ! step "$version" node 180 npm install --prefix "$work/$version" --no-save --no-package-lock \
    --ignore-scripts "node-$platform@$version"; then
    printf '%s\tFAILED\t-\t-\t-\t-\t-\n' "$version" >>"$table"
    return 0
  fi
  git clone --quiet "$root" "$clone"
  (
    trap 'exit 130' INT TERM
    cd "$clone"
    export PATH="$home/bin:$PATH"
    # The headers of exactly this Node: a compiled SQLite works with no other version.
    export npm_config_nodedir=$home
    row+=$'\t'$(node --version)
    if step "$version" install 600 npm ci --no-progress; then
      row+=$'\t'$cell
      step "$version" build 300 npm run --silent build || true
      row+=$'\t'$cell
      step "$version" demo 300 node dist/scripts/demo.js || true
      row+=$'\t'$cell
      step "$version" unit 600 npm run --silent test:unit || true
      row+=$'\t'$cell
      step "$version" package 900 bash scripts/try-package.sh || true
      row+=$'\t'$cell
    else
      row+=$'\tFAILED\t-\t-\t-\t-'
    fi
    printf '%s\n' "$row" >>"$table"
    exit "$failed"
  ) || failed=1
  rm -rf "$clone"
}

for version in "${versions[@]}"; do try "$version"; done

echo
# Fixed column widths, since not every machine has `column`.
while IFS=$'\t' read -r asked node install build demo unit package; do
  printf '%-9s %-10s %-8s %-7s %-7s %-11s %s\n' "$asked" "$node" "$install" "$build" "$demo" "$unit" "$package"
done <"$table"
exit "$failed"

#!/usr/bin/env bash
# Installs what npm cannot install: redis-server (for the private Redis and the tests), `timeout` (macOS has
# none; the tests run under it), and with the options PostgreSQL and PgBouncer (for tests) and Debian's chromium (for the
# browser test). Prints nothing if everything is installed. Safe to run again.
#
#   scripts/setup.sh [--with-chromium] [--with-postgres]        (or SETUP_CHROMIUM=1)
#
# Exit 0: everything is installed. Exit 1: something is missing, and the command to install it was printed.
set -euo pipefail

with_chromium=${SETUP_CHROMIUM:-0}
with_postgres=0
for argument in "$@"; do
  case "$argument" in
    --with-chromium) with_chromium=1 ;;
    --with-postgres) with_postgres=1 ;;
    *)
      echo "setup: expected --with-chromium, --with-postgres or nothing, got '$argument'." >&2
      exit 2
      ;;
  esac
done

# Debian keeps PostgreSQL's programs off the PATH, and PgBouncer off that of everybody but root.
has() {
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] ||
    { [ "$1" = postgres ] && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
}

# The package manager of this machine. brew first: on Linux somebody has chosen it, and it refuses to run as root.
manager() {
  if has brew && [ "$(id -u)" -ne 0 ]; then
    echo brew
  elif has apt-get; then
    echo apt
  elif has dnf; then
    echo dnf
  elif has apk; then
    echo apk
  else
    echo none
  fi
}

# The package that contains a program, by package manager.
package_of() {
  case "$1:$2" in
    redis-server:apt) echo redis-server ;;
    redis-server:*) echo redis ;;
    timeout:*) echo coreutils ;;
    postgres:apk) echo postgresql ;;
    postgres:dnf) echo postgresql-server ;;
    postgres:*) echo postgresql ;;
    *) echo "$1" ;;
  esac
}

# The command a person would type: PACKAGE MANAGER PREFIX ('sudo ' or nothing).
command_for() {
  case "$2" in
    apt) echo "${3}apt-get update && ${3}apt-get install -y --no-install-recommends $1" ;;
    dnf) echo "${3}dnf install -y $1" ;;
    apk) echo "${3}apk add $1" ;;
    brew) echo "brew install $1" ;;
  esac
}

# As root directly, else through sudo, which asks for a password only if there is a terminal.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ] && [ -t 2 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Refreshes apt's lists only if the package cannot be installed from the present ones.
install_package() {
  case "$2" in
    apt)
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" ||
        {
          as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"
        }
      ;;
    dnf) as_root dnf install -y -q "$1" ;;
    apk) as_root apk add --quiet "$1" ;;
    brew) brew install --quiet "$1" ;;
  esac
}

# Debian starts and enables the service of redis-server when the package is installed. Nothing here uses it,
# because a private Redis is a process of ours. So it is stopped and disabled, but only if this script has
# installed the package: a service that existed before belongs to somebody else. A policy-rc.d could prevent the
# start, but would block every later service if this script were killed.
stop_debian_redis() {
  if has systemctl && as_root systemctl --quiet disable --now redis-server; then return 0; fi
  # No systemd, or one that is not running, as in a container.
  { ! has service || as_root service redis-server stop; } &&
    { ! has update-rc.d || as_root update-rc.d redis-server disable; }
}

# ensure PROGRAM WHAT-IT-IS-FOR
ensure() {
  if has "$1"; then return 0; fi

  local manager package sudo_prefix='' command output
  manager=$(manager)
  if [ "$manager" = none ]; then
    echo "setup: $1 is missing ($2), and none of apt-get, brew, dnf, apk is here. Install $1, then run this again." >&2
    return 1
  fi
  if [ "$(id -u)" -ne 0 ] && [ "$manager" != brew ]; then sudo_prefix='sudo '; fi
  package=$(package_of "$1" "$manager")
  command=$(command_for "$package" "$manager" "$sudo_prefix")
  if [ -n "$sudo_prefix" ] && ! has sudo; then
    echo "setup: $1 is missing ($2), and installing it needs root. Run this as root, then start again:" >&2
    echo "  $(command_for "$package" "$manager" '')" >&2
    return 1
  fi

  echo "setup: installing $package ($2)…" >&2
  if output=$(install_package "$package" "$manager" 2>&1); then
    hash -r
    if [ "$package:$manager" = redis-server:apt ] && ! stop_debian_redis >/dev/null 2>&1; then
      echo 'setup: the service redis-server may be running. It is not needed. Stop it with:' >&2
      echo "  ${sudo_prefix}systemctl disable --now redis-server" >&2
    fi
    if has "$1"; then return 0; fi
    output="$package is installed, but there is no program $1 on the PATH."
  fi
  printf '%s\n' "$output" | tail -n 15 >&2
  echo "setup: $1 could not be installed ($2). Run this, then start again:" >&2
  echo "  $command" >&2
  return 1
}

missing=0
ensure redis-server 'the queue and its tests' || missing=1
ensure timeout 'the tests run under it' || missing=1
if [ "$with_chromium" = 1 ]; then ensure chromium 'the browser test of the board' || missing=1; fi
if [ "$with_postgres" = 1 ]; then
  ensure postgres 'the tests of the store on PostgreSQL' || missing=1
  ensure pgbouncer 'the test of a store behind it' || echo 'setup: without PgBouncer that test is left out.' >&2
fi
exit "$missing"

#!/bin/bash
# Chromium (Debian's), headless, for tests of the node's page.
#
#   chromium.sh install
#   chromium.sh run FOLDER   runs it with its profile in FOLDER. Commands of the DevTools protocol are read from standard
#                            input, and answers and events are written to standard output, each ended by a NUL byte.
#
# It resolves no name and reaches this machine only.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

install() { need chromium chromium; }

run() {
  command -v chromium > /dev/null || die "chromium is missing: run $0 install"
  local root=()
  [ "$(id -u)" != 0 ] || root=(--no-sandbox)
  exec chromium --headless "${root[@]}" --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-extensions \
    --host-resolver-rules='MAP * ~NOTFOUND, EXCLUDE 127.0.0.1' --hide-scrollbars --lang=en-GB \
    --user-data-dir="$1" --remote-debugging-pipe 3<&0 4>&1 < /dev/null > "$1/chromium.log" 2>&1
}

cmd=${1-}; shift || true
case $cmd in
  install) install ;;
  run) run "$@" ;;
  *) die "usage: $0 install|run FOLDER" ;;
esac

#!/bin/bash
# npm's `openwhisk`: the JavaScript client of the OpenWhisk project. It tests the fake OpenWhisk of this project (openwhisk_api in crate keynet-tests).
#
#   openwhisk-client.sh install
#   openwhisk-client.sh run SCRIPT ARGUMENTS...   runs node with that client
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cmd=${1-}; shift || true
dir=$SERVERS_HOME/openwhisk-client
version=3.21.9

install() {
  need node nodejs
  [ "$(cat "$dir/.done" 2>/dev/null)" = "$version" ] && return
  need npm npm
  mkdir -p "$dir"
  (
    flock 9
    [ "$(cat "$dir/.done" 2>/dev/null)" = "$version" ] && exit
    npm install --prefix "$dir" --no-audit --no-fund --loglevel=error "openwhisk@$version" >&2
    echo "$version" > "$dir/.done"
  ) 9> "$dir.lock"
}

run() {
  [ "$(cat "$dir/.done" 2>/dev/null)" = "$version" ] || die "the client is missing: run $0 install"
  NODE_PATH=$dir/node_modules exec node "$@"
}

case $cmd in
  install|run) "$cmd" "$@" ;;
  *) die "usage: $0 install|run SCRIPT ARGUMENTS..." ;;
esac

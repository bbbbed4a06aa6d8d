# Helpers for the test-server scripts. Sourced, not run.
#
# SERVERS_HOME   files installed once, for every run: virtual environments (default: in the project's cache)
# SERVERS_DATA   data, logs, certificates and pid files of running servers (default: SERVERS_HOME/data)
# SERVERS_OWNER  process ID: when this process ends, the servers that were started for it are stopped
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVERS_HOME=${SERVERS_HOME:-${KEYNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keynet-inference}/servers}
SERVERS_DATA=${SERVERS_DATA:-$SERVERS_HOME/data}
mkdir -p "$SERVERS_HOME" "$SERVERS_DATA"

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# A pid file holds "PID START", START being the process's start time, so that a recycled pid does not match; nor does
# a zombie process.
start_of() { sed 's/.*) //; /^[ZX]/d' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
alive() {
  local pid start
  [ -s "$1" ] && read -r pid start < "$1" && [ -n "$start" ] && [ "$(start_of "$pid")" = "$start" ]
}

# launch PIDFILE LOG COMMAND...: starts COMMAND in its own session (and process group).
launch() {
  local pidfile=$1 log=$2; shift 2
  setsid "$@" > "$log" 2>&1 < /dev/null &
  local server=$!
  echo "$server $(start_of $server)" > "$pidfile"
  [ -z "${SERVERS_OWNER-}" ] || owned "$server" "$SERVERS_OWNER"
}

# owned SERVER OWNER: ends SERVER and its process group when OWNER has ended.
owned() {
  # shellcheck disable=SC2016
  setsid bash -c 'while kill -0 "$2" && kill -0 "$1"; do sleep 0.5; done; kill -KILL -- "-$1"' \
    _ "$1" "$2" > /dev/null 2>&1 < /dev/null &
}

# wait_for PIDFILE LOG SECONDS COMMAND...: waits until COMMAND succeeds; fails when the server has ended, or after SECONDS.
wait_for() {
  local pidfile=$1 log=$2 end=$((SECONDS + $3)); shift 3
  until "$@" > /dev/null 2>&1; do
    alive "$pidfile" || { tail -20 "$log" >&2; die "the server ended while starting; log: $log"; }
    [ $SECONDS -lt $end ] || { tail -20 "$log" >&2; die "not ready in time; log: $log"; }
    sleep 0.05
  done
}

# halt PIDFILE [SECONDS]: sends TERM, then after SECONDS (10) KILL to the remaining processes of the group.
halt() {
  local pid end=$((SECONDS + ${2:-10}))
  if alive "$1"; then
    read -r pid _ < "$1"
    kill -TERM "$pid"
    while alive "$1" && [ $SECONDS -lt $end ]; do sleep 0.05; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

# need COMMAND PACKAGE...: installs Debian packages if COMMAND is missing.
need() {
  local cmd=$1; shift
  command -v "$cmd" > /dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || die "$cmd is missing: install $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 ||
    { apt-get update -q >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2; }
}

# venv DIR MARK PACKAGE...: creates a virtual environment with exactly these packages, once (again if MARK changes).
# PYTHON selects the interpreter. PIP_ARGS: additional arguments for pip.
venv() {
  local dir=$1; shift
  [ "$(cat "$dir/.done" 2>/dev/null)" = "$*" ] && return
  (
    flock 9
    [ "$(cat "$dir/.done" 2>/dev/null)" = "$*" ] && exit
    rm -rf "$dir"
    "${PYTHON:-python3}" -m venv "$dir" >&2
    # shellcheck disable=SC2086
    "$dir/bin/python" -m pip install -q --disable-pip-version-check ${PIP_ARGS-} "$@" >&2
    echo "$*" > "$dir/.done"
  ) 9> "$dir.lock"
}

# make_certs DIR: creates a test CA (ca.crt), a server certificate for localhost and 127.0.0.1 (server.crt, .key) and a client's (client.crt, .key).
make_certs() {
  [ -s "$1/client.crt" ] && openssl x509 -checkend 86400 -noout -in "$1/client.crt" > /dev/null && return
  mkdir -p "$1"
  ( cd "$1"
    openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout ca.key -out ca.crt -subj "/CN=test CA" \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    printf '%s\n' 'subjectAltName=DNS:localhost,IP:127.0.0.1' 'basicConstraints=CA:FALSE' \
      'extendedKeyUsage=serverAuth' > server.ext
    printf '%s\n' 'basicConstraints=CA:FALSE' 'extendedKeyUsage=clientAuth' > client.ext
    for who in server client; do
      openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj "/CN=${who/server/localhost}"
      openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out $who.crt -extfile $who.ext
    done ) > "$1/openssl.log" 2>&1 || die "openssl: $(tail -1 "$1/openssl.log")"
}

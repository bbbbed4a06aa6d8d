#!/bin/bash
# A real OCI registry (CNCF Distribution, Debian's docker-registry 2.8.2) for tests.
#
#   registry.sh install
#   registry.sh start [MODE]   prints the endpoint when it responds
#   registry.sh stop [MODE]    keeps the data; `wipe [MODE]` stops and removes it
#
# MODE   none    no auth, http              port REGISTRY_PORT      (5080)
#        basic   htpasswd, http             port REGISTRY_PORT + 1  alice / s3cret
#        tls     htpasswd, https            port REGISTRY_PORT + 2  CA: $SERVERS_DATA/registry-tls/ca.crt
#        token   bearer tokens, http        port REGISTRY_PORT + 3, token service on + 4 (registry/token_server.py)
# The modes are separate servers, with separate data. TOKEN_TTL: validity of a token in seconds (300).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cmd=${1-} mode=${2:-none}
P=${REGISTRY_PORT:-5080}
case $mode in none) p=$P s=http;; basic) p=$((P + 1)) s=http;; tls) p=$((P + 2)) s=https;; token) p=$((P + 3)) s=http;; *) die "unknown mode $mode";; esac
d=$SERVERS_DATA/registry-$p pid=$d.pid log=$d.log tpid=$d.token.pid
url=$s://127.0.0.1:$p

install() { need docker-registry docker-registry; need htpasswd apache2-utils; need openssl openssl; need curl curl; need skopeo skopeo; }

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  install
  mkdir -p "$d"
  local c=$d/config.yml
  cat > "$c" <<Y
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $d/data}, delete: {enabled: true}}
http:
  addr: 127.0.0.1:$p
Y
  case $mode in
    tls) make_certs "$SERVERS_DATA/registry-tls"
         printf '  tls: {certificate: %s, key: %s}\n' "$SERVERS_DATA/registry-tls/server.crt" "$SERVERS_DATA/registry-tls/server.key" >> "$c" ;;
  esac
  case $mode in
    basic|tls) htpasswd -Bbn alice s3cret > "$d/htpasswd"   # bcrypt: the registry supports nothing else
         printf 'auth: {htpasswd: {realm: test, path: %s}}\n' "$d/htpasswd" >> "$c" ;;
    token) [ -s "$d/token.crt" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 365 -keyout "$d/token.key" -out "$d/token.crt" -subj "/CN=test token issuer" 2>/dev/null
         printf 'auth: {token: {realm: "http://127.0.0.1:%s/token", service: test-registry, issuer: test-issuer, rootcertbundle: %s}}\n' "$((p + 1))" "$d/token.crt" >> "$c"
         launch "$tpid" "$d.token.log" python3 "$here/registry/token_server.py" "$((p + 1))" test-issuer "$d/token.key" "$d/token.crt" "${TOKEN_TTL:-300}"
         wait_for "$tpid" "$d.token.log" 30 curl -sf "http://127.0.0.1:$((p + 1))/token" ;;
  esac
  launch "$pid" "$log" docker-registry serve "$c"
  wait_for "$pid" "$log" 30 curl -sk "$url/v2/"   # a 401 suffices
  endpoints
}

endpoints() {
  case $mode in
    none) echo "REGISTRY=127.0.0.1:$p" ;;
    basic) echo "REGISTRY=127.0.0.1:$p REGISTRY_USER=alice REGISTRY_PASSWORD=s3cret" ;;
    tls) echo "REGISTRY=localhost:$p REGISTRY_USER=alice REGISTRY_PASSWORD=s3cret REGISTRY_CA=$SERVERS_DATA/registry-tls/ca.crt" ;;
    token) echo "REGISTRY=127.0.0.1:$p REGISTRY_USER=alice REGISTRY_PASSWORD=s3cret REGISTRY_TOKEN_REALM=http://127.0.0.1:$((p + 1))/token" ;;
  esac
}

stop() { halt "$pid" 10; halt "$tpid" 5; }
wipe() { stop; rm -rf "$d" "$log" "$d.token.log"; }

case $cmd in
  install|start|stop|wipe) "$cmd" ;;
  *) die "usage: $0 install|start|stop|wipe [none|basic|tls|token]" ;;
esac

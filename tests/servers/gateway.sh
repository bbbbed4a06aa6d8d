#!/bin/bash
# A gateway in front of Triton, as operators use it (nginx): it passes on gRPC calls with the right bearer token, and responds with 401 to
# all others. Triton itself does not support bearer tokens.
#
#   gateway.sh install   Debian's nginx into $SERVERS_HOME/nginx, unless nginx is installed
#   gateway.sh start     prints its address when it listens
#   gateway.sh stop
#
# GATEWAY_PORT (8009); GATEWAY_SERVER: the gRPC server behind it (127.0.0.1:8001); GATEWAY_TOKEN: the token.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
P=${GATEWAY_PORT:-8009}
V=$SERVERS_HOME/nginx
nginx=$(command -v nginx || echo "$V/usr/sbin/nginx")
d=$SERVERS_DATA/gateway-$P pid=$d.pid log=$d.log

# Unpacked, not installed: installing Debian's package would start a server.
install() {
  [ -x "$nginx" ] && return
  (
    flock 9
    [ -x "$nginx" ] && exit
    rm -rf "$V.new"
    mkdir -p "$V.new"
    cd "$V.new"
    local get=(apt-get download -qq -o APT::Sandbox::User=root nginx)
    "${get[@]}" >&2 || { apt-get update -q >&2 && "${get[@]}" >&2; }
    dpkg -x nginx_*.deb .
    rm nginx_*.deb
    rm -rf "$V"
    mv "$V.new" "$V"
  ) 9> "$V.lock"
}

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  install
  mkdir -p "$d"
  cat > "$d/nginx.conf" <<N
daemon off;
worker_processes 1;
error_log stderr;
pid $d/nginx.pid;
$([ "$(id -u)" != 0 ] || echo 'user root;')
events {}
http {
  access_log off;
  client_body_temp_path $d/body; proxy_temp_path $d/proxy; fastcgi_temp_path $d/fastcgi; uwsgi_temp_path $d/uwsgi; scgi_temp_path $d/scgi;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:$P http2;
    location / {
      if (\$http_authorization != "Bearer $GATEWAY_TOKEN") { return 401; }
      grpc_pass grpc://$GATEWAY_SERVER;
    }
  }
}
N
  launch "$pid" "$log" "$nginx" -p "$d" -c "$d/nginx.conf" -e stderr
  wait_for "$pid" "$log" 30 curl -s --http2-prior-knowledge "http://127.0.0.1:$P/"
  endpoints
}

endpoints() { echo "GATEWAY=127.0.0.1:$P"; }

stop() { halt "$pid" 5; }

case ${1-} in
  install|start|stop) "$1" ;;
  *) die "usage: $0 install|start|stop" ;;
esac

#!/bin/bash
# A real Prometheus (Debian's), which scrapes one address every 200 ms.
#
#   prometheus.sh install   unpacks it into $SERVERS_HOME/prometheus; nothing is installed system-wide
#   prometheus.sh start     prints the endpoint once it is ready
#   prometheus.sh stop
#   prometheus.sh lint      checks metrics on standard input with promtool
#
# PROMETHEUS_PORT (9090); PROMETHEUS_TARGET: the address to scrape.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
PORT=${PROMETHEUS_PORT:-9090}
dir=$SERVERS_HOME/prometheus
pid=$SERVERS_DATA/prometheus-$PORT.pid log=$SERVERS_DATA/prometheus-$PORT.log

install() {
  [ -x "$dir/usr/bin/prometheus" ] && return
  (
    flock 9
    [ -x "$dir/usr/bin/prometheus" ] && exit
    rm -rf "$dir.new"
    mkdir -p "$dir.new"
    cd "$dir.new"
    local get=(apt-get download -qq -o APT::Sandbox::User=root prometheus)
    "${get[@]}" >&2 || { apt-get update -q >&2 && "${get[@]}" >&2; }
    dpkg -x prometheus_*.deb .
    rm prometheus_*.deb
    rm -rf "$dir"
    mv "$dir.new" "$dir"
  ) 9> "$dir.lock"
}

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  install
  printf '%s\n' 'global: { scrape_interval: 200ms, scrape_timeout: 200ms }' \
    "scrape_configs: [{ job_name: keynet, static_configs: [{ targets: ['$PROMETHEUS_TARGET'] }] }]" > "$SERVERS_DATA/prometheus.yml"
  launch "$pid" "$log" "$dir/usr/bin/prometheus" "--config.file=$SERVERS_DATA/prometheus.yml" \
    "--storage.tsdb.path=$SERVERS_DATA/prometheus-data" "--web.listen-address=127.0.0.1:$PORT"
  wait_for "$pid" "$log" 60 curl -sf --noproxy '*' "http://127.0.0.1:$PORT/-/ready"
  endpoints
}

endpoints() { echo "PROMETHEUS=127.0.0.1:$PORT"; }

stop() { halt "$pid"; }

lint() { install; exec "$dir/usr/bin/promtool" check metrics; }

case ${1-} in
  install|start|stop|lint) "$1" ;;
  *) die "usage: $0 install|start|stop|lint" ;;
esac

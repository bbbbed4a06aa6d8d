#!/bin/bash
# Podman: `podman.sh install` (with umoci, which unpacks images), then `podman.sh ARGS...` instead of `podman ARGS...`.
# `podman.sh wipe` removes its images and containers.
#
# Its images and containers are separate, in $SERVERS_DATA/podman. It also works as root inside a container: with runc, without systemd,
# without raising limits that it is not permitted to raise, and only with `--network host` or `none`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
d=$SERVERS_DATA/podman
export CONTAINERS_CONF=$d/containers.conf
mkdir -p "$d"
[ -s "$CONTAINERS_CONF" ] || cat > "$CONTAINERS_CONF" <<'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
C
podman_here() { command podman --root "$d/root" --runroot "$d/run" --storage-driver vfs "$@"; }
case ${1-} in
  install) need podman podman conmon uidmap; need runc runc; need umoci umoci; need skopeo skopeo ;;
  wipe) podman_here rm -fa > /dev/null; rm -rf "$d" ;;
  *) podman_here "$@" ;;
esac

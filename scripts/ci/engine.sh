# shellcheck shell=bash
# Sourced by .ci/run: a container engine for this run.
# start_engine uses the one that answers, else starts dockerd privately; stop_engine ends what was started.

engine_dir=
engine_pid=
engine_made_bridge=

start_engine() {
  if timeout 10 docker info >/dev/null 2>&1; then
    echo "using the container engine that answers: version $(docker version --format '{{.Server.Version}}')"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "no container engine answers, and starting dockerd needs root" >&2
    return 1
  fi
  engine_dir=$(mktemp -d)
  [ -e /sys/class/net/docker0 ] || engine_made_bridge=yes
  # The firewall and routes of this machine stay as they are: docker-proxy, a plain process, carries the
  # ports of containers, and only on loopback.
  dockerd \
    --host "unix://$engine_dir/docker.sock" \
    --data-root "$engine_dir/data" \
    --exec-root "$engine_dir/exec" \
    --pidfile "$engine_dir/pid" \
    --ip 127.0.0.1 \
    --iptables=false \
    --ip-masq=false \
    --ip-forward=false \
    >"$engine_dir/log" 2>&1 </dev/null &
  engine_pid=$!
  export DOCKER_HOST="unix://$engine_dir/docker.sock"
  # testcontainers would guess otherwise, and pull an image for it, where this machine is itself a container
  export TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
  # it runs on this machine: containers may listen on its loopback, without a proxy between
  export SCHED_LUA_CONTAINER_NETWORK=host
  local tries
  for ((tries = 0; tries < 60; tries++)); do
    if timeout 10 docker info >/dev/null 2>&1; then
      echo "started dockerd $(docker version --format '{{.Server.Version}}'), process $engine_pid"
      return
    fi
    if ! kill -0 "$engine_pid" 2>/dev/null; then
      echo "dockerd ended while starting" >&2
      return 1
    fi
    sleep 1
  done
  echo "dockerd does not answer after $tries tries" >&2
  return 1
}

# usage: stop_engine <exit status of the run>; shows the log if the run failed
stop_engine() {
  [ -n "$engine_dir" ] || return 0
  if [ "$1" -ne 0 ]; then
    echo "== the end of dockerd's log" >&2
    tail -n 40 "$engine_dir/log" >&2
  fi
  if kill "$engine_pid" 2>/dev/null; then
    wait "$engine_pid" || true
  fi
  if [ -n "$engine_made_bridge" ] && command -v ip >/dev/null; then
    ip link delete docker0 2>/dev/null || true
  fi
  # dockerd leaves this mounted when a container was on the machine's own network
  umount "$engine_dir/exec/netns/default" 2>/dev/null || true
  rm -rf "$engine_dir" || echo "not removed: $engine_dir" >&2
  engine_dir=
}

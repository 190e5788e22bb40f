#!/usr/bin/env bash
# Installs what the checks need beyond Node: a Redis server, luacheck and, where no container engine answers,
# one to start. For Debian and its kin; what is there already is left alone.
set -euo pipefail

missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
command -v luacheck >/dev/null || missing+=(lua-check)
if ! timeout 10 docker info >/dev/null 2>&1; then
  command -v dockerd >/dev/null || missing+=(docker.io)
fi

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
}

if [ "${#missing[@]}" -gt 0 ]; then
  as_root apt-get update -q
  install "${missing[@]}"
fi
# since Debian 13 the client is a package of its own
command -v docker >/dev/null || install docker-cli
echo "redis-server, luacheck and docker are installed"

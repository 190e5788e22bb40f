#!/usr/bin/env bash
# Builds a container image from nothing but this machine's redis-server and the libraries it is linked to,
# for machines that can pull no image.
# usage: redis-image.sh [image name, default sched-lua-redis:local]
set -euo pipefail

image=${1:-sched-lua-redis:local}
server=$(readlink -f "$(command -v redis-server)")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root/usr/bin" "$root/tmp"
cp "$server" "$root/usr/bin/redis-server"
# ldd prints "name => /path (address)" and, for the loader, "/path (address)"
ldd "$server" | grep -o '/[^ ]*' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

tar -C "$root" -c . |
  docker import \
    --change 'ENV PATH=/usr/bin' \
    --change 'WORKDIR /tmp' \
    --change 'EXPOSE 6379' \
    --change 'ENTRYPOINT ["redis-server"]' \
    --message 'redis-server of this machine' \
    - "$image"

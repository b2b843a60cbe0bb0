#!/bin/sh
# Measures the hub next to the bare transport, the bare store and other brokers, in one run. Builds the release preset
# first, unless --build-dir=DIR names an existing build. See README.md; all options: run.sh --help.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/release
for argument in "$@"; do
  case $argument in
    --build-dir=*) build=${argument#*=} existing=1 ;;
    -h | --help | --list) existing=1 ;;
  esac
done
if [ -z "${existing:-}" ]; then
  (cd "$root" && cmake --preset release > /dev/null && cmake --build --preset release)
fi
exec python3 "$root/tests/benchmark/run.py" "$@" --build-dir="$build"

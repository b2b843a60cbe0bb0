#!/usr/bin/env bash
# Installs the SDK of a build, with its hub for tests, into an empty place, and builds and runs a project outside with it:
# once through the CMake package, once through pkg-config. The SDK must have been built.
#
#   tests/install/run.sh BUILD_DIR [CXX]
set -euo pipefail

build=$(realpath "$1")
cxx=${2:-c++}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for component in sdk testing; do
  cmake --install "$build" --component "$component" --prefix "$work/prefix" >>"$work/install.log"
done

echo "== CMake package"
cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
cmake --build "$work/cmake" >"$work/build.log" || {
  cat "$work/build.log"
  exit 1
}
"$work/cmake/outside"
"$work/cmake/outside_test"
"$work/cmake/outside_rule_test"
"$work/cmake/outside_outbox" "$work/outbox"
"$work/cmake/outside_relay" "$work/relay.db"
"$work/cmake/outside_view" "$work/view"

echo "== pkg-config"
libdir=$(dirname "$(find "$work/prefix" -name eventhub.pc)")
# As many words as pkg-config prints. It finds the prefix by itself, wherever that was moved to.
mv "$work/prefix" "$work/moved"
export PKG_CONFIG_PATH="${libdir/$work\/prefix/$work\/moved}"
# link PROGRAM MODULE...: what the CMake package compiled, linked as pkg-config says.
link() {
  local program=$1 libs
  shift
  [[ " $(pkg-config --cflags "$@") " == *" -I$(pkg-config --variable=includedir eventhub) "* ]] || {
    echo "pkg-config --cflags $* is $(pkg-config --cflags "$@")"
    exit 1
  }
  read -ra libs <<<"$(pkg-config --libs "$@" "${packages[@]}")"
  "$cxx" "$work/cmake/CMakeFiles/$program.dir/$program.cc.o" -o "$work/$program" "${libs[@]}"
}
packages=()

read -ra compile <<<"$(pkg-config --cflags eventhub)"
read -ra libs <<<"$(pkg-config --libs eventhub)"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside.cc" -o "$work/outside" "${libs[@]}"
"$work/outside"

link outside_outbox eventhub-outbox
"$work/outside_outbox" "$work/another_outbox"

link outside_relay eventhub-outbox-{postgres,sqlite}
"$work/outside_relay" "$work/another_relay.db"

link outside_view eventhub-processor-{postgres,prometheus,rocksdb,sqlite}
"$work/outside_view" "$work/another_view"

packages=(gtest_main gmock)
link outside_test eventhub-testing
"$work/outside_test"

echo "== the contract"
# All that is installed, which is all there is.
cd "$work/moved/share/eventhub/proto"
protos=(eventhub/v1/*.proto)
diff <(printf '%s\n' "${protos[@]}") <(cd "$here/../../proto" && printf '%s\n' eventhub/v1/*.proto)
protoc -I . --descriptor_set_out=/dev/null "${protos[@]}"

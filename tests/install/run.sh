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
read -ra compile <<<"$(pkg-config --cflags eventhub)"
read -ra link <<<"$(pkg-config --libs eventhub)"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside.cc" -o "$work/outside" "${link[@]}"
"$work/outside"

read -ra compile <<<"$(pkg-config --cflags eventhub-outbox)"
read -ra link <<<"$(pkg-config --libs eventhub-outbox)"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside_outbox.cc" -o "$work/outside_outbox" "${link[@]}"
"$work/outside_outbox" "$work/another_outbox"

read -ra compile <<<"$(pkg-config --cflags eventhub-outbox-{postgres,sqlite})"
read -ra link <<<"$(pkg-config --libs eventhub-outbox-{postgres,sqlite})"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside_relay.cc" -o "$work/outside_relay" "${link[@]}"
"$work/outside_relay" "$work/another_relay.db"

read -ra compile <<<"$(pkg-config --cflags eventhub-processor-{postgres,prometheus,rocksdb,sqlite})"
read -ra link <<<"$(pkg-config --libs eventhub-processor-{postgres,prometheus,rocksdb,sqlite})"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside_view.cc" -o "$work/outside_view" "${link[@]}"
"$work/outside_view" "$work/another_view"

read -ra compile <<<"$(pkg-config --cflags eventhub-testing gtest_main gmock)"
read -ra link <<<"$(pkg-config --libs eventhub-testing gtest_main gmock)"
"$cxx" -std=c++20 "${compile[@]}" "$here/outside_test.cc" -o "$work/outside_test" "${link[@]}"
"$work/outside_test"

echo "== the contract"
# All that is installed, which is all there is.
cd "$work/moved/share/eventhub/proto"
protos=(eventhub/v1/*.proto)
diff <(printf '%s\n' "${protos[@]}") <(cd "$here/../../proto" && printf '%s\n' eventhub/v1/*.proto)
protoc -I . --descriptor_set_out=/dev/null "${protos[@]}"

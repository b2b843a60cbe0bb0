#!/usr/bin/env bash
# Checks that includes follow the layers: main, testing -> rpc -> link -> core, client; rpc -> core -> storage -> base; core -> filter -> wire, base;
# client -> wire and base; of it, processors and the command line -> filter, which they evaluate without a hub; the command line and main -> lake -> json; the command line and the outbox -> json; json -> wire. All may use the messages of the contract.
# CMake's targets say who links whom, but all packaged headers are in one folder, so that is not enough.
#
# Within core, server/core/rooms.txt says which room uses which. `layers.sh --graph` prints who includes whom, and how often.
set -euo pipefail
cd "$(dirname "$0")/.."

failures=0

# forbid FOLDER PATTERN WHY: no file below FOLDER includes what matches PATTERN.
forbid() {
  local found
  found=$(grep -rnE --include='*.h' --include='*.cc' "^#include [\"<]($2)" "$1" || true)
  if [[ -n "$found" ]]; then
    echo "$1 must not include these: $3"
    echo "$found" | sed 's/^/  /'
    failures=$((failures + 1))
  fi
}

forbid storage/base 'storage/[a-z_0-9]+\.h|server/|client/|eventhub/|grpc|google/|rocksdb/' 'base is below all'
forbid storage 'proto/|server/|client/|eventhub/|grpc|google/' 'storage knows neither the contract nor gRPC'
forbid server/core 'server/(rpc|main|link)/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' 'core knows no gRPC and no RocksDB'
for part in wire json; do
  forbid proto/$part 'server/|storage/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' 'the libraries beside the contract know its messages alone'
done
forbid server/filter 'server/(core|link|rpc|main)/|storage/[a-z_0-9]+\.h|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'filter knows messages, wire and base'
for floor in store object manifest read merge columns; do
  if [[ ! -d server/lake/$floor ]]; then continue; fi
  forbid server/lake/$floor 'server/(core|link|rpc|main|filter|lake/archive)/|storage/[a-z_0-9]+\.h|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
    'the lake is read without a hub: it knows messages, wire, json and base'
done
forbid server/lake/archive 'server/(link|rpc|main|filter)/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'the archiver knows the core and the lake'
forbid server/lake/restore 'server/(link|rpc|main|filter)/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'a restore knows the core and the lake'
forbid server/lake/store 'server/lake/(object|manifest|read|merge|columns)/|eventhub/v1/' 'stores know bytes alone'
forbid server/lake/object 'server/lake/(manifest|read|merge|columns)/' 'an object knows no manifest'
forbid server/lake/manifest 'server/lake/(read|merge|columns)/' 'manifests are below reading'
forbid server/lake/read 'server/lake/(merge|columns)/' 'reading is below merging'
forbid server/lake/columns 'server/lake/(read|merge)/' 'columns are made of objects, by manifests'
forbid server/link 'server/(rpc|main)/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'links know the core, and the public headers of the client'
forbid server/rpc 'server/main/|client/|rocksdb/' 'rpc knows the core and links only'
forbid server/main 'client/|rocksdb/' 'the daemon knows the server only'
forbid server/testing 'server/(main|link|filter|core)/|client/|grpc|rocksdb/' \
  'the hub of tests stands on the server, and on the public headers of the client'
forbid client 'eventhub/testing/' 'the SDK does not contain a hub'
forbid client 'server/(core|link|rpc|main)/|storage/[a-z_0-9]+\.h' 'clients know the contract and base only'
for part in include src cli examples; do
  forbid client/$part 'rocksdb/|client/outbox/' 'only the outbox and views know RocksDB'
done
for part in include src examples; do
  forbid client/$part 'server/' 'only processors and the command line evaluate filters'
done
forbid client/cli 'client/src/|grpc|eventhub/v1/.*\.grpc\.pb' 'the CLI uses public headers only'
forbid client/examples 'client/src/|storage/|grpc|eventhub/v1/.*\.grpc\.pb' 'examples use public headers only'

# Each include of one room by another, as "ROOM USED FILE:LINE". The rooms are those of the table; the longest name holds.
room_includes() {
  grep -rnE --include='*.h' --include='*.cc' '^#include "server/core/.+/' server/core | awk -F: -v table=server/core/rooms.txt '
    BEGIN {
      while ((getline line < table) > 0) if (line ~ /^[a-z]/) { sub(/:.*/, "", line); rooms[line] = 1 }
    }
    function room_of(path) {
      sub(/^server\/core\//, "", path)
      while (sub(/\/[^\/]*$/, "", path)) if (path in rooms) return path
      return "broker"
    }
    {
      path = $3; sub(/^#include "/, "", path); sub(/".*/, "", path)
      from = room_of($1); to = room_of(path)
      if (from != to) print from, to, $1 ":" $2
    }'
}

if [[ "${1:-}" == --graph ]]; then
  room_includes | awk '{ n[$1 " -> " $2]++ } END { for (pair in n) print pair, n[pair] }' | sort
  exit 0
fi

# The floors of core: a room uses what the table lets it use, which is below it.
declare -A may_use
for folder in server/core/*/; do
  folder=$(basename "$folder")
  grep -q "^$folder:" server/core/rooms.txt && continue
  echo "server/core/rooms.txt does not name the room $folder"
  failures=$((failures + 1))
done
while IFS=: read -r room uses; do
  for used in $uses; do
    [[ -n "${may_use[$used]+known}" ]] && continue
    echo "server/core/rooms.txt: $room uses $used, which is not below it"
    failures=$((failures + 1))
  done
  may_use[$room]=" $uses "
done < <(grep '^[a-z]' server/core/rooms.txt)
while read -r room used place; do
  [[ $room == broker || "${may_use[$room]}" == *" $used "* ]] && continue
  echo "$place: $room must not include $used; see server/core/rooms.txt"
  failures=$((failures + 1))
done < <(room_includes)

[[ $failures -eq 0 ]] && echo "includes follow the layers"
exit $((failures > 0))

#!/usr/bin/env bash
# Checks that includes follow the layers: main -> rpc -> link -> core, client; rpc -> core -> storage -> base; core -> filter -> wire, base;
# client -> wire and base, and the command line -> filter, which it evaluates without a hub. All may use the messages of the contract.
# CMake's targets say who links whom, but all packaged headers are in one folder, so that is not enough.
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
forbid proto/wire 'server/|storage/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' 'wire knows messages alone'
forbid server/filter 'server/(core|link|rpc|main)/|storage/[a-z_0-9]+\.h|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'filter knows messages, wire and base'
forbid server/link 'server/(rpc|main)/|client/|grpc|rocksdb/|eventhub/v1/.*\.grpc\.pb' \
  'links know the core, and the public headers of the client'
forbid server/rpc 'server/main/|client/|rocksdb/' 'rpc knows the core and links only'
forbid server/main 'client/|rocksdb/' 'the daemon knows the server only'
forbid client 'server/(core|link|rpc|main)/|storage/[a-z_0-9]+\.h|rocksdb/' 'clients know the contract and base only'
for part in include src examples; do
  forbid client/$part 'server/' 'only the command line evaluates filters'
done
forbid client/cli 'client/src/|grpc|eventhub/v1/.*\.grpc\.pb' 'the CLI uses public headers only'
forbid client/examples 'client/src/|storage/|grpc|eventhub/v1/.*\.grpc\.pb' 'examples use public headers only'

[[ $failures -eq 0 ]] && echo "includes follow the layers"
exit $((failures > 0))

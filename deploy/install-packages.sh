#!/usr/bin/env bash
# Installs the Debian packages that eventhub needs and that are missing.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/install-packages.sh [GROUP...]

Installs the missing Debian packages of each group with apt-get; uses sudo when not run as root.
Groups (default: build):

  build   compilers, tools and libraries to build and install the hub, the CLI and the SDK
  test    what the tests need beyond that: GoogleTest, Python's gRPC, clang for fuzzing
  lint    clang-format, clang-tidy, and npm (for buf)
  bench   the brokers that the benchmark compares with, and their client libraries
  all     all of these
USAGE
}

build_packages=(
  # Tools.
  ca-certificates ccache cmake g++ git make mold ninja-build pkg-config
  # gRPC and protobuf: libraries, compiler, plugins. None of these brings the others.
  libgrpc++-dev libgrpc-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc
  # What gRPC's CMake package looks for.
  libabsl-dev libc-ares-dev libre2-dev libssl-dev zlib1g-dev
  # RocksDB, and what its CMake package looks for.
  librocksdb-dev libbz2-dev libgflags-dev liblz4-dev libsnappy-dev libzstd-dev
  # The rest.
  libcli11-dev libcurl4-openssl-dev libfmt-dev libisal-dev libpq-dev libpugixml-dev libspdlog-dev
  libsqlite3-dev libxxhash-dev libyaml-cpp-dev prometheus-cpp-dev nlohmann-json3-dev
)
test_packages=(
  haproxy jq libgmock-dev libgtest-dev openssl procps python3 python3-grpcio python3-protobuf
  python3-xxhash postgresql-15 zstd
  # A service that speaks S3.
  ceph-common ceph-mon ceph-osd radosgw
  clang-19 libclang-rt-19-dev
)
lint_packages=(clang-format-14 clang-19 clang-tidy-19 shellcheck)
bench_packages=(libhiredis-dev libnats-dev nats-server python3 redis-server)

# Node may come from elsewhere, in packages that Debian's npm conflicts with.
command -v npm >/dev/null || lint_packages+=(nodejs npm)

fail() {
  echo "install-packages: $*" >&2
  exit 1
}

wanted=()
[[ $# -gt 0 ]] || set -- build
for group in "$@"; do
  case "$group" in
    build) wanted+=("${build_packages[@]}") ;;
    test) wanted+=("${test_packages[@]}") ;;
    lint) wanted+=("${lint_packages[@]}") ;;
    bench) wanted+=("${bench_packages[@]}") ;;
    all)
      wanted+=("${build_packages[@]}" "${test_packages[@]}" "${lint_packages[@]}"
        "${bench_packages[@]}")
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      echo "install-packages: no group '$group'; try --help" >&2
      exit 2
      ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  fail "this machine has no apt-get: eventhub is built on Debian 12." \
    "Elsewhere, install the equivalents of: ${wanted[*]}"
fi

# dpkg-query answers "install ok installed" for what is there, and fails for what it never saw.
missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null) || state=""
  [[ "$state" == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || fail "run this as root, or install sudo; missing: ${missing[*]}"
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
    -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}

echo "installing ${#missing[@]} packages: ${missing[*]}" >&2
# A package list may be out of date in part and still do: what counts is the install.
apt update || true
if ! apt install --yes --no-install-recommends "${missing[@]}"; then
  cat "$log" >&2
  fail "apt-get could not install: ${missing[*]} (Debian 12 has them all)"
fi

#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test and check. Its last line is
# `N passed, N failed`; the exit code is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly stages_for_people=(packages format lint dev)
readonly all_stages=("${stages_for_people[@]}" standalone asan tsan tidy)
readonly node_packages=("@bufbuild/buf@1.75.0" "@grpc/grpc-js@1" "@grpc/proto-loader@0.8" "@duckdb/node-api@1.5.6-r.1")
readonly fuzz_seconds=${EVENTHUB_TEST_FUZZ_SECONDS:-3}
# One more than there are cores, for what waits for a disk.
jobs=$(($(nproc) + 1))

usage() {
  cat <<'USAGE'
Usage: tests/run.sh [STAGE...]

Runs the named stages; without any, the first four, which run every test once. In this order:

  packages   install the Debian packages that are missing (needs root or sudo)
  format     clang-format 14 on every tracked C++ file, shellcheck on every tracked script
  lint       buf on the protobuf contract
  dev        build everything with gcc, run all tests

  standalone compile each file and header of the product by itself, which finds missing includes that
             the builds hide: they compile several files as one
  asan       the same with clang-19, AddressSanitizer, UndefinedBehaviorSanitizer and
             -Wthread-safety; run each fuzz target briefly
  tsan       storage and server/core with gcc and ThreadSanitizer
  tidy       clang-tidy on the product

  all        every stage, as the CI does

On two cores the first four take about 15 minutes on a new machine, most of it compilation, and
6 minutes when nothing has changed; all take about 45.

Examples:
  tests/run.sh                    every test
  tests/run.sh all                with the sanitizers, the fuzz targets and clang-tidy
  tests/run.sh format dev         a quick check before a commit
  cmake --build build/dev && ctest --test-dir build/dev -R Publish
                                  single tests, once `dev` has been built

Environment:
  EVENTHUB_TEST_FUZZ_SECONDS   how long each fuzz target runs (default 3)
USAGE
}

passed=0
failed=0
failures=()

count_pass() { passed=$((passed + 1)); }
count_failure() {
  failed=$((failed + 1))
  failures+=("$1")
  echo "FAILED: $1" >&2
}
# check NAME COMMAND...: one thing that passes or fails.
check() {
  local name=$1
  shift
  if "$@"; then count_pass; else count_failure "$name"; fi
}

announce() {
  printf '\n== %s  [%s, %d min %02d s after start]\n' "$*" "$(date +%H:%M:%S)" \
    $((SECONDS / 60)) $((SECONDS % 60))
}

# gcc 12's ThreadSanitizer does not cope with kernels that spread addresses over 32 bits.
without_aslr() {
  if setarch -R true 2>/dev/null; then setarch -R "$@"; else "$@"; fi
}

# build PRESET [OPTION...]: configures and builds; without it, nothing of the stage can run.
build() {
  announce "$1: build"
  cmake --preset "$@" >"build/$1-configure.log" 2>&1 || {
    cat "build/$1-configure.log" >&2
    count_failure "$1: cmake --preset $1"
    return 1
  }
  without_aslr cmake --build "build/$1" -j "$jobs" -- --quiet || {
    count_failure "$1: build"
    return 1
  }
}

# run_ctest PRESET [OPTION...]: runs the tests of a build and adds them up from ctest's own report.
run_ctest() {
  local report="$PWD/build/$1/ctest.xml"
  announce "$1: tests"
  rm -f "$report"
  # Three tests a core: many wait for a timer or for a disk.
  without_aslr ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j $(($(nproc) * 3)) \
    --output-junit "$report" "${@:2}" >"build/$1/ctest.log" 2>&1
  local code=$? tests failures_here skipped
  # Only what is not as it should be: of a program that failed, the tests that passed are left out.
  grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test +#[0-9]+: .* Passed +[0-9.]+ sec$)' \
    "build/$1/ctest.log" | grep -vE '^(|\[-+\].*)$' | sed '/^\[ RUN /{N;/\n\[       OK /d}'
  attribute() { sed -nE "s/^[[:space:]]*$1=\"([0-9]+)\".*/\1/p" "$report" 2>/dev/null | head -1; }
  tests=$(attribute tests)
  failures_here=$(attribute failures)
  skipped=$(attribute skipped)
  if [[ -z "$tests" || -z "$failures_here" ]]; then
    count_failure "$1: ctest gave no report"
    return
  fi
  passed=$((passed + tests - failures_here - ${skipped:-0}))
  if [[ "$failures_here" -gt 0 ]]; then
    failed=$((failed + failures_here))
    failures+=("$1: $failures_here of $tests tests")
  elif [[ "$code" -ne 0 ]]; then
    count_failure "$1: ctest ended with code $code"
  fi
}

stage_packages() {
  announce "packages"
  deploy/install-packages.sh build test lint || {
    count_failure "packages"
    return
  }
  # From npm: buf, what the Node program in README.md needs, and DuckDB, which reads the event lake.
  local wanted="${node_packages[*]}"
  if [[ "$(cat build/tools/installed 2>/dev/null)" != "$wanted" ]]; then
    if npm install --prefix build/tools --no-audit --no-fund --loglevel=error \
      "${node_packages[@]}"; then
      echo "$wanted" >build/tools/installed
    else
      count_failure "packages: npm install $wanted"
    fi
  fi
}

# Until C++23, a temporary in the range of a loop is destroyed before the first pass: `for (x : a.view()->parts)` visits
# what may be freed.
loops_keep_their_range() { ! git grep -nE 'for \([^;]*: [^;]*\(\)->[A-Za-z_]+\)' -- '*.h' '*.cc'; }

stage_format() {
  announce "format"
  local sources scripts
  mapfile -t sources < <(git ls-files -- '*.h' '*.cc')
  mapfile -t scripts < <(git ls-files -- '*.sh' .ci/run)
  check "format: clang-format" clang-format-14 --dry-run -Werror "${sources[@]}"
  check "format: loops" loops_keep_their_range
  check "format: shellcheck" shellcheck --severity=warning "${scripts[@]}"
}

stage_lint() {
  announce "lint"
  check "lint: buf lint proto" build/tools/node_modules/.bin/buf lint proto
}

# Says only what is wrong.
clang_tidy() {
  run-clang-tidy-19 -p build/asan -quiet -j "$jobs" "build/asan/(proto|storage|server|client)/.*/Unity/" \
    >build/asan/clang-tidy.log 2>&1 && return
  grep -E '(warning|error): ' build/asan/clang-tidy.log | sort -u
  return 1
}

stage_dev() { build dev && run_ctest dev; }
stage_standalone() {
  # With the flags and the generated code of the dev build, and the faster compiler.
  build dev || return
  announce "standalone: each file by itself"
  CXX=clang++-19 check "standalone: files that do not compile alone" \
    tests/standalone.py build/dev
}

stage_asan() { build asan -Dfuzz_seconds="$fuzz_seconds" && run_ctest asan; }
stage_tsan() { build tsan && run_ctest tsan; }

stage_tidy() {
  # It follows the compilation of the asan build, which is there already if that stage was run.
  build asan -Dfuzz_seconds="$fuzz_seconds" || return
  announce "tidy: clang-tidy"
  check "tidy: clang-tidy" clang_tidy
}

stages=()
for argument in "$@"; do
  case "$argument" in
    -h | --help)
      usage
      exit 0
      ;;
    all)
      stages+=("${all_stages[@]}")
      ;;
    *)
      if [[ " ${all_stages[*]} " != *" $argument "* ]]; then
        echo "run.sh: no stage '$argument'; try --help" >&2
        exit 2
      fi
      stages+=("$argument")
      ;;
  esac
done
[[ ${#stages[@]} -gt 0 ]] || stages=("${stages_for_people[@]}")

mkdir -p build
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/support/lsan.supp:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
declare -A took
for stage in "${stages[@]}"; do
  before=$SECONDS
  "stage_$stage"
  took[$stage]=$((SECONDS - before))
done

announce "done"
for stage in "${stages[@]}"; do
  printf '%-10s %3d min %02d s\n' "$stage" $((took[$stage] / 60)) $((took[$stage] % 60))
done
for failure in ${failures[@]+"${failures[@]}"}; do
  echo "failed: $failure"
done
echo "$passed passed, $failed failed"
[[ "$failed" -eq 0 ]]

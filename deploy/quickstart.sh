#!/usr/bin/env bash
# From a bare Debian 12 to a running event hub in one command: installs packages, builds, publishes
# this machine's package history through a hub of its own, kills the hub on the way, then one of two
# consumers that share the work, and checks that nothing was lost. Leaves nothing behind but the
# packages and build/release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ $# -gt 0 ]]; then
  echo "Usage: deploy/quickstart.sh   (no arguments; what it does: README.md)" >&2
  [[ "$1" == -h || "$1" == --help ]] && exit 0 || exit 2
fi

# The approximate number of events during which the hub is killed.
readonly many=600000
readonly topic=packages
work=$(mktemp -d -t eventhub-quickstart.XXXXXX)
hub_pid="" publisher_pid="" reader_pid="" consumer_pids=""

clean_up() {
  local pid
  for pid in $publisher_pid $reader_pid $consumer_pids $hub_pid; do
    kill -9 "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

if [[ -t 1 ]]; then
  bold=$'\033[1m' green=$'\033[32m' red=$'\033[31m' plain=$'\033[0m'
else
  bold="" green="" red="" plain=""
fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
good() { printf '%sok%s  %s\n' "$green" "$plain" "$*"; }
fail() {
  printf '%sfailed%s  %s\n' "$red" "$plain" "$*" >&2
  if [[ -s "$work/hub.log" ]]; then
    echo "The end of the hub's log:" >&2
    tail -n 5 "$work/hub.log" >&2
  fi
  exit 1
}
# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $until ]] || return 1
    sleep 0.02
  done
}
milliseconds() { date +%s%3N; }
lines_in() { wc -l <"$1"; }
thousands() { sed -E ':again; s/^([0-9]+)([0-9]{3})/\1,\2/; t again' <<<"$1"; }

# start_hub ADDRESS: returns when the hub serves; sets hub_pid and EVENTHUB_ADDRESS.
start_hub() {
  rm -f "$work/port"
  eventhubd --data_dir="$work/data" --listen="$1" --port_file="$work/port" --log_format=text \
    2>>"$work/hub.log" &
  hub_pid=$!
  wait_for 30 test -s "$work/port" || fail "the hub did not start"
  EVENTHUB_ADDRESS=$(head -n 1 "$work/port")
  export EVENTHUB_ADDRESS
  eventhub health --wait=30s --quiet || fail "the hub does not serve"
}

# check_order FILE: of lines `partition offset key id`, checks that each id is there once, that the
# ids of each key ascend, and that the offsets of each partition count up from its first by one.
check_order() {
  awk -F '\t' -v expected="$2" '
    function bad(what) { print what ": " $0; failed = 1; exit 1 }
    {
      number = substr($4, 6) + 0
      if (number in seen) bad("twice")
      seen[number] = 1
      if (($3 in last) && last[$3] >= number) bad("out of order")
      last[$3] = number
      if (($1 in offset) && offset[$1] + 1 != $2) bad("a gap before")
      offset[$1] = $2
    }
    END {
      if (!failed && NR != expected) { print NR " events instead of " expected; exit 1 }
    }' "$1"
}

# check_acknowledged ACKS EVENTS: every acknowledged line `partition offset id` is in the log.
check_acknowledged() {
  awk -F '\t' '
    NR == FNR { place[$4] = $1 ":" $2; next }
    place[$3] != $1 ":" $2 { print "acknowledged but missing: " $0; exit 1 }' "$2" "$1"
}

step "1. Packages and build"
deploy/install-packages.sh build
quiet=(--quiet)
[[ -t 1 ]] && quiet=()
mkdir -p build
{
  [[ -f build/release/CMakeCache.txt ]] ||
    cmake --preset release -DEVENTHUB_BUILD_TESTS=OFF >build/release-configure.log
  cmake --build build/release --target eventhubd eventhub -- ${quiet[@]+"${quiet[@]}"}
} || fail "the build"
PATH="$PWD/build/release/bin:$PATH"
good "$(eventhub --version) is in build/release/bin"

step "2. A hub on a fresh data directory"
start_hub 127.0.0.1:0
eventhub topics create "$topic" --partitions=4 --output=json >/dev/null
good "the hub listens on $EVENTHUB_ADDRESS; topic '$topic' has 4 partitions"

step "3. Publish this machine's package history and read it back"
deploy/dpkg-events.sh >"$work/history"
history_events=$(lines_in "$work/history")
[[ $history_events -gt 0 ]] || fail "this machine has no package history"
eventhub read "$topic" --follow --limit="$history_events" --summary \
  --format='%p\t%o\t%k\t%i\n' >"$work/read" 2>"$work/reader.log" &
reader_pid=$!
eventhub publish "$topic" --input=json "$work/history"
wait "$reader_pid" || fail "the reader: $(cat "$work/reader.log")"
reader_pid=""
sed 's/^read/a second process read/' "$work/reader.log"
problem=$(check_order "$work/read" "$history_events") || fail "$problem"
good "all $(thousands "$history_events") events came, those of each package in order; the last two:"
eventhub read "$topic" --from=1h --format='    %e  %t  %k  %d\n' | tail -n 2

step "4. Publish the history repeatedly, and kill -9 the hub meanwhile"
rounds=$(((many + history_events - 1) / history_events))
total=$((rounds * history_events))
eventhub topics delete "$topic" --yes
eventhub topics create "$topic" --partitions=4 --output=json >/dev/null
# The publisher prints what the hub acknowledged: partition, offset, id.
deploy/dpkg-events.sh "$rounds" |
  eventhub publish "$topic" --input=json --acks >"$work/acks" 2>"$work/publisher.log" &
publisher_pid=$!
eventhub read "$topic" --follow --limit="$total" --summary \
  --format='%p\t%o\t%k\t%i\n' >"$work/read" 2>"$work/reader.log" &
reader_pid=$!
enough_acks() { [[ $(lines_in "$work/acks") -gt $((total / 4)) ]]; }
wait_for 120 enough_acks || fail "nothing is acknowledged: $(cat "$work/publisher.log")"
kill -9 "$hub_pid"
wait "$hub_pid" 2>/dev/null || true
cp "$work/acks" "$work/acks-before"
before=$(lines_in "$work/acks-before")
[[ $before -lt $total ]] || fail "the publisher was done before the hub was killed"
echo "killed when $(thousands "$before") of $(thousands "$total") events were acknowledged"
started=$(milliseconds)
start_hub "$EVENTHUB_ADDRESS"
good "the hub is back on the same data directory after $(($(milliseconds) - started)) ms"
wait "$publisher_pid" || fail "the publisher: $(cat "$work/publisher.log")"
publisher_pid=""
sed 's/^published/the publisher continued:/; s/$/ (with the outage)/' "$work/publisher.log"
wait "$reader_pid" || fail "the reader: $(cat "$work/reader.log")"
reader_pid=""
problem=$(check_order "$work/read" "$total") || fail "read while it ran: $problem"
good "the reader received all $(thousands "$total") events once and in order per package"

step "5. What is stored"
eventhub read "$topic" --format='%p\t%o\t%k\t%i\n' --summary >"$work/read" 2>"$work/reader.log"
cat "$work/reader.log"
problem=$(check_order "$work/read" "$total") || fail "stored: $problem"
good "no event is missing or duplicated"
problem=$(check_acknowledged "$work/acks-before" "$work/read") || fail "$problem"
problem=$(check_acknowledged "$work/acks" "$work/read") || fail "$problem"
good "every event acknowledged before or after the kill is at its offset"

step "6. Two consumers share the work, and one is killed"
eventhub subscriptions create shared --topic="$topic" --kind=queue --from=earliest --output=json \
  >/dev/null
for consumer in 1 2; do
  # The remaining consumer ends when no more events arrive.
  eventhub consume shared --name="consumer-$consumer" --idle-exit=2s --format='%i\n' \
    >"$work/consumed-$consumer" 2>"$work/consumer-$consumer.log" &
  consumer_pids+=" $!"
done
read -r doomed survivor <<<"$consumer_pids"
both_work() {
  [[ $(lines_in "$work/consumed-1") -gt $((total / 20)) && -s "$work/consumed-2" ]]
}
wait_for 120 both_work || fail "nothing is consumed: $(cat "$work"/consumer-*.log)"
kill -0 "$doomed" 2>/dev/null || fail "the consumers were done before one was killed"
{ kill -9 "$doomed" && wait "$doomed"; } 2>/dev/null || true
before=$(cat "$work"/consumed-* | wc -l)
echo "killed one when $(thousands "$before") of $(thousands "$total") events were consumed"
wait "$survivor" || fail "the consumer that was left: $(cat "$work/consumer-2.log")"
consumer_pids=""
consumed=$(cat "$work"/consumed-* | wc -l)
distinct=$(cat "$work"/consumed-* | sort -u | wc -l)
[[ $distinct -eq $total ]] || fail "$distinct different events were consumed instead of $total"
good "the other finished: all $(thousands "$total") events arrived" \
  "($(thousands $((consumed - distinct))) twice: printed by the killed consumer, but not yet acked)"
eventhub subscriptions describe shared | sed '/^$/d; /^Settings/,$d; s/^/    /'
step "7. Statistics of the hub"
eventhub stats | sed 's/^/    /'
kill -TERM "$hub_pid"
wait "$hub_pid" || fail "the hub ended with exit code $? on SIGTERM"
hub_pid=""
good "the hub ended cleanly"

cat <<NEXT

${bold}Next steps${plain}
  export PATH="\$PATH:$PWD/build/release/bin"
  eventhubd --data_dir="\$HOME/eventhub-data" &        a permanent hub on port 7070
  eventhub topics create orders --partitions=8
  echo 'hello' | eventhub publish orders
  eventhub read orders --follow
  eventhub subscriptions create billing --topic=orders --kind=queue
  eventhub consume billing --exec='sh -c "cat >&2"'
  eventhub --help                                     each command teaches by example

  README.md                    subscriptions, containers, C++, Python, Node, operation, guarantees
  ./tests/run.sh               every test
  ./tests/benchmark/run.sh     how fast it is, compared with other brokers
NEXT

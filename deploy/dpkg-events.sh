#!/usr/bin/env bash
# Prints this machine's package history as CloudEvents in JSON, one per line, oldest first: an event
# for each line of /var/log/dpkg.log*. The type says what dpkg did, the key is the package, so that
# the history of each package keeps its order.
#
#   deploy/dpkg-events.sh | eventhub publish packages --input=json
#
# With a number N, prints the history N times. Ids count up from dpkg-1.
set -euo pipefail

rounds=${1:-1}

# The files of the log as they were rotated, the oldest first; without a log, the installed packages.
history() {
  local file found=0
  while IFS= read -r file; do
    [[ -s "$file" && -r "$file" ]] || continue
    found=1
    if [[ "$file" == *.gz ]]; then gzip -dc "$file"; else cat "$file"; fi
  done < <(find /var/log -maxdepth 1 -name 'dpkg.log*' | sort -rV)
  [[ $found -eq 1 ]] || dpkg-query --show --showformat \
    "$(date '+%Y-%m-%d %H:%M:%S') status \${db:Status-Status} \${Package}:\${Architecture} \${Version}\n"
}

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
history | grep -aE '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ' >"$lines"

# dpkg writes local time without its zone; date knows the zone of each moment.
paste <(cut -c1-19 "$lines" | date --file=- '+%Y-%m-%dT%H:%M:%S%:z') "$lines" |
  awk -v rounds="$rounds" '
    function quoted(text) {
      gsub(/[\\"]/, "\\\\&", text)
      gsub(/[\001-\037]/, " ", text)
      return "\"" text "\""
    }
    {
      tab = index($0, "\t")
      line = substr($0, tab + 1)
      split(line, word, " ")
      action = word[3]
      # status STATE PACKAGE VERSION; startup PHASE; otherwise ACTION PACKAGE OLD NEW.
      package = action == "status" ? word[5] : action == "startup" ? "dpkg" : word[4]
      event[NR] = "\",\"source\":\"/var/log/dpkg.log\",\"type\":" \
        quoted("org.debian.dpkg." action) ",\"subject\":" quoted(package) ",\"time\":\"" \
        substr($0, 1, tab - 1) "\",\"partitionkey\":" quoted(package) \
        ",\"datacontenttype\":\"text/plain\",\"data\":" quoted(substr(line, 21)) "}"
    }
    END {
      for (round = 0; round < rounds; ++round)
        for (i = 1; i <= NR; ++i)
          print "{\"specversion\":\"1.0\",\"id\":\"dpkg-" round * NR + i event[i]
    }'

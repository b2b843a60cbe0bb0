#!/usr/bin/env bash
# Runs Ceph's S3 service for tests: one monitor, one OSD that keeps objects in memory, one radosgw.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: tests/support/radosgw.sh start DIRECTORY PORT
       tests/support/radosgw.sh stop DIRECTORY

Starts the service on 127.0.0.1:PORT, with the monitor on the next port, and returns once it answers.
The keys of its only user are LAKEKEY and lakesecret. Everything it writes is in DIRECTORY, which must
not exist. Needs root, and Debian's packages ceph-common, ceph-mon, ceph-osd and radosgw.
USAGE
}

stop() {
  local dir=$1 pid
  for pid_file in "$dir"/run/*.pid; do
    [[ -f "$pid_file" ]] || continue
    pid=$(<"$pid_file")
    kill -9 "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  done
}

start() {
  local dir=$1 port=$2
  local fsid osd keyring=$dir/keyring monitor="v2:127.0.0.1:$(($2 + 1))"
  fsid=$(</proc/sys/kernel/random/uuid)
  osd=$(</proc/sys/kernel/random/uuid)
  mkdir -p "$dir"/{mon,osd,run}
  cat >"$dir/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = [$monitor/0]
mon initial members = a
mon data = $dir/mon
mon allow pool size one = true
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
run dir = $dir/run
log file = $dir/\$name.log
admin socket = $dir/run/\$name.asok
pid file = $dir/run/\$name.pid
keyring = $keyring
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 16
CONF
  export CEPH_CONF=$dir/ceph.conf
  ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
  monmaptool --create --addv a "[$monitor]" --fsid "$fsid" "$dir/monmap"
  ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$keyring"
  ceph-mon -i a
  ceph osd new "$osd"
  ceph auth import -i "$keyring"
  ceph-osd -i 0 --mkfs --osd-uuid "$osd"
  ceph-osd -i 0
  radosgw-admin user create --uid=lake --display-name=lake --access-key=LAKEKEY \
    --secret-key=lakesecret -n client.rgw
  radosgw -n client.rgw
  # As a test does: with the first request the service is there.
  for ((i = 0; i < 300; ++i)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    sleep 0.1
  done
  echo "radosgw does not listen; see $dir/client.rgw.log" >&2
  return 1
}

case "${1:-} $#" in
  "start 3") start "$2" "$3" ;;
  "stop 2") stop "$2" ;;
  *)
    usage
    exit 2
    ;;
esac

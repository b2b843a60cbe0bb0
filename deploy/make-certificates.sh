#!/usr/bin/env bash
# A small certificate authority for hubs and their clients, based on openssl(1).
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: deploy/make-certificates.sh DIR hub NAME HOST...
       deploy/make-certificates.sh DIR client NAME

Creates a certificate in DIR, signed by the certificate authority in DIR. Creates the authority if it does not
exist yet. Files:

  ca.pem, ca.key          the authority: distribute ca.pem to hubs and clients, keep ca.key secret
  NAME.pem, NAME.key      the certificate of a hub or a client, and its private key (mode 0600)

The certificate of a hub names the HOSTs (DNS names or IP addresses) that clients connect to, and localhost. It
is valid as a client certificate, too: the hub's links, its health check and the command line on its machine can
use it. If the certificate exists, it is renewed; a hub and its clients reload the files without a restart.

Environment:
  DAYS   validity of the certificate in days (default 397; the authority: 3650)

Examples:
  deploy/make-certificates.sh tls hub hub hub.example eventhub 10.0.0.7
  deploy/make-certificates.sh tls client billing
  eventhubd --data_dir=data --listen=0.0.0.0:7070 \
    --tls_cert=tls/hub.pem --tls_key=tls/hub.key --tls_client_ca=tls/ca.pem &
  eventhub --address=hub.example:7070 --tls-ca=tls/ca.pem --tls-cert=tls/billing.pem \
    --tls-key=tls/billing.key stats
USAGE
}

if [[ "${1-}" == -h || "${1-}" == --help ]]; then
  usage
  exit 0
fi
if [[ $# -lt 3 || ("$2" != hub && "$2" != client) || ("$2" == hub && $# -lt 4) ]]; then
  usage >&2
  exit 2
fi
directory=$1 kind=$2 name=$3
shift 3
if [[ ! "$name" =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ || "$name" == ca ]]; then
  echo "make-certificates: '$name' is not valid as a name of a certificate and its files" >&2
  exit 2
fi
command -v openssl >/dev/null || {
  echo "make-certificates: openssl not found; install the Debian package openssl" >&2
  exit 1
}
umask 077
mkdir -p "$directory"

if [[ ! -f "$directory/ca.key" ]]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
    -subj "/CN=eventhub authority" -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout "$directory/ca.key" -out "$directory/ca.pem" 2>/dev/null
  chmod 644 "$directory/ca.pem"
fi

usage_of_key=clientAuth names=DNS:$name
if [[ "$kind" == hub ]]; then
  usage_of_key=serverAuth,clientAuth
  names=DNS:localhost,IP:127.0.0.1,IP:::1
  for host in "$@"; do
    if [[ "$host" =~ ^[0-9.]+$ || "$host" == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi
  done
fi
work=$(mktemp -d "$directory/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$name" \
  -keyout "$work/key" -out "$work/request" 2>/dev/null
openssl x509 -req -in "$work/request" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" \
  -days "${DAYS:-397}" -out "$work/certificate" -extfile <(
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
    printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$usage_of_key" "$names"
  ) 2>/dev/null
chmod 644 "$work/certificate"
mv "$work/key" "$directory/$name.key"
mv "$work/certificate" "$directory/$name.pem"
echo "$directory/$name.pem, $directory/$name.key: $names"

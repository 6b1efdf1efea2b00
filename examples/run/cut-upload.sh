#!/bin/sh
# Every connection is cut half a second after the start, in the middle of an upload. Without --retry curl fails; with it
# the file arrives.
set -eu
. "$(dirname "$0")/lib.sh"
start_server
head -c 2000000 /dev/urandom >"$scratch/file"

for retry in "" "--retry 2 --retry-all-errors --retry-delay 1"; do
  # shellcheck disable=SC2086  # words
  "$ESTAB" run -q --host-loopback --rate up:20mbit --delay 10ms --events 'at 500ms rst' --json "$scratch/run.json" -- \
    curl -sS $retry -T "$scratch/file" "http://host.estab:$port/file" >"$scratch/answer" 2>"$scratch/error" \
    && status=0 || status=$?
  echo "curl ${retry:-without --retry}: status $status, answer \"$(cat "$scratch/answer")\"," \
    "connections ended $(member "$scratch/run.json" "', '.join(c['ending'] for c in run['connections'])")"
done

#!/bin/sh
# A client that gives up after 300 ms and asks again, on a path that loses 2 % of the packets: how many requests do
# 40 answers cost? TCP repeats a lost SYN after a second, so the impatient client is done sooner, and the server pays for it.
set -eu
. "$(dirname "$0")/lib.sh"
start_server

client='
import sys, urllib.request
patience, asked = float(sys.argv[2]), 0
for _ in range(40):
    while True:
        asked += 1
        try:
            urllib.request.urlopen(sys.argv[1], timeout=patience).read()
            break
        except OSError:
            pass
print(asked)
'
for patience in 0.3 5; do
  asked=$("$ESTAB" run -q --host-loopback --loss 2% --delay 60ms --seed 8 --json "$scratch/run.json" -- \
    python3 -c "$client" "http://host.estab:$port/" "$patience")
  echo "patience of $patience s: $asked requests for 40 answers," \
    "$(member "$scratch/run.json" "run['totals']['connections']") connections," \
    "$(member "$scratch/run.json" "round(run['duration_s'], 1)") s"
done

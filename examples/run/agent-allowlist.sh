#!/bin/sh
# A program that is not trusted may speak to one service and to nothing else; each attempt is on record.
set -eu
. "$(dirname "$0")/lib.sh"
start_server

agent='
import socket, sys, urllib.request
print("the service:", urllib.request.urlopen(sys.argv[1]).read().decode().strip())
for host, port in [("10.77.0.1", 22), ("192.0.2.1", 443), ("169.254.169.254", 80), ("fd00::1", 443)]:
    try:
        socket.create_connection((host, port), timeout=3)
        print(f"{host} port {port}: reached")
    except OSError:
        print(f"{host} port {port}: closed")
'
"$ESTAB" run -q --host-loopback --deny-all --allow "10.77.0.1:$port" --log "$scratch/egress.jsonl" -- \
  python3 -c "$agent" "http://10.77.0.1:$port/"
echo "on record:"
python3 -c '
import json, sys
for line in map(json.loads, open(sys.argv[1])):
    print(" ", line["verdict"], line.get("to") or line.get("name"), "-", line["why"])
' "$scratch/egress.jsonl" | sort | sed "s/:$port/:PORT/g"

#!/bin/sh
# The names do not resolve: does the program say so, and how soon? --deny refuses the queries, a path to the resolver that
# loses everything leaves them unanswered, and what is already an address works in both cases.
set -eu
. "$(dirname "$0")/lib.sh"
start_server

probe='
import socket, sys, time, urllib.request
began = time.monotonic()
try:
    socket.getaddrinfo("api.example.com", 443)
    print("resolved", end="")
except socket.gaierror as trouble:
    print(trouble.args[1], end="")
print(f" after {time.monotonic() - began:.1f} s;", "by address:", urllib.request.urlopen(sys.argv[1]).read().decode().strip())
'
printf 'refused:    '
"$ESTAB" run -q --host-loopback --deny api.example.com -- python3 -c "$probe" "http://10.77.0.1:$port/"
printf 'unanswered: '
RES_OPTIONS='timeout:1 attempts:2' "$ESTAB" run -q --host-loopback --to '10.77.0.1:53 loss=100%' -- \
  python3 -c "$probe" "http://10.77.0.1:$port/"

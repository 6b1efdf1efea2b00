#!/bin/sh
# One upload fills the queue in front of a slow line, and everything else waits behind it: the time of small requests with a
# deep queue, and with one that is managed.
set -eu
. "$(dirname "$0")/lib.sh"
start_server

client='
import statistics, sys, threading, time, urllib.request
base, over = sys.argv[1], threading.Event()
def upload():
    while not over.is_set():
        urllib.request.urlopen(urllib.request.Request(base + "file", b"x" * 400_000, method="PUT")).read()
threading.Thread(target=upload, daemon=True).start()
time.sleep(1)
times = []
for _ in range(8):
    began = time.monotonic()
    urllib.request.urlopen(base).read()
    times.append(time.monotonic() - began)
over.set()
print(f"{statistics.median(times) * 1000:.0f}")
'
for queue in 256KB fq_codel; do
  milliseconds=$("$ESTAB" run -q --host-loopback --rate up:4mbit --rate down:20mbit --delay 10ms --queue up:$queue -- \
    python3 -c "$client" "http://host.estab:$port/")
  echo "queue of $queue: a small request takes $milliseconds ms beside an upload"
done

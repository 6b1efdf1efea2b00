#!/bin/sh
# A network in a file: services with names, one of them ill, behind a line that others use.
set -eu
. "$(dirname "$0")/lib.sh"
server=

"$ESTAB" run -q --world "$here/world.toml" --json "$scratch/run.json" -- sh -c '
  for url in http://api.example.com/ http://tired.example.com/ http://files.example.com/; do
    curl -sS -o /dev/null -w "$url: %{http_code}, %{size_download} octets in %{time_total} s\n" "$url"
  done'
echo "and then: $(member "$scratch/run.json" '", ".join(c["names"][0] + " " + c["ending"] for c in run["connections"])')"

# What the examples share: `estab` from the PATH or $ESTAB, and a server on the host's loopback.
ESTAB=${ESTAB:-estab}
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$scratch"' EXIT

# Starts server.py on a free port, $port; what it was asked is in $scratch/asked.
start_server() {
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  python3 "$here/server.py" "$port" >"$scratch/asked" & server=$!
  for _ in $(seq 100); do
    python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null && return
    sleep 0.05
  done
  echo "the server did not start" >&2
  exit 1
}

# member FILE EXPRESSION: of the JSON in FILE, as Python's `run`.
member() { python3 -c "import json, sys; run = json.load(open(sys.argv[1])); print($2)" "$1"; }

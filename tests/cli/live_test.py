"""Reports and explanations made live: estab serve, get, nc and run with --report and --trace --explain, while the
kernel's TCP is the other side. Ends with 77 where no private network can be had."""
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

ESTAB = sys.argv.pop(1)
OCTETS = 100_000
TIMEOUT = 120


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Live(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="estab-live-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "file").write_bytes(os.urandom(OCTETS))

    def watch(self, command, *words, cmd=(), stdin=b"", octets=OCTETS, from_client=False):
        """Runs it with everything that watches; what was seen must be one and the same in each form."""
        page, trace, capture = (self.folder / name for name in ("out.html", "trace.txt", "out.pcapng"))
        run = subprocess.run([ESTAB, command, *words, "--report", page, f"--trace={trace}", "--explain", "--pcap", capture,
                              "--impair", "delay=5ms", *(["--", *cmd] if cmd else [])], input=stdin, capture_output=True,
                             cwd=self.folder, timeout=TIMEOUT)
        self.assertEqual(run.returncode, 0, run.stderr.decode())
        text = page.read_text()
        data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
        found = [c for c in data["connections"] if c["from_client" if from_client else "from_server"]["bytes"] >= octets]
        self.assertEqual(len(found), 1, data["connections"])
        connection = found[0]
        self.assertIn(connection["state"], ("closed", "half-closed", "open"))
        self.assertIn(f'id="points-{connection["stream"]}"', text)
        self.assertIn(f'id="flow-{connection["stream"]}"', text)
        # The trace: each segment, and under it what it means.
        lines = trace.read_text().splitlines()
        segments = [i for i, line in enumerate(lines) if re.match(r"\d\d:\d\d:\d\d\.\d{6} IP6? .* Flags \[", line)]
        self.assertEqual(len(segments), data["tcp_segments"])
        for i in segments:
            self.assertRegex(lines[i + 1], r"^ +\S.*\(client [A-Z-]+[0-9]?, server [A-Z-]+[0-9]?\)$")
        opening = next(i for i in segments if "[S]" in lines[i])
        self.assertIn("(client SYN-SENT, server LISTEN)", lines[opening + 1])
        # The capture tells the same, with what estab knew as comments.
        again = subprocess.run([ESTAB, "analyze", "--json", capture], capture_output=True, text=True, timeout=TIMEOUT)
        told = {c["client"]: c for c in json.loads(again.stdout)["connections"]}[connection["client"]]
        self.assertEqual((told["from_server"]["bytes"], told["from_client"]["bytes"]),
                         (connection["from_server"]["bytes"], connection["from_client"]["bytes"]))
        return connection

    def python(self, code):
        return [sys.executable, "-c", code]

    def test_serve(self):
        code = ("import urllib.request\n"
                f"assert len(urllib.request.urlopen('http://10.77.0.2/file').read()) == {OCTETS}")
        self.watch("serve", ".", cmd=self.python(code))

    def test_get(self):
        connection = self.watch("get", "http://10.77.0.100:8000/file", "-o", "copy",
                                cmd=[sys.executable, "-m", "http.server", "8000"])
        self.assertEqual(connection["server"], "10.77.0.100:8000")
        self.assertEqual((self.folder / "copy").read_bytes(), (self.folder / "file").read_bytes())

    def test_nc(self):
        code = ("import socket\n"
                "p, _ = socket.create_server(('10.77.0.100', 9000)).accept()\n"
                "while p.recv(65536): pass")
        connection = self.watch("nc", "10.77.0.100", "9000", cmd=self.python(code), stdin=bytes(OCTETS), from_client=True)
        self.assertEqual(connection["server"], "10.77.0.100:9000")

    def test_run(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Quiet(*a, directory=self.folder)) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            port = server.server_address[1]
            code = ("import urllib.request\n"
                    f"assert len(urllib.request.urlopen('http://host.estab:{port}/file').read()) == {OCTETS}")
            self.watch("run", "--host-loopback", cmd=self.python(code))
            server.shutdown()

    def test_a_report_that_cannot_be_written_is_told_before_anything_runs(self):
        run = subprocess.run([ESTAB, "serve", ".", "--report", "/nonexistent/out.html", "--", "touch", "ran"],
                             capture_output=True, text=True, cwd=self.folder, timeout=TIMEOUT)
        self.assertEqual(run.returncode, 125, run.stderr)
        self.assertIn("/nonexistent/out.html", run.stderr.splitlines()[-1])
        self.assertFalse((self.folder / "ran").exists())


if __name__ == "__main__":
    probe = subprocess.run([ESTAB, "doctor", "--json"], capture_output=True, timeout=TIMEOUT)
    if json.loads(probe.stdout or b"{}").get("backend") not in ("tun", "veth"):
        print("skipped: no private network can be made here; estab doctor says why")
        sys.exit(77)
    unittest.main(verbosity=1)

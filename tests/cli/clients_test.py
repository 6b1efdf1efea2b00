#!/usr/bin/env python3
"""estab get, nc and ss against the kernel's TCP, in private networks.

    clients_test.py ESTAB

Ends with 77 (skipped) where no private network can be made, and says why.
"""
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

ESTAB = sys.argv.pop(1) if len(sys.argv) > 1 else "estab"
TIMEOUT = 120
SERVER = ["python3", "-m", "http.server", "8000"]


def estab(*words, cwd=None, stdin=b"", env=None):
    return subprocess.run([ESTAB, *words], cwd=cwd, input=stdin, capture_output=True, timeout=TIMEOUT,
                          env={**os.environ, **(env or {})})


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """On the host's loopback: files with ranges, redirections, and what goes wrong."""
    protocol_version = "HTTP/1.1"
    body = random.Random(7).randbytes(300_000)

    def do_GET(self):
        if self.path == "/loop":
            return self.redirect("/loop")
        if self.path == "/there":
            return self.redirect("a/../file")
        if self.path == "/secure":
            return self.redirect("https://example.com/")
        if self.path == "/chunked":
            return self.chunked()
        if self.path not in ("/file", "/cut"):
            return self.send_error(404)
        first = 0
        if field := self.headers.get("Range"):
            first = int(field.removeprefix("bytes=").removesuffix("-"))
            if first >= len(self.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(self.body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(self.body) - 1}/{len(self.body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(self.body) - first))
        self.end_headers()
        if self.path == "/cut":
            self.wfile.write(self.body[:1000])
            self.close_connection = True
        else:
            self.wfile.write(self.body[first:])

    def redirect(self, where):
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def chunked(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(self.body), 7001):
            piece = self.body[at:at + 7001]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_):
        pass


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def assert_fails(self, done, *words, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        last = done.stderr.decode().strip().splitlines()[-1]
        for word in words:
            self.assertIn(word, last)

    if not hasattr(unittest.TestCase, "enterContext"):
        def enterContext(self, context):
            value = context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)
            return value


class Relay(Case):
    """Without --tun and without CMD: the host's network."""

    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path, *words):
        return estab("get", "--host-loopback", self.base + path, *words, cwd=self.folder)

    def assert_got(self, done, name="file"):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / name).read_bytes(), Handler.body)

    def test_file_is_equal_and_named_as_in_the_url(self):
        self.assert_got(self.get("/file"))

    def test_chunks(self):
        self.assert_got(self.get("/chunked", "-o", "x"), "x")

    def test_standard_output(self):
        done = self.get("/file", "-o", "-", "-q")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, Handler.body, b""))

    def test_redirection_is_followed(self):
        self.assert_got(self.get("/there", "-o", "x"), "x")

    def test_redirections_end(self):
        self.assert_fails(self.get("/loop"), "10 redirections")
        self.assertEqual(os.listdir(self.folder), [])

    def test_https_is_refused(self):
        self.assert_fails(self.get("/secure"), "https")
        self.assert_fails(estab("get", "https://example.com/x"), "https", status=2)

    def test_404_leaves_nothing(self):
        self.assert_fails(self.get("/nothing"), "HTTP 404")
        self.assertEqual(os.listdir(self.folder), [])

    def test_cut_body_is_told_and_continued(self):
        done = self.get("/cut", "-o", "x")
        self.assert_fails(done, "stopped in the middle")
        self.assertIn(b"1000 octets are in x; -C", done.stderr)
        self.assert_got(self.get("/file", "-o", "x", "-C"), "x")

    def test_continuing_what_is_complete(self):
        (self.folder / "file").write_bytes(Handler.body)
        self.assert_got(self.get("/file", "-C"))
        (self.folder / "file").write_bytes(Handler.body + b"more")
        self.assert_fails(self.get("/file", "-C"), "octets")

    def test_a_file_is_not_replaced_unasked(self):
        (self.folder / "file").write_bytes(b"mine")
        self.assert_fails(self.get("/file"), "exists")
        self.assertEqual((self.folder / "file").read_bytes(), b"mine")

    def test_loopback_needs_leave(self):
        self.assert_fails(estab("get", self.base + "/file"), "--host-loopback")

    def test_refused(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.assert_fails(estab("get", "--host-loopback", f"http://127.0.0.1:{port}/x"), "refused")

    def test_nc_half_close(self):
        heard = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def answer():
                peer, _ = listener.accept()
                with peer:
                    while octets := peer.recv(65536):
                        heard.append(octets)
                    peer.sendall(b"after your end\n")
            thread = threading.Thread(target=answer)
            thread.start()
            said = Handler.body * 4
            done = estab("nc", "--host-loopback", "127.0.0.1", str(listener.getsockname()[1]), stdin=said)
            thread.join()
        self.assertEqual((done.returncode, done.stdout), (0, b"after your end\n"), done.stderr)
        self.assertEqual(b"".join(heard), said)


class Beside(Case):
    """With CMD in the private network."""

    def test_get_from_a_server(self):
        (self.folder / "file").write_bytes(random.Random(1).randbytes(1_000_000))
        done = estab("get", "http://10.77.0.100:8000/file", "-o", "copy", "--", *SERVER, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256(self.folder / "copy"), sha256(self.folder / "file"))

    def test_get_over_a_lossy_path(self):
        (self.folder / "file").write_bytes(random.Random(2).randbytes(200_000))
        done = estab("get", "http://10.77.0.100:8000/file", "-o", "copy", "--impair", "loss=2%,seed=3", "--",
                     *SERVER, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sha256(self.folder / "copy"), sha256(self.folder / "file"))

    def test_failures_are_125(self):
        self.assert_fails(estab("get", "http://10.77.0.100:8000/nothing", "--", *SERVER, cwd=self.folder), "HTTP 404",
                          status=125)
        self.assert_fails(estab("get", "http://10.77.0.100:8000/x", "--", "true"), "ended with status 0", status=125)
        self.assert_fails(estab("get", "http://10.77.0.100:8000/x", "--", "/nonexistent"), "/nonexistent", status=127)

    def python(self, text):
        return ["--", "python3", "-c", text]

    def test_nc_connects_to_the_kernel(self):
        done = estab("nc", "10.77.0.100", "9000", *self.python(
            "import socket\n"
            "p, _ = socket.create_server(('10.77.0.100', 9000)).accept()\n"
            "n = 0\n"
            "while b := p.recv(65536): n += len(b)\n"
            "p.sendall(b'%d' % n)"), stdin=b"x" * 1_000_000)
        self.assertEqual((done.returncode, done.stdout), (0, b"1000000"), done.stderr)

    def test_nc_listens_for_the_kernel(self):
        done = estab("nc", "-l", "9000", *self.python(
            "import socket, time, sys\n"
            "p = socket.create_connection(('10.77.0.2', 9000))\n"
            "p.sendall(b'y' * 500000); p.shutdown(socket.SHUT_WR)\n"
            "while b := p.recv(65536): pass\n"
            "sys.exit(3)"), stdin=b"z" * 100_000)
        self.assertEqual((done.returncode, done.stdout), (3, b"y" * 500_000), done.stderr)

    def test_nc_ends_after_silence_and_on_a_signal(self):
        silent = ("import socket\n"
                  "p, _ = socket.create_server(('10.77.0.100', 9000)).accept()\n"
                  "p.sendall(b'ready\\n')\n"
                  "while p.recv(1): pass")
        words = [ESTAB, "nc", "-w", "5", "10.77.0.100", "9000", *self.python(silent)]
        for signal, status in ((None, 0), (15, 143)):
            with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as talk:
                self.assertEqual(talk.stdout.readline(), b"ready\n")
                if signal:
                    talk.send_signal(signal)
                self.assertEqual(talk.wait(TIMEOUT), status)

    def test_nc_over_udp(self):
        done = estab("nc", "-u", "-l", "9000", *self.python(
            "import socket\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.settimeout(60); s.connect(('10.77.0.2', 9000))\n"
            "s.send(b'ping'); assert s.recv(100) == b'pong'"), stdin=b"pong")
        self.assertEqual((done.returncode, done.stdout), (0, b"ping"), done.stderr)


class Ss(Case):
    def test_shows_a_connection_and_vanishes_with_it(self):
        env = {"XDG_RUNTIME_DIR": str(self.folder)}
        talk = subprocess.Popen([ESTAB, "nc", "10.77.0.100", "9000", "--", "python3", "-c",
                                 "import socket\n"
                                 "p, _ = socket.create_server(('10.77.0.100', 9000)).accept()\n"
                                 "p.sendall(b'ready\\n'); p.recv(1)"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **env})
        with talk:
            self.assertEqual(talk.stdout.readline(), b"ready\n")
            shown = estab("ss", "-tino", str(talk.pid), env=env).stdout.decode()
            self.assertRegex(shown, r"ESTAB +0 +0 +10\.77\.0\.2:\d+ +10\.77\.0\.100:9000")
            self.assertRegex(shown, r"\tts sack \w+ wscale:\d+,\d+ rto:[\d.]+ rtt:[\d.]+/[\d.]+ mss:1448 ".replace(
                r"\t", r"\t ?"))
            self.assertIn("bytes_received:6", shown)
            report = json.loads(estab("ss", "--json", env=env).stdout)
            self.assertEqual(report["schema"], "estab.ss/1")
            self.assertEqual([c["pid"] for c in report["commands"]], [talk.pid])
            self.assertEqual(report["commands"][0]["counters"]["TcpActiveOpens"],
                             report["commands"][0]["counters"]["TcpActiveOpens"] or 1)
            self.assertEqual(os.stat(self.folder / "estab").st_mode & 0o777, 0o700)
            talk.stdin.close()
            self.assertEqual(talk.wait(TIMEOUT), 0)
        self.assertEqual(os.listdir(self.folder / "estab"), [])
        self.assert_fails(estab("ss", env=env), "no estab command")

    def test_what_the_dead_left_is_removed(self):
        env = {"XDG_RUNTIME_DIR": str(self.folder)}
        os.mkdir(self.folder / "estab", 0o700)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as dead:
            dead.bind(str(self.folder / "estab" / "1.sock"))
        self.assert_fails(estab("ss", env=env), "no estab command")
        self.assertEqual(os.listdir(self.folder / "estab"), [])

    def test_wrong_words(self):
        self.assert_fails(estab("ss", "x"), "not a process number", status=2)


if __name__ == "__main__":
    probe = subprocess.run([ESTAB, "doctor", "--json"], capture_output=True, timeout=TIMEOUT)
    if json.loads(probe.stdout or b"{}").get("backend") not in ("tun", "veth"):
        print("skipped: no private network can be made here; estab doctor says why")
        sys.exit(77)
    unittest.main(verbosity=2)

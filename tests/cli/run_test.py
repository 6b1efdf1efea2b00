"""estab run: unmodified programs in a private network, the host's sockets behind it.

Servers listen on the host's loopback, which CMD reaches as host.estab. Ends with 77 where no private
network can be had.
"""
import contextlib
import hashlib
import http.server
import pathlib
import random
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
import unittest

import private_network

ESTAB = BACKEND = ""
BACKENDS = []
GATEWAYS = ("10.77.0.1", "fd77::1")


def run(*words, command, timeout=60, **options):
    return subprocess.run([ESTAB, "run", "--backend", BACKEND, *words, "--", *command], capture_output=True, text=True,
                          timeout=timeout, **options)


def python(program, *words):
    return [sys.executable, "-c", program, *map(str, words)]


@contextlib.contextmanager
def server(handler, family=socket.AF_INET, kind=socketserver.ThreadingTCPServer):
    class Here(kind):
        address_family = family
        daemon_threads = True
        allow_reuse_address = True

    with Here(("127.0.0.1" if family == socket.AF_INET else "::1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while part := self.request.recv(65536):
            self.request.sendall(part)


class EchoDatagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)


class Sink(socketserver.BaseRequestHandler):
    """Answers with the digest of what came before the end."""

    def handle(self):
        digest = hashlib.sha256()
        while part := self.request.recv(65536):
            digest.update(part)
        self.request.sendall(digest.hexdigest().encode())


class Resetter(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.request.close()


class Files(http.server.SimpleHTTPRequestHandler):
    folder = ""

    def __init__(self, *args):
        super().__init__(*args, directory=self.folder)

    def log_message(self, *_):
        pass


CLIENT = """
import socket, sys, hashlib
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
"""


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        (cls.folder / "data").write_bytes(random.Random(7).randbytes(3_000_000))
        cls.digest = hashlib.sha256((cls.folder / "data").read_bytes()).hexdigest()
        Files.folder = str(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_downloads_by_curl_and_wget_in_both_families_and_backends(self):
        for family, gateway in zip((socket.AF_INET, socket.AF_INET6), GATEWAYS):
            host = f"[{gateway}]" if family == socket.AF_INET6 else gateway
            with server(Files, family) as port:
                for backend in BACKENDS:
                    for program in (["curl", "-sS", "-o", "-"], ["wget", "-q", "-O", "-"]):
                        if shutil.which(program[0]) is None:
                            continue
                        done = subprocess.run(
                            [ESTAB, "run", "-q", "--backend", backend, "--host-loopback", "--",
                             *program, f"http://{host}:{port}/data"],
                            capture_output=True, timeout=60)
                        self.assertEqual(done.returncode, 0, done.stderr)
                        self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), self.digest)

    def test_an_upload_with_a_half_close_over_a_bad_link(self):
        with server(Sink) as port:
            done = run("--host-loopback", "--loss", "2%", "--delay", "5ms", command=python(CLIENT + """
data = b"x" * 1_000_000
peer.sendall(data); peer.shutdown(socket.SHUT_WR)
got = b"".join(iter(lambda: peer.recv(65536), b""))
print(got.decode() == hashlib.sha256(data).hexdigest())
""", "host.estab", port))
            self.assertEqual((done.returncode, done.stdout), (0, "True\n"), done.stderr)

    def test_a_reset_and_a_refusal_are_what_the_host_saw(self):
        with server(Resetter) as port:
            done = run("-q", "--host-loopback", command=python(CLIENT + """
peer.sendall(b"x")
try: peer.recv(1)
except ConnectionResetError: print("reset")
""", GATEWAYS[0], port))
            self.assertEqual(done.stdout, "reset\n", done.stderr)
        done = run("-q", "--host-loopback", command=python("""
import socket, sys
try: socket.create_connection(("10.77.0.1", 1), timeout=10)
except ConnectionRefusedError: print("refused")
"""))
        self.assertEqual(done.stdout, "refused\n", done.stderr)

    def test_the_hosts_loopback_is_closed_unless_allowed(self):
        with server(Echo) as port:
            done = run("-q", command=python("""
import socket, sys
for to in ("10.77.0.1", "10.77.0.2", "169.254.169.254"):
    try: socket.create_connection((to, int(sys.argv[1])), timeout=3); print("open", to)
    except OSError: print("closed")
""", port))
            self.assertEqual(done.stdout, "closed\n" * 3, done.stderr)

    def test_datagrams(self):
        with server(EchoDatagram, kind=socketserver.ThreadingUDPServer) as port:
            done = run("-q", "--host-loopback", command=python("""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10)
for n in range(100):
    s.sendto(b"hello %d" % n, ("10.77.0.1", int(sys.argv[1])))
    assert s.recv(100) == b"HELLO %d" % n
print("heard")
""", port))
            self.assertEqual(done.stdout, "heard\n", done.stderr)

    def test_a_hundred_connections_at_once(self):
        with server(Echo) as port:
            done = run("-q", "--host-loopback", command=python("""
import socket, sys
peers = [socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30) for _ in range(100)]
for n, peer in enumerate(peers): peer.sendall(b"%04d" % n)
print(all(peer.recv(4) == b"%04d" % n for n, peer in enumerate(peers)))
""", port))
            self.assertEqual(done.stdout, "True\n", done.stderr)

    def test_the_reason_names_the_link(self):
        with server(Files) as port:
            done = run("--host-loopback", "--rate", "down:8mbit", "--delay", "10ms", command=[
                "curl", "-sS", "-o", "/dev/null", f"http://host.estab:{port}/data"])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r"3\.0 MB down, .*the link was full: .* of 8\.0 Mbit/s down")

    def test_the_exit_status_is_commands(self):
        self.assertEqual(run("-q", command=["sh", "-c", "exit 7"]).returncode, 7)
        self.assertEqual(run("-q", command=["sh", "-c", "kill -9 $$"]).returncode, 137)
        self.assertEqual(run("-q", command=["/nonexistent"]).returncode, 127)
        self.assertEqual(run("-q", command=["/"]).returncode, 126)
        self.assertEqual(run("--link", "3h", command=["true"]).returncode, 2)
        self.assertEqual(run("--loss", "110%", command=["true"]).returncode, 2)
        self.assertEqual(run(command=[]).returncode, 2)

    def test_standard_input_and_output_are_commands(self):
        done = run("-q", command=["cat"], input="to and fro\n")
        self.assertEqual((done.stdout, done.stderr), ("to and fro\n", ""))

    def test_every_link_is_a_path(self):
        listed = subprocess.run([ESTAB, "run", "--link", "list"], capture_output=True, text=True)
        names = [line.split()[0] for line in listed.stdout.splitlines() if line[0] != " "]
        self.assertGreaterEqual(len(names), 12)
        for name in names:
            self.assertEqual(run("-q", "--link", name, command=["true"]).returncode, 0, name)


if __name__ == "__main__":
    private_network.main(globals())

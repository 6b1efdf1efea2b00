"""estab run --own-tcp: unmodified programs whose own TCP is estab's, as root and as an ordinary user.

own_tcp_inside.py asks from within what a socket of such a program does. Ends with 77 where system
calls cannot be answered.
"""
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import time
import unittest

import run_test
from run_test import Echo, Files, Resetter, Sink, python

ESTAB = ""
HOST = "10.77.0.1"
NOBODY = 65534
INSIDE = pathlib.Path(__file__).with_name("own_tcp_inside.py")


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128


class Finisher(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"bye")
        self.request.shutdown(socket.SHUT_WR)
        while self.request.recv(65536):
            pass


def server(handler, family=socket.AF_INET):
    return run_test.server(handler, family, Server)


def users():
    """Root tries both: an ordinary user may do less."""
    return [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]


def run(*words, command, user=None, timeout=60, **options):
    as_user = {}
    if user and os.geteuid() == 0:
        as_user = {"user": user, "group": user, "extra_groups": []}
    return subprocess.run([ESTAB, "run", "--own-tcp", *words, "--", *command], capture_output=True,
                          timeout=timeout, cwd="/", **as_user, **options)


def interpreter(user):
    """One that the user may run."""
    return sys.executable if not user else "/usr/bin/python3"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class OwnTcp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.folder.chmod(0o755)
        (cls.folder / "data").write_bytes(random.Random(7).randbytes(3_000_000))
        cls.digest = hashlib.sha256((cls.folder / "data").read_bytes()).hexdigest()
        Files.folder = str(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_what_a_program_sees_of_its_sockets(self):
        for user in users():
            with contextlib.ExitStack() as servers, self.subTest(user=user):
                ports = [servers.enter_context(server(h)) for h in (Echo, Sink, Resetter, Finisher)]
                done = run("-q", "--host-loopback", user=user, command=[
                    interpreter(user), "-B", str(INSIDE), HOST, str(free_port()), *map(str, ports), "-v"])
                self.assertEqual(done.returncode, 0, done.stderr.decode())

    def test_programs_of_many_kinds(self):
        fetch = "import urllib.request as u, sys; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())"
        programs = {
            "curl": ["curl", "-sS"], "wget": ["wget", "-qO-"],
            "busybox": ["busybox", "wget", "-qO-"],  # static
            "python3": [interpreter(users()[-1]), "-c", fetch],
            "node": ["node", "-e", "require('http').get(process.argv[1], r => r.pipe(process.stdout))"],
        }
        with server(Files) as port:
            for name, command in programs.items():
                if shutil.which(name) is None:
                    continue
                with self.subTest(name):
                    done = run("-q", "--host-loopback", user=users()[-1],
                               command=[*command, f"http://{HOST}:{port}/data"])
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), self.digest)

    def test_the_host_has_a_name(self):
        for user in users():
            with server(Files) as port, self.subTest(user=user):
                done = run("-q", "--host-loopback", user=user,
                           command=["sh", "-c", f"id -u; curl -sS -o /dev/null http://host.estab:{port}/data"])
                self.assertEqual((done.returncode, done.stdout.decode()), (0, f"{user}\n"), done.stderr)

    def test_ipv6(self):
        with server(Files, socket.AF_INET6) as port:
            done = run("-q", "--host-loopback", command=["curl", "-sS", f"http://[fd77::1]:{port}/data"])
            self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), self.digest, done.stderr)

    @unittest.skipUnless(shutil.which("redis-server"), "no redis-server")
    def test_a_server_and_its_client_inside(self):
        port = free_port()
        done = run("-q", user=users()[-1], command=["sh", "-c", f"""
            redis-server --port {port} --save '' --daemonize no --logfile /dev/null --dir /tmp &
            for i in $(seq 100); do redis-cli -p {port} ping 2>/dev/null | grep -q PONG && break; sleep 0.05; done
            redis-cli -p {port} set key value; redis-cli -p {port} get key
            redis-cli -p {port} shutdown nosave"""])
        self.assertEqual(done.stdout.decode().split(), ["OK", "value"], done.stderr)

    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_a_server_of_many_processes(self):
        port = free_port()
        config = self.folder / "nginx.conf"
        config.write_text(f"""
            worker_processes 2; pid {self.folder}/nginx.pid; error_log stderr; daemon off;
            events {{ worker_connections 64; }}
            http {{ access_log off; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
                    fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u;
                    scgi_temp_path {self.folder}/s; sendfile on;
                    server {{ listen {port}; listen [::]:{port}; root {self.folder}; }} }}""")
        done = run("-q", command=["sh", "-c", f"""
            nginx -c {config} & server=$!
            for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:{port}/data && break; sleep 0.05; done
            curl -sS http://127.0.0.1:{port}/data | sha256sum; curl -sS http://[::1]:{port}/data | sha256sum
            kill $server; wait $server"""])
        self.assertEqual([line.split()[0] for line in done.stdout.decode().splitlines()],
                         [self.digest] * 2, done.stderr)

    def test_an_upload_over_a_bad_link_is_traced_from_the_program_s_side(self):
        trace, capture = self.folder / "trace", self.folder / "out.pcapng"
        with server(Sink) as port:
            done = run("--host-loopback", "--loss", "2%", "--delay", "5ms", "--cc", "bbr", "--seed", "3",
                       f"--trace={trace}", "--pcap", str(capture), command=python("""
import hashlib, socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
print(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 8).rstrip(b"\\0").decode())
data = b"x" * 1_000_000
peer.sendall(data); peer.shutdown(socket.SHUT_WR)
got = b"".join(iter(lambda: peer.recv(65536), b""))
print(got.decode() == hashlib.sha256(data).hexdigest())
""", HOST, port))
        self.assertEqual(done.stdout.decode().split(), ["bbr", "True"], done.stderr)
        lines = trace.read_text().splitlines()
        self.assertRegex(lines[0], rf"IP 10\.77\.0\.100\.\d+ > {HOST}\.{port}: Flags \[S\]")
        analysis = subprocess.run([ESTAB, "analyze", str(capture)], capture_output=True, text=True)
        self.assertRegex(analysis.stdout, "retrans")

    def test_the_reason_for_a_slow_upload_is_what_the_program_s_tcp_knew(self):
        with server(Sink) as port:
            done = run("--host-loopback", "--loss", "up:4%", "--delay", "20ms", "--cc", "reno", command=python("""
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
peer.sendall(b"x" * 800_000); peer.shutdown(socket.SHUT_WR); peer.recv(99)
""", HOST, port))
            self.assertRegex(done.stderr.decode(),
                             r"800\.0 kB up: .*congestion window on the way up \(\d+ of \d+ segments sent again")

    def test_the_exit_status_is_commands(self):
        self.assertEqual(run("-q", command=["sh", "-c", "exit 7"]).returncode, 7)
        self.assertEqual(run("-q", command=["sh", "-c", "kill -9 $$"]).returncode, 137)
        self.assertEqual(run("-q", command=["/nonexistent"]).returncode, 127)
        self.assertEqual(run("-q", command=["/"]).returncode, 126)
        self.assertEqual(run("--deny-all", command=["true"]).returncode, 2)

    def test_what_was_written_before_the_end_arrives(self):
        with server(Sink) as port:
            done = run("-q", "--host-loopback", "--delay", "60ms", "--log", str(self.folder / "log"),
                       command=python("""
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2]))).sendall(b"x" * 200_000)
""", HOST, port))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex((self.folder / "log").read_text(), '"up_bytes":200000')

    def test_sockets_are_shown_to_others(self):
        with server(Echo) as port, tempfile.TemporaryDirectory() as runtime:
            done = run("-q", "--host-loopback", env={**os.environ, "XDG_RUNTIME_DIR": runtime},
                       command=["sh", "-c", f"""
                exec 3<>/dev/null; {sys.executable} -c "
import socket, subprocess, sys
s = socket.create_connection(('{HOST}', {port}))
s.send(b'x'); s.recv(1)
print(subprocess.run(['{ESTAB}', 'ss', '-i'], capture_output=True, text=True).stdout)
" """])
            self.assertRegex(done.stdout.decode(), rf"(?s)ESTAB.*10\.77\.0\.100:\d+ .*{HOST}:{port}.*cubic")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to forbid namespaces")
    def test_it_is_the_choice_where_namespaces_are_forbidden(self):
        with server(Echo) as port:
            forbid = "for n in user net; do echo 0 > /proc/sys/user/max_${n}_namespaces; done; "
            done = subprocess.run(
                ["unshare", "-Ur", "sh", "-c", forbid + 'exec "$@"', "sh", ESTAB, "run", "--host-loopback",
                 "--", *python("import socket, sys; s = socket.create_connection((sys.argv[1], "
                               "int(sys.argv[2]))); s.send(b'hi'); print(s.recv(9))", HOST, port)],
                capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "b'hi'\n"), done.stderr)
        self.assertRegex(done.stderr, r"^estab run: own-tcp \(.*\)\n$")


def main():
    global ESTAB
    ESTAB = run_test.ESTAB = os.path.abspath(sys.argv.pop(1))
    probe = run("-q", command=["true"])
    if probe.returncode != 0:
        print(f"skipped: {probe.stderr.decode().strip()}")
        sys.exit(77)
    unittest.main()


if __name__ == "__main__":
    main()

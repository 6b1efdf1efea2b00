"""estab run: published and forwarded ports, pings, a link that changes, and what programs are told.

Ends with 77 where no private network can be had.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

import private_network

ESTAB = BACKEND = ""
BACKENDS = []

SERVER = """
import socket, sys
listening = socket.create_server(("", 8000), family=socket.AF_INET6, dualstack_ipv6=True)
while True:
    peer, who = listening.accept()
    while part := peer.recv(65536): peer.sendall(part[::-1])
    peer.close()
"""
UDP_SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 8000))
while True:
    data, who = s.recvfrom(65536)
    s.sendto(data[::-1], who)
"""


def needs_a_network(test):
    """Of what --own-tcp cannot do."""
    def only_there(self):
        if BACKEND == "own-tcp":
            self.skipTest("it needs a private network")
        test(self)
    return only_there


def python(program, *words):
    return [sys.executable, "-c", program, *map(str, words)]


def run(*words, command, timeout=60, **options):
    return subprocess.run([ESTAB, "run", "--backend", BACKEND, *map(str, words), "--", *command], capture_output=True, text=True,
                          timeout=timeout, **options)


@contextlib.contextmanager
def running(*words, command):
    """A run that goes on, and the lines it has said, as soon as all that is asked for has been said."""
    process = subprocess.Popen([ESTAB, "run", "--backend", BACKEND, *map(str, words), "--", *command],
                               stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stderr.close()


def said(process, pattern):
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"never said: {pattern}")


def ask(address, text, family=socket.AF_INET):
    """Until a server is there: the port is, before it."""
    for _ in range(200):
        try:
            with socket.socket(family) as s:
                s.settimeout(10)
                s.connect(address)
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: s.recv(65536), b""))
        except (ConnectionResetError, BrokenPipeError):
            time.sleep(0.05)
    raise TimeoutError(address)


@contextlib.contextmanager
def echo():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        def serve(peer):
            with peer, contextlib.suppress(OSError):
                while part := peer.recv(65536):
                    peer.sendall(part)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=[listening.accept()[0]], daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


class Ports(unittest.TestCase):
    def test_a_published_port_leads_to_the_server_inside(self):
        for backend in BACKENDS:
            with running("--backend", backend, "-p", "0:8000", command=python(SERVER)) as process:
                port = int(said(process, r"tcp 127\.0\.0\.1:(\d+) leads to CMD's port 8000")[1])
                self.assertEqual(ask(("127.0.0.1", port), b"abc" * 1000), (b"abc" * 1000)[::-1])
                self.assertEqual(ask(("::1", port), b"xyz", socket.AF_INET6), b"zyx")

    def test_a_published_port_without_a_server_is_reset(self):
        with running("-p", "127.0.0.1:0:8000", command=["sleep", "30"]) as process:
            port = int(said(process, r"127\.0\.0\.1:(\d+) leads")[1])
            # It may come before connect() returns.
            with self.assertRaises(ConnectionResetError):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                    s.recv(1)

    @needs_a_network
    def test_published_datagrams_come_back_to_who_sent_them(self):
        with running("-p", "0:8000/udp", command=python(UDP_SERVER)) as process:
            port = int(said(process, r"udp 127\.0\.0\.1:(\d+) leads")[1])
            peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
            heard = set()
            for peer in peers:
                peer.settimeout(0.2)
            for _ in range(50):
                for number, peer in enumerate(peers):
                    peer.sendto(b"%d-abc" % number, ("127.0.0.1", port))
                    with contextlib.suppress(TimeoutError):
                        heard.add((number, peer.recv(100)))
                if len(heard) == 3:
                    break
            for peer in peers:
                peer.close()
            self.assertEqual(heard, {(n, b"cba-%d" % n) for n in range(3)})

    def test_a_forwarded_port_is_the_hosts_even_where_all_is_denied(self):
        with echo() as port:
            program = python("""
import socket, sys
for host in ("127.0.0.1", "::1", "10.77.0.1"):
    with socket.create_connection((host, int(sys.argv[1])), timeout=10) as s:
        s.sendall(b"hello"); s.shutdown(socket.SHUT_WR)
        print(s.recv(100).decode())
try: socket.create_connection(("10.77.0.1", int(sys.argv[1]) ^ 1), timeout=3); print("open")
except OSError: print("closed")
""", port)
            for words in ([], ["--deny-all"]) if BACKEND != "own-tcp" else ([],):
                done = run("-q", "--forward", port, *words, command=program)
                self.assertEqual(done.stdout, "hello\n" * 3 + "closed\n", done.stderr)

    def test_what_is_not_a_port_is_usage(self):
        for words in (["-p", "x"], ["-p", "0"], ["-p", "80:0"], ["-p", "1:2:3:4"], ["-p", "80/sctp"], ["-p", "70000"],
                      ["-p", "[::1:80"], ["--forward", "0"], ["--forward", "a"], ["--metrics", "nowhere"]):
            done = run(*words, command=["true"])
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_port_that_is_taken_is_one_line(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = run("-q", "-p", f"127.0.0.1:{taken.getsockname()[1]}:80", command=["true"])
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, r"^estab run: cannot listen on 127\.0\.0\.1:\d+: Address already in use\n$")

    @needs_a_network
    @unittest.skipIf(shutil.which("ping") is None, "not installed: ping")
    def test_pings_of_others_go_on_through_the_host(self):
        if os.geteuid() != 0:
            self.skipTest("needs a host with an address of its own and pings allowed")
        inside = f"""
ip link set lo up; ip addr add 192.0.2.9/32 dev lo
echo '0 65535' >/proc/sys/net/ipv4/ping_group_range
exec {ESTAB} run -q --backend {BACKEND} -- ping -c 3 -i 0.2 192.0.2.9
"""
        done = subprocess.run(["unshare", "-n", "sh", "-c", inside], capture_output=True, text=True, timeout=30)
        self.assertIn(" 0% packet loss", done.stdout, done.stderr)


class Changes(unittest.TestCase):
    def test_an_outage_is_felt_and_ends(self):
        with echo() as port:
            done = run("-q", "--host-loopback", "--events", "at 500ms down 1s", command=python("""
import socket, sys, time
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
worst, end = 0, time.monotonic() + 4
while time.monotonic() < end:
    begin = time.monotonic(); s.sendall(b"x"); assert s.recv(1) == b"x"
    worst = max(worst, time.monotonic() - begin); time.sleep(0.01)
print("felt" if 0.5 < worst < 3.5 else worst)
""", port))
            self.assertEqual(done.stdout, "felt\n", done.stderr)

    def test_a_reset_in_the_middle(self):
        with echo() as port:
            done = run("-q", "--host-loopback", "--events", "at 300ms rst", command=python("""
import socket, sys
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
try: s.recv(1)
except ConnectionResetError: print("reset")
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
s.sendall(b"again"); print(s.recv(10).decode())
""", port))
            self.assertEqual(done.stdout, "reset\nagain\n", done.stderr)

    def test_ecn_is_asked_for_and_marks_are_answered(self):
        with echo() as port, tempfile.TemporaryDirectory() as folder:
            for words in ([], ["--ecn"]):
                trace = pathlib.Path(folder) / "trace"
                done = run("-q", "--host-loopback", *words, "--rate", "20mbit", "--ce", "5p", f"--trace={trace}",
                           command=python("""
import socket, sys
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
s.sendall(b"x" * 500_000); s.shutdown(socket.SHUT_WR)
while s.recv(65536): pass
""", port))
                self.assertEqual(done.returncode, 0, done.stderr)
                flags = set(re.findall(r"Flags \[(.*?)\]", trace.read_text()))
                self.assertEqual("SEW" in flags and "S.E" in flags, bool(words), flags)
                # Marked, told, and told that it was heard.
                self.assertEqual(any("E" in f for f in flags if "S" not in f), bool(words), flags)
                self.assertEqual(any("W" in f for f in flags if "S" not in f), bool(words), flags)

    def test_what_is_no_timeline_is_usage(self):
        for text in ("at 5s", "at x down 3s", "at 5s loss=200%", "at 5s down"):
            done = run("--events", text, command=["true"])
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r"^estab run: --events: " + re.escape(text.split(";")[0]))


class Destinations(unittest.TestCase):
    TIMES = """
import socket, sys, time
for port in sys.argv[1:]:
    s = socket.create_connection(("10.77.0.1", int(port)), timeout=30)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for _ in range(5):
        begin = time.monotonic(); s.sendall(b"x"); assert s.recv(1) == b"x"
        times.append(time.monotonic() - begin)
    print("far" if min(times) >= 0.2 else "near", end=" ")
"""

    def test_a_destination_has_a_path_of_its_own(self):
        with echo() as far, echo() as near, tempfile.TemporaryDirectory() as folder:
            for backend in BACKENDS:
                file = pathlib.Path(folder) / "run.json"
                done = run("-q", "--backend", backend, "--host-loopback", "--to", f"10.77.0.1:{far} delay=100ms",
                           "--json", file, command=python(self.TIMES, far, near, far))
                self.assertEqual(done.stdout, "far near far ", done.stderr)
                told = json.loads(file.read_text())
                self.assertEqual([(b["to"], b["path"]) for b in told["branches"]],
                                 [(f"10.77.0.1:{far}", "delay=100ms")])
                self.assertGreater(told["branches"][0]["link"]["up"]["packets"], 10)
                self.assertGreater(told["link"]["up"]["packets"], 5)

    def test_a_name_that_the_hosts_file_knows(self):
        with echo() as port:
            done = run("-q", "--host-loopback", "--to", "host.estab delay=100ms", command=python(self.TIMES, port))
            self.assertEqual(done.stdout, "far ", done.stderr)

    def test_events_hold_for_every_path(self):
        with echo() as far:
            done = run("-q", "--host-loopback", "--to", f"10.77.0.0/16 loss=0%", "--events", "at 0s delay 100ms",
                       command=python(self.TIMES, far))
            self.assertEqual(done.stdout, "far ", done.stderr)

    def test_what_is_no_destination_is_usage(self):
        for text in ("10.77.0.1", "a b", "10.77.0.1: loss=1%", "x loss=200%"):
            done = run("--to", text, command=["true"])
            self.assertEqual(done.returncode, 2, text)
            self.assertRegex(done.stderr, r"^estab run: --to")


class Told(unittest.TestCase):
    def test_json_says_what_happened(self):
        with echo() as port, tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "run.json"
            done = run("-q", "--host-loopback", "--loss", "down:5%", "--seed", 3, "--json", file,
                       command=["sh", "-c", f'exec "$@"; exit 1', "sh", *python("""
import socket, sys
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
import threading
threading.Thread(target=lambda: (s.sendall(b"x" * 300_000), s.shutdown(socket.SHUT_WR))).start()
while s.recv(65536): pass
try: socket.create_connection(("10.77.0.1", 1), timeout=10)
except ConnectionRefusedError: sys.exit(7)
""", port)])
            self.assertEqual(done.returncode, 7, done.stderr)
            told = json.loads(file.read_text())
            self.assertEqual([told["schema"], told["exit_status"]], ["estab.run/1", 7])
            self.assertEqual(told["path"], "down:loss=5%,seed=3")
            first, second = told["connections"]
            self.assertEqual([first["ending"], first["up_bytes"], first["down_bytes"], first["to"]],
                             ["closed", 300_000, 300_000, f"10.77.0.1:{port}"])
            self.assertGreater(first["retransmits"], 0)
            self.assertGreater(told["link"]["down"]["lost"], 0)
            self.assertEqual(told["link"]["up"]["lost"], 0)
            self.assertEqual([second["ending"], second["error"]], ["refused", "Connection refused"])
            self.assertEqual(told["totals"], {"connections": 1, "refused": 1, "denied": 0, "up_bytes": 300_000,
                                              "down_bytes": 300_000})
            self.assertEqual(os.listdir(folder), ["run.json"])

    def test_json_that_cannot_be_written_is_told_before_anything_runs(self):
        done = run("-q", "--json", "/nonexistent/run.json", command=["echo", "ran"])
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertRegex(done.stderr, r"^estab run: cannot write /nonexistent/run\.json")

    def test_metrics(self):
        with echo() as port, running("--host-loopback", "--metrics", "0", "--loss", "1%", command=python("""
import socket, sys, time
s = socket.create_connection(("10.77.0.1", int(sys.argv[1])), timeout=30)
s.sendall(b"x" * 1000)
n = 0
while n < 1000: n += len(s.recv(1000))
time.sleep(60)
""", port)) as process:
            where = said(process, r"metrics: (http://127\.0\.0\.1:\d+/metrics)")[1]
            for _ in range(200):
                with urllib.request.urlopen(where, timeout=10) as answer:
                    text = answer.read().decode()
                if 'estab_forwarded_bytes_total{way="down"} 1000\n' in text:
                    break
                time.sleep(0.05)
            self.assertIn('estab_forwarded_bytes_total{way="up"} 1000\n', text)
            self.assertIn("estab_forwarded_open 1\n", text)
            self.assertRegex(text, r'estab_link_packets_total\{way="up",what="entered"\} [1-9]')
            self.assertRegex(text, r"estab_Tcp_InSegs_total [1-9]")
            self.assertTrue(text.endswith("# EOF\n"))
            for line in text.splitlines():
                self.assertRegex(line, r"^(# (TYPE|HELP|EOF)|estab_[A-Za-z_]+(\{[^}]*\})? \d+$)")
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(where + "x", timeout=10)
            self.assertEqual(refused.exception.code, 404)
            refused.exception.close()


if __name__ == "__main__":
    private_network.main(globals())

"""estab perf, both roles, met by the kernel's TCP in a private network. Ends with 77 where none can be had."""
import json
import socket
import struct
import subprocess
import sys
import threading
import unittest

PORTS = (5001, 5002, 5003)
SERVER, CLIENT = "--kernel-server", "--kernel-client"


def receive_exactly(peer, octets):
    data = b""
    while len(data) < octets and (part := peer.recv(octets - len(data))):
        data += part
    return data


def serve_one(peer, port):
    with peer:
        try:
            if port == 5001:
                while peer.recv(1 << 20):
                    pass
            elif port == 5002:
                left = struct.unpack("<Q", receive_exactly(peer, 8))[0]
                while left:
                    left -= peer.send(bytes(min(left, 1 << 18)))
            else:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data := peer.recv(4096):
                    peer.sendall(data)
        except OSError:
            pass  # the client has seen enough


def kernel_server():
    def serve(port):
        with socket.create_server(("0.0.0.0", port), backlog=1024) as listener:
            while True:
                threading.Thread(target=serve_one, args=(listener.accept()[0], port), daemon=True).start()
    for port in PORTS:
        threading.Thread(target=serve, args=(port,), daemon=True).start()
    threading.Event().wait()


def kernel_client():
    def connect(port):
        return socket.create_connection(("10.77.0.2", port), timeout=30)
    with connect(5001) as peer:  # discarded, and the FIN answered
        peer.sendall(bytes(1_000_000))
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
    for octets in (0, 1, 3_000_000):
        with connect(5002) as peer:
            count = struct.pack("<Q", octets)
            peer.sendall(count[:3])  # the count may come in pieces
            peer.sendall(count[3:])
            assert len(receive_exactly(peer, octets + 1)) == octets
    with connect(5003) as peer:
        for text in (b"x", b"hello", bytes(range(256)) * 400):
            peer.sendall(text)
            assert receive_exactly(peer, len(text)) == text
        peer.shutdown(socket.SHUT_WR)
        assert peer.recv(1) == b""
    with connect(5002) as peer:  # one that asks and leaves
        peer.sendall(struct.pack("<Q", 1 << 62))
        peer.recv(1)
    print("all answered")


class Perf(unittest.TestCase):
    def perf(self, *words, timeout=120):
        return subprocess.run([ESTAB, "perf", *words], capture_output=True, text=True, timeout=timeout)

    def against_kernel(self, *options):
        return self.perf("10.77.0.100", "-q", "-t", "1", *options, "--", sys.executable, "-B", __file__, SERVER)

    def test_the_server_answers_the_contract(self):
        run = self.perf("--serve", "--", sys.executable, "-B", __file__, CLIENT)
        self.assertEqual((run.returncode, run.stdout), (0, "all answered\n"), run.stderr)

    def test_every_test_has_a_figure(self):
        run = self.against_kernel("--json")
        self.assertEqual(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        self.assertEqual(told["schema"], "estab.perf/1")
        tests = {test["test"]: test for test in told["tests"]}
        self.assertEqual(list(tests), ["up", "down", "both", "trips", "connect"])
        for name, direction in (("up", "up"), ("down", "down"), ("both", "up"), ("both", "down")):
            self.assertGreater(tests[name][direction]["bytes"], 100_000, name)
        self.assertGreaterEqual(tests["trips"]["p99_seconds"], tests["trips"]["p50_seconds"])
        self.assertGreater(tests["trips"]["round_trips"], 10)
        self.assertGreater(tests["connect"]["connections"], 10)

    def test_the_reason_is_the_paths(self):
        run = self.against_kernel("-T", "up", "--impair", "rate=10mbit,delay=10ms")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("limited by: congestion window", run.stdout)

    def test_wrong_usage_is_one_line_and_2(self):
        for words, what in (((), "HOST is needed"), (("--serve", "1.2.3.4"), "no HOST"),
                            (("--serve",), "nobody could reach"), (("h", "-T", "upp"), "did you mean up?"),
                            (("h", "-T", "up,"), "there is no ''"), (("h", "-t", "0"), "between 1 and"),
                            (("h", "-p", "65534"), "between 1 and 65533"), (("--serve", "-t", "1"), "client's")):
            run = self.perf(*words)
            self.assertEqual(run.returncode, 2, words)
            self.assertIn(what, run.stderr)
            self.assertEqual(run.stdout, "")

    def test_nobody_there_is_one_line_and_1(self):
        run = self.perf("10.77.0.100", "-q", "--", "sh", "-c", "exit 3")
        self.assertEqual(run.returncode, 125)
        self.assertIn("the command ended with status 3 and accepted nothing", run.stderr)


if __name__ == "__main__":
    if SERVER in sys.argv:
        kernel_server()
    elif CLIENT in sys.argv:
        kernel_client()
    else:
        ESTAB = sys.argv.pop(1)
        doctor = json.loads(subprocess.run([ESTAB, "doctor", "--json"], capture_output=True).stdout)
        if doctor["backend"] not in ("tun", "veth"):
            print("skipped: no private network can be made here; estab doctor says why")
            sys.exit(77)
        unittest.main()

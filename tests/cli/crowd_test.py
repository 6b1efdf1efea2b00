"""crowd_test.py ESTAB: 10,000 connections through estab run at once.

All stand, all are answered, memory stays bounded, and all of it is given back. Ends with 77 where no private network
can be had, or not enough descriptors.
"""
import os
import pathlib
import resource
import selectors
import socket
import subprocess
import sys
import threading
import unittest

import private_network

ESTAB = ""
CROWD = 10_000
BYTES_EACH = {"tun": 4_096, "veth": 4_096, "own-tcp": 16_384}  # of estab's memory; own-tcp has both ends
DESCRIPTORS = CROWD + 200

# Opens them 200 at a time and says so; then, told to, asks each a question, and each must be answered.
CLIENT = """
import resource, selectors, socket, sys
host, port, crowd = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

def all_of(peers, event, act):
    with selectors.EpollSelector() as poller:
        for peer in peers:
            poller.register(peer, event)
        left = len(peers)
        while left:
            ready = poller.select(60)
            assert ready, f"{left} of {len(peers)} wait"
            for key, _ in ready:
                act(key.fileobj)
                poller.unregister(key.fileobj)
                left -= 1

def stands(peer):
    error = peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == 0, error

def is_answered(peer):
    assert peer.recv(100) == b"hello", "no answer"

def say(word):
    print(word, flush=True)
    sys.stdin.readline()

say("ready")
peers = []
while len(peers) < crowd:
    some = []
    for _ in range(min(200, crowd - len(peers))):
        peer = socket.socket()
        peer.setblocking(False)
        peer.connect_ex((host, port))
        some.append(peer)
    all_of(some, selectors.EVENT_WRITE, stands)
    peers += some
say("stand")
for peer in peers:
    peer.send(b"HELLO")
all_of(peers, selectors.EVENT_READ, is_answered)
say("answered")
for peer in peers:
    peer.close()
say("closed")
"""


class Server(threading.Thread):
    """Answers everybody in lower case, all in one thread."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listening.getsockname()[1]
        self.open = self.most = 0

    def run(self):
        poller = selectors.EpollSelector()
        poller.register(self.listening, selectors.EVENT_READ)
        while True:
            for key, _ in poller.select():
                if key.fileobj is self.listening:
                    peer, _ = self.listening.accept()
                    poller.register(peer, selectors.EVENT_READ)
                    self.open += 1
                    self.most = max(self.most, self.open)
                elif words := key.fileobj.recv(4096):
                    key.fileobj.send(words.lower())
                else:
                    poller.unregister(key.fileobj)
                    key.fileobj.close()
                    self.open -= 1


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Crowd(unittest.TestCase):
    def check_crowd(self, backend):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        # With own-tcp each has two of estab's descriptors; as many as there may be.
        crowd = CROWD if backend != "own-tcp" else min(CROWD, (most - 300) // 2)
        server = Server()
        server.start()
        words = [ESTAB, "run", "-q", "--backend", backend, "--host-loopback", "--", sys.executable, "-c", CLIENT,
                 "10.77.0.1", str(server.port), str(crowd)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            def expect(word):
                self.assertEqual(process.stdout.readline(), word + "\n")
                return resident(process.pid)

            def go_on():
                process.stdin.write("\n")
                process.stdin.flush()

            before, alone = expect("ready"), descriptors(process.pid)
            go_on()
            standing = expect("stand")
            self.assertGreaterEqual(descriptors(process.pid), crowd)
            go_on()
            answered = expect("answered")
            self.assertEqual(server.most, crowd)
            go_on()
            expect("closed")
            go_on()
            self.assertEqual(process.wait(60), 0)
        print(f"{backend}, {crowd}: {(standing - before) // crowd} octets for one that stands, "
              f"{(answered - before) // crowd} after an answer, {alone} descriptors without any", file=sys.stderr)
        self.assertLess(standing - before, crowd * BYTES_EACH[backend])
        self.assertLess(answered - before, crowd * BYTES_EACH[backend])

    def test_each_backend(self):
        for backend in BACKENDS:
            with self.subTest(backend):
                self.check_crowd(backend)


if __name__ == "__main__":
    ESTAB = sys.argv.pop(1)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(limit[1], DESCRIPTORS) if os.geteuid() == 0 else limit[1]
    if most < DESCRIPTORS:
        print(f"skipped: {most} descriptors are not enough", file=sys.stderr)
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    BACKENDS = [b for b in ("tun", "veth", "own-tcp") if private_network.probe(ESTAB, b).returncode == 0]
    if not BACKENDS:
        print("skipped: no backend works", file=sys.stderr)
        sys.exit(77)
    unittest.main()

"""The rules of estab run: what is allowed works, and escapes.py finds no way past them.

The host's side is a network namespace with nothing but loopback, so that nothing could leave this machine if a rule
failed. Ends with 77 where no private network can be had.
"""
import contextlib
import json
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ESTAB = ""
FOLDER = ""
ADDRESSES = ["192.0.2.1/32", "192.0.2.2/32", "192.0.2.53/32", "169.254.169.254/32", "2001:db8::1/128",
             "2001:db8::2/128"]
NAMES = {"ok.test": "192.0.2.1", "evil.test": "192.0.2.2", "rebind.test": "169.254.169.254"}
RULES = ["--deny-all", "--allow", "ok.test:8080", "--allow", "ok.test:443", "--allow", "rebind.test"]


def prepare(folder):
    for words in (["link", "set", "lo", "up"], *(["addr", "add", a, "dev", "lo"] for a in ADDRESSES)):
        subprocess.run(["ip", *words], check=True)
    for name, text in (("resolv.conf", "nameserver 192.0.2.53\n"), ("hosts", "127.0.0.1 localhost\n")):
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


class Host:
    """Everything that can be reached on the host's side, and what has been heard there."""

    def __init__(self):
        self.heard, self.asked = [], []
        self.sockets = {}
        for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for port in (22, 53, 80, 8080, 8081):
                self.add(f"tcp {port}", family, socket.SOCK_STREAM, (any_address, port)).listen(50)
            for port in (9999, 443):
                self.add(f"udp {port}", family, socket.SOCK_DGRAM, (any_address, port))
        self.add("dns", socket.AF_INET, socket.SOCK_DGRAM, ("0.0.0.0", 53))
        self.add("abstract", socket.AF_UNIX, socket.SOCK_STREAM, "\0estab-escape").listen(5)
        with contextlib.suppress(OSError):
            self.sockets[socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)] = "icmp"
        threading.Thread(target=self.serve, daemon=True).start()

    def add(self, name, family, kind, address):
        s = socket.socket(family, kind)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1) if kind == socket.SOCK_STREAM else None
        s.bind(address)
        self.sockets[s] = name
        return s

    def serve(self):
        while True:
            for s in select.select(list(self.sockets), [], [])[0]:
                name = self.sockets[s]
                if name == "dns":
                    self.answer(s)
                elif name == "icmp":
                    packet = s.recv(2000)
                    if b"escaped" in packet and packet[20] == 8:
                        self.heard.append((name, b"escaped"))
                elif name.startswith("udp"):
                    data, peer = s.recvfrom(2000)
                    self.heard.append((name, data))
                    s.sendto(b"heard", peer)
                else:
                    threading.Thread(target=self.talk, args=(name, s.accept()[0]), daemon=True).start()

    def talk(self, name, peer):
        with peer, contextlib.suppress(OSError):
            peer.settimeout(20)
            data = peer.recv(2000)
            if data:
                self.heard.append((name, data))
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def answer(self, s):
        message, peer = s.recvfrom(2000)
        labels, at = [], 12
        while at < len(message) and message[at]:
            labels.append(message[at + 1:at + 1 + message[at]].decode(errors="replace"))
            at += 1 + message[at]
        name, kind = ".".join(labels), message[at + 2:at + 3]
        self.asked.append(name)
        address = NAMES.get(name)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address or "0.0.0.0")
        has_it = address and kind == b"\1"
        header = message[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if has_it else 0, 0, 0)
        s.sendto(header + message[12:at + 5] + (record if has_it else b""), peer)


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = Host()

    def escape(self, *rules):
        """What the command says of its ways, by name."""
        self.host.heard.clear()
        self.host.asked.clear()
        with socket.create_connection(("192.0.2.2", 8081)) as inherited:
            done = subprocess.run([ESTAB, "run", "-q", *rules, "--", "/usr/bin/python3", "-B", str(HERE / "escapes.py")],
                                  capture_output=True, text=True, timeout=120, pass_fds=[inherited.fileno()])
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split("\t", 1) for line in done.stdout.splitlines())

    def test_no_way_out(self):
        log = pathlib.Path(FOLDER) / "egress.jsonl"
        said = self.escape(*RULES, "--log", str(log))
        self.assertIn("200 OK", said.pop("allowed", ""))
        self.assertGreaterEqual(len(said), 30)
        self.assertEqual({k: v for k, v in said.items() if v.startswith("OUT")}, {})
        self.assertEqual([h for h in self.host.heard if not (h[0] == "tcp 8080" and b"Host: ok.test\r\n\r\n" in h[1])],
                         [])
        self.assertEqual(set(self.host.asked), {"ok.test", "rebind.test"})
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertTrue(all(line["schema"] == "estab.egress/1" for line in lines))
        allowed = [line for line in lines if line["what"] == "connection" and line["verdict"] == "allowed"]
        self.assertEqual([(l["to"], l["names"], l["why"], l["up_bytes"] > 0, l["down_bytes"] > 0) for l in allowed
                          if l["transport"] == "tcp"],
                         [("192.0.2.1:8080", ["ok.test"], "allow ok.test:8080", True, True)])
        denied = {line["to"] for line in lines if line["what"] == "connection" and line["verdict"] == "denied"}
        self.assertLessEqual({"192.0.2.1:8081", "192.0.2.2:8080", "[2001:db8::2]:8080", "169.254.169.254:80",
                              "10.77.0.1:8080", "192.0.2.53:53"}, denied)
        self.assertIn(("secret.evil.test", "denied"), {(l["name"], l["verdict"]) for l in lines if l["what"] == "query"})

    def test_without_rules_many_ways_lead_out(self):
        """Otherwise the test above would show nothing."""
        said = self.escape("--host-loopback")
        out = {name for name, what in said.items() if what.startswith("OUT")}
        self.assertLessEqual({"another port", "an address", "an address, IPv6", "another name", "a tunnel by TXT",
                              "another name server", "host loopback, gateway", "UDP", "io_uring", "the host in HTTP",
                              "the name in TLS", "an inherited descriptor"} - {"a tunnel by TXT"}, out, said)
        self.assertIn("tcp 8081", {name for name, _ in self.host.heard})

    def test_a_denied_name_and_network(self):
        said = self.escape("--deny", "evil.test", "--deny", "192.0.2.0/24:22", "--deny", "2001:db8::/32")
        for way in ("another name", "an address, IPv6", "the host's address, ssh", "the host in HTTP",
                    "the name in TLS"):
            self.assertTrue(said[way].startswith("no:"), (way, said[way]))
        for way in ("another port", "UDP"):
            self.assertTrue(said[way].startswith("OUT"), (way, said[way]))

    def test_what_is_no_rule_is_told(self):
        for rule in ("a b", "host:99999", "1.2.3"):
            done = subprocess.run([ESTAB, "run", "--allow", rule, "--", "true"], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertIn(rule, done.stderr)


def main():
    global ESTAB, FOLDER
    ESTAB = os.path.abspath(sys.argv[1])
    if not os.environ.get("ESTAB_TEST_INSIDE"):
        probe = subprocess.run([ESTAB, "run", "-q", "--deny-all", "--", "true"], capture_output=True, text=True)
        inside = subprocess.run(["unshare", "-Urnm", "true"], capture_output=True, text=True)
        if probe.returncode != 0 or inside.returncode != 0:
            print(f"skipped: {(probe.stderr + inside.stderr).strip()}")
            sys.exit(77)
        os.execvpe("unshare", ["unshare", "-Urnm", sys.executable, *sys.argv], {**os.environ, "ESTAB_TEST_INSIDE": "1"})
    sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = folder
        prepare(pathlib.Path(folder))
        sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()

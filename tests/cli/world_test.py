"""estab run --world: unmodified programs among the hosts of a simulated network, in real time.

Ends with 77 where system calls cannot be answered.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ESTAB = ""
NOBODY = 65534
WORLD = """
rtt = "20ms"
[link]
rate = "20mbit"
queue = "1bdp"

[[host]]
name = "api.example.com"
path = "delay=10ms"
[[host.serve]]
bytes = 500000
[[host.serve]]
app = "echo"

[[host]]
name = "slow.example.com"
[[host.serve]]
pause = "300ms"
status = 503

[[host]]
name = "laptop"
"""
ASK = """
import http.client, sys
c = http.client.HTTPConnection(sys.argv[1], timeout=20)
c.request("GET", sys.argv[2])
a = c.getresponse()
print(a.status, len(a.read()), c.sock.getpeername()[0])
"""


def users():
    return [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]


def python(program, *words):
    return ["/usr/bin/python3", "-c", program, *map(str, words)]


class World(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.folder.chmod(0o777)
        cls.file = cls.folder / "world.toml"
        cls.file.write_text(WORLD)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def run_in(self, *words, command, user=None, world=None):
        as_user = {"user": user, "group": user, "extra_groups": []} if user and os.geteuid() == 0 else {}
        return subprocess.run([ESTAB, "run", "--world", world or self.file, *map(str, words), "--", *command],
                              capture_output=True, text=True, timeout=60, cwd="/", **as_user)

    def test_hosts_have_names_and_servers(self):
        for user in users():
            with self.subTest(user=user):
                done = self.run_in("-q", user=user, command=python(ASK, "api.example.com", "/"))
                self.assertRegex(done.stdout, r"^200 500000 (10\.0\.0\.1|fd00::1)\n$", done.stderr)
        done = self.run_in("-q", command=python(ASK, "slow.example.com", "/7"))
        self.assertRegex(done.stdout, r"^503 7 ", done.stderr)

    @unittest.skipIf(shutil.which("curl") is None, "not installed: curl")
    def test_curl_uploads_and_the_link_is_the_worlds(self):
        data = self.folder / "data"
        data.write_bytes(b"x" * 100_000)
        done = self.run_in("-q", command=["curl", "-sS", "-T", data, "http://api.example.com/"])
        self.assertEqual(done.stdout, "100000 octets came\n", done.stderr)
        done = self.run_in("-q", command=["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}",
                                          "http://api.example.com/2000000"])
        # 16 Mbit at 20 Mbit/s take 0.8 s, and there is no other way.
        self.assertGreater(float(done.stdout), 0.8, done.stderr)

    def test_echo_and_what_is_not_there(self):
        done = self.run_in("-q", command=python("""
import socket
s = socket.create_connection(("10.0.0.1", 7), timeout=20)
s.sendall(b"x" * 100_000); s.shutdown(socket.SHUT_WR)
print(len(b"".join(iter(lambda: s.recv(65536), b""))), s.getsockname()[0])
for where in (("10.0.0.1", 81), ("10.0.0.77", 80), ("192.0.2.1", 80)):
    try: socket.create_connection(where, timeout=20); print("there")
    except OSError as e: print(e.errno)
try: socket.getaddrinfo("nobody.example.com", 80); print("found")
except socket.gaierror: print("no such name")
"""))
        self.assertEqual(done.stdout, "100000 10.0.0.3\n111\n101\n101\nno such name\n", done.stderr)

    def test_what_is_recorded_and_told(self):
        told, capture, page = (self.folder / n for n in ("run.json", "out.pcapng", "page.html"))
        done = self.run_in("--json", told, "--pcap", capture, "--report", page, "--seed", 5, "--loss", "2%",
                           command=python(ASK, "10.0.0.1", "/3000000"))
        self.assertEqual(done.stdout, "200 3000000 10.0.0.1\n", done.stderr)
        self.assertRegex(done.stderr, r"own-tcp, CMD is the host laptop\n")
        self.assertRegex(done.stderr, r"10\.0\.0\.1:80: \d+\.\d s, 3\.0 MB down")
        run = json.loads(told.read_text())
        self.assertEqual([(c["to"], c["names"], c["ending"]) for c in run["connections"]],
                         [("10.0.0.1:80", ["api.example.com"], "closed")])
        self.assertGreater(run["connections"][0]["down_bytes"], 3_000_000)
        self.assertEqual(run["totals"]["connections"], 1)
        self.assertGreater(run["link"]["down"]["lost"], 0)
        analysis = subprocess.run([ESTAB, "analyze", capture], capture_output=True, text=True)
        self.assertRegex(analysis.stdout, r"10\.0\.0\.3.*10\.0\.0\.1")
        self.assertTrue(page.read_text().rstrip().endswith("</html>"))

    def test_flows_of_the_world_run_meanwhile(self):
        world = self.folder / "busy.toml"
        world.write_text(WORLD + "[[flow]]\ncount = 3\n")
        alone = self.run_in("-q", command=["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}",
                                           "http://api.example.com/1000000"])
        beside = self.run_in("-q", world=world, command=["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}",
                                                         "http://api.example.com/1000000"])
        self.assertGreater(float(beside.stdout), 1.3 * float(alone.stdout))

    def test_a_reset_by_events(self):
        done = self.run_in("-q", "--events", "at 300ms rst", command=python("""
import socket
s = socket.create_connection(("10.0.0.1", 7), timeout=20)
try: s.recv(1)
except ConnectionResetError: print("reset")
"""))
        self.assertEqual(done.stdout, "reset\n", done.stderr)

    def test_cmd_is_a_host_of_the_file_or_one_more(self):
        address = python("import socket; s = socket.create_connection(('10.0.0.1', 7), timeout=20); "
                         "print(s.getsockname()[0])")
        self.assertEqual(self.run_in("-q", "--as", "laptop", command=address).stdout, "10.0.0.3\n")
        world = self.folder / "servers.toml"
        world.write_text(WORLD.split('[[host]]\nname = "laptop"')[0])
        self.assertEqual(self.run_in("-q", world=world, command=address).stdout, "10.0.0.3\n")
        for words, what in ((["--as", "lapto"], "no host 'lapto'; did you mean laptop\?"),
                            (["--as", "api.example.com"], "is a server"), (["--publish", "80"], "--publish does not"),
                            (["--host-loopback"], "--host-loopback does not"), (["--deny-all"], "private network")):
            done = self.run_in(*words, command=["true"])
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertRegex(done.stderr, what)

    def test_what_is_wrong_in_the_file_is_told_with_its_place(self):
        for text, what in (('[[host]]\nside = "left"', r":1:1: a host has a name"),
                           ('[[host]]\nname = "a b"', r":2:8: a name is of"),
                           ('[[host]]\nname = "a"\nside = "left"', r":3:8: 'side' is"),
                           ('[[host]]\nname = "a"\n[[host]]\nname = "a"', r":4:8: there is one"),
                           ('[[host]]\nname = "a"\npath = "loss=2"', r":3:8: "),
                           ('[[host]]\nname = "a"\n[[host.serve]]\napp = "ftp"', r":4:7: 'ftp' is none of http"),
                           ('[[host]]\nname = "a"\n[[host.serve]]\n[[host.serve]]', r"port 80 is served already")):
            world = self.folder / "wrong.toml"
            world.write_text(text)
            done = self.run_in(world=world, command=["true"])
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
            self.assertRegex(done.stderr, what)
        self.assertEqual(self.run_in(world="/nonexistent", command=["true"]).returncode, 2)


def main():
    global ESTAB
    ESTAB = os.path.abspath(sys.argv.pop(1))
    probe = subprocess.run([ESTAB, "run", "-q", "--own-tcp", "--", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        print(f"skipped: {probe.stderr.strip()}")
        sys.exit(77)
    unittest.main()


if __name__ == "__main__":
    main()

"""estab serve, met by the kernel's TCP in a private network. Ends with 77 where none can be had."""
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

INSIDE = "--inside"
HOSTS = ("10.77.0.2", "fd77::2")


def request(method, target, headers=None, host=HOSTS[0]):
    connection = http.client.HTTPConnection(host, 80, timeout=30)
    connection.request(method, target, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read(), dict(answer.getheaders())


def raw(octets):
    with socket.create_connection((HOSTS[0], 80), timeout=30) as peer:
        peer.sendall(octets)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while part := peer.recv(65536):
            answer += part
    return answer


class Inside(unittest.TestCase):
    """Runs as the CMD of `estab serve`, in the folder that is served."""

    def test_files_of_every_size(self):
        for host in HOSTS:
            for name in ("empty", "one", "64k", "10m"):
                status, body, headers = request("GET", f"/{name}", host=host)
                self.assertEqual(status, 200)
                self.assertEqual(body, pathlib.Path(name).read_bytes(), name)

    def test_head(self):
        status, body, headers = request("HEAD", "/64k")
        self.assertEqual((status, body, headers["Content-Length"]), (200, b"", "65536"))

    def test_ranges(self):
        data = pathlib.Path("64k").read_bytes()
        for text, part in (("0-0", data[:1]), ("100-199", data[100:200]), ("-5", data[-5:]), ("65535-", data[-1:])):
            status, body, headers = request("GET", "/64k", {"Range": f"bytes={text}"})
            self.assertEqual((status, body), (206, part), text)
        status, _, headers = request("GET", "/64k", {"Range": "bytes=65536-"})
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */65536"))
        status, body, headers = request("GET", "/64k", {"Range": "bytes=0-9,20-29"})
        self.assertEqual(status, 206)
        self.assertTrue(headers["Content-Type"].startswith("multipart/byteranges"))
        self.assertIn(data[20:30], body)
        self.assertEqual(request("GET", "/64k", {"Range": "bytes=x"})[0], 200)

    def test_conditions(self):
        _, _, headers = request("GET", "/64k")
        self.assertEqual(request("GET", "/64k", {"If-None-Match": headers["ETag"]})[0], 304)
        self.assertEqual(request("GET", "/64k", {"If-Modified-Since": headers["Last-Modified"]})[0], 304)
        self.assertEqual(request("GET", "/64k", {"If-None-Match": '"x"'})[0], 200)
        self.assertEqual(request("GET", "/64k", {"Range": "bytes=0-1", "If-Range": '"x"'})[0], 200)

    def test_folders(self):
        status, body, _ = request("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn(b"&lt;b&gt; &amp; c", body)
        self.assertEqual(request("GET", "/%3Cb%3E%20&%20c")[1], b"odd")
        status, _, headers = request("GET", "/sub")
        self.assertEqual((status, headers["Location"]), (301, "/sub/"))
        self.assertEqual(request("GET", "/sub/")[1], b"<p>index")

    def test_nothing_outside(self):
        for target in ("/../secret", "/sub/../../secret", "/%2e%2e/secret", "/link", "/absolute"):
            self.assertEqual(request("GET", target)[0], 404, target)

    def test_refusals(self):
        self.assertEqual(request("GET", "/none")[0], 404)
        self.assertEqual(request("GET", "/a%zz")[0], 400)
        self.assertEqual(request("GET", "/a%00")[0], 400)
        self.assertEqual(request("DELETE", "/one")[0], 405)
        self.assertIn(b" 413 ", raw(b"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")[:20])
        self.assertIn(b" 505 ", raw(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n")[:20])
        self.assertIn(b" 400 ", raw(b"nonsense\r\n\r\n")[:20])
        self.assertIn(b" 400 ", raw(b"GET /one HTTP/1.1\r\n\r\n")[:20])
        self.assertIn(b" 431 ", raw(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n")[:20])

    def test_a_connection_serves_many(self):
        connection = http.client.HTTPConnection(HOSTS[0], 80, timeout=30)
        for _ in range(50):
            connection.request("GET", "/one")
            self.assertEqual(connection.getresponse().read(), b"1")
        connection.close()
        self.assertEqual(raw(b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n" * 3).count(b"200 OK"), 3)

    def test_many_connections(self):
        peers = [socket.create_connection((HOSTS[0], 80), timeout=60) for _ in range(1000)]
        for peer in peers:
            peer.sendall(b"GET /64k HTTP/1.0\r\n\r\n")
        wanted = pathlib.Path("64k").read_bytes()
        for peer in peers:
            answer = b""
            while part := peer.recv(65536):
                answer += part
            self.assertTrue(answer.endswith(wanted))
            peer.close()


def prepare(folder):
    folder.mkdir()
    for name, size in (("empty", 0), ("64k", 65536), ("10m", 10 << 20)):
        (folder / name).write_bytes(os.urandom(size))
    (folder / "one").write_bytes(b"1")
    (folder / "<b> & c").write_bytes(b"odd")
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_bytes(b"<p>index")
    (folder.parent / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to("../secret")
    (folder / "absolute").symlink_to("/etc/passwd")


class Outside(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name, "www")
        prepare(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def serve(self, *words, options=(), env=None):
        return subprocess.run([ESTAB, "serve", ".", *options, "--", *words], cwd=self.folder, timeout=250,
                              capture_output=True, text=True, env=env)

    def test_http(self):
        run = self.serve(sys.executable, "-B", os.path.abspath(__file__), ESTAB, INSIDE)
        self.assertEqual(run.returncode, 0, run.stderr[-4000:])

    def test_a_bad_path(self):
        run = self.serve(sys.executable, "-c",
                         "import urllib.request as u; print(len(u.urlopen('http://10.77.0.2/64k').read()))",
                         options=("--impair", "loss=2%,delay=2ms,reorder=2%,duplicate=1%,corrupt=0.5%,seed=5"))
        self.assertEqual((run.returncode, run.stdout), (0, "65536\n"), run.stderr[-2000:])

    def test_the_status_is_the_commands(self):
        self.assertEqual(self.serve("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(self.serve("sh", "-c", "kill -9 $$").returncode, 137)
        self.assertEqual(self.serve("no-such-program").returncode, 127)
        self.assertEqual(self.serve("/dev/null").returncode, 126)

    def test_shards(self):
        fetch = ("import concurrent.futures as c, hashlib, sys, urllib.request as u\n"
                 "get = lambda name: hashlib.sha256(u.urlopen('http://10.77.0.2/' + name, timeout=60).read()).hexdigest()\n"
                 "print(*set(c.ThreadPoolExecutor(8).map(get, ['10m'] * 24)))\n")
        run = self.serve(sys.executable, "-c", fetch, options=("--shards", "3", "--backend", "tun", "-v"))
        if "TUN" in run.stderr and run.returncode == 125:
            self.skipTest(run.stderr)
        self.assertEqual(run.returncode, 0, run.stderr[-2000:])
        wanted = hashlib.sha256((self.folder / "10m").read_bytes()).hexdigest()
        self.assertEqual(run.stdout.split(), [wanted])
        self.assertIn("netns+tun with 3 queues", run.stderr)
        self.assertEqual(run.stderr.count('"GET /10m" 200'), 24)

    def test_ss_sees_every_shard(self):
        look = ("import json, socket, subprocess, sys, time\n"
                "held = [socket.create_connection(('10.77.0.2', 80), timeout=60) for _ in range(24)]\n"
                "for _ in range(100):\n"
                "    text = subprocess.run([sys.argv[1], 'ss', '-a', '--json'], capture_output=True, check=True).stdout\n"
                "    [command] = json.loads(text)['commands']\n"
                "    states = [row['state'] for row in command['sockets']]\n"
                "    if states.count('ESTABLISHED') == 24: break\n"
                "    time.sleep(0.05)\n"
                "print(states.count('LISTEN'), states.count('ESTABLISHED'), command['counters']['TcpPassiveOpens'])\n")
        run = self.serve(sys.executable, "-c", look, ESTAB, options=("--shards", "3", "--backend", "tun"),
                         env={**os.environ, "XDG_RUNTIME_DIR": str(self.folder)})  # no other estab's sockets
        if "TUN" in run.stderr and run.returncode == 125:
            self.skipTest(run.stderr)
        self.assertEqual((run.returncode, run.stdout), (0, "3 24 24\n"), run.stderr[-2000:])

    def test_a_file_that_shrinks_ends_the_connection_and_not_the_server(self):
        script = ("import os, socket, urllib.request as u\n"
                  "peer = socket.create_connection(('10.77.0.2', 80), timeout=60)\n"
                  "peer.sendall(b'GET /shrinking HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')\n"
                  "got = len(peer.recv(1000))\n"
                  "os.truncate('shrinking', 100_000)\n"
                  "try:\n"
                  "    while part := peer.recv(1 << 20): got += len(part)\n"
                  "except ConnectionResetError: pass\n"
                  "assert got < 200_000_000, got\n"
                  "print(len(u.urlopen('http://10.77.0.2/64k', timeout=60).read()))\n")
        for backend in ("tun", "veth"):
            with open(self.folder / "shrinking", "wb") as file:
                file.truncate(200_000_000)
            run = self.serve(sys.executable, "-c", script, options=("--backend", backend))
            if run.returncode == 125:
                self.skipTest(run.stderr)
            self.assertEqual((run.returncode, run.stdout), (0, "65536\n"), run.stderr[-2000:])

    def test_what_does_not_go_together(self):
        for options, why in ((("--shards", "0"), "between 1 and 32"), (("--shards", "33"), "between 1 and 32"),
                             (("--shards", "2", "--backend", "veth"), "queues of a TUN"),
                             (("--shards", "2", "--trace"), "for one shard"),
                             (("--shards", "2", "--impair", "loss=1%"), "for one shard"),
                             (("--spin", "1000001"), "more than a second"),
                             (("--gateway", "10.0.0.1"), "need --tun"), (("--xdp", "eth0"), "need --addr"),
                             (("--xdp", "eth0", "--tun", "x", "--addr", "10.0.0.1/8"), "exclude each other"),
                             (("--xdp", "eth0:x", "--addr", "10.0.0.1/8"), "INTERFACE:QUEUE"),
                             (("--xdp", "eth0", "--mtu", "1400", "--addr", "10.0.0.1/8"), "as it is"),
                             (("--tun", "x", "--addr", "10.0.0.1/8", "--gateway", "y"), "is not an address")):
            words = [ESTAB, "serve", ".", *options, *(["--", "true"] if "--addr" not in options else [])]
            run = subprocess.run(words, cwd=self.folder, timeout=60, capture_output=True, text=True)
            self.assertEqual(run.returncode, 2, (options, run.stderr))
            self.assertIn(why, run.stderr, options)

    @unittest.skipIf(os.geteuid() != 0, "AF_XDP and named network namespaces need root")
    def test_xdp(self):
        facts = json.loads(subprocess.run([ESTAB, "doctor", "--json"], capture_output=True).stdout)["facts"]
        xdp = next(fact for fact in facts if fact["name"] == "AF_XDP")
        if not (xdp["ok"] and shutil.which("ip") and shutil.which("ethtool")):
            self.skipTest(xdp["found"])
        near, far = f"xdp{os.getpid()}a", f"xdp{os.getpid()}b"
        ip = lambda *words: subprocess.run(["ip", *words], check=True)
        server = None
        try:
            for name in (near, far):
                ip("netns", "add", name)
            ip("-n", near, "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", far)
            ip("-n", near, "addr", "add", "10.9.0.1/24", "dev", "va")
            ip("-n", near, "link", "set", "va", "up")
            ip("-n", far, "link", "set", "vb", "up")
            subprocess.run(["ip", "netns", "exec", near, "ethtool", "-K", "va", "tx", "off"], check=True,
                           capture_output=True)
            server = subprocess.Popen(["ip", "netns", "exec", far, ESTAB, "serve", ".", "--xdp", "vb:0", "--addr",
                                       "10.9.0.2/24", "--gateway", "10.9.0.1"], cwd=self.folder,
                                      stderr=subprocess.PIPE, text=True)
            self.assertIn("AF_XDP on vb, copied", server.stderr.readline())
            get = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen('http://10.9.0.2/10m').read())"
            got = subprocess.run(["ip", "netns", "exec", near, sys.executable, "-c", get], capture_output=True,
                                 timeout=60)
            self.assertEqual(got.returncode, 0, got.stderr[-2000:])
            self.assertTrue(got.stdout == (self.folder / "10m").read_bytes())
            server.terminate()
            self.assertEqual(server.wait(timeout=10), 0)
        finally:
            if server:
                server.kill()
                server.communicate()
            for name in (near, far):
                subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)

    def test_records(self):
        run = self.serve("wget", "--no-config", "--no-proxy", "-q", "-O", "/dev/null", "http://10.77.0.2/64k",
                         options=("--pcap", "run.pcapng", "--events", "run.jsonl", "--trace=run.txt", "-v"))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn('"GET /64k" 200', run.stderr)
        self.assertIn("Flags [S.]", (self.folder / "run.txt").read_text())
        lines = (self.folder / "run.jsonl").read_text().splitlines()
        self.assertEqual(json.loads(lines[0])["schema"], "estab.events/1")
        self.assertIn("state", {json.loads(line).get("event") for line in lines[1:]})
        if shutil.which("tcpdump"):
            text = subprocess.run(["tcpdump", "-nn", "-r", "run.pcapng", "tcp"], cwd=self.folder,
                                  capture_output=True, text=True).stdout
            self.assertIn("10.77.0.2.80: Flags [S]", text)


if __name__ == "__main__":
    ESTAB = sys.argv.pop(1)
    if INSIDE in sys.argv:
        sys.argv.remove(INSIDE)
        unittest.main(defaultTest="Inside")
    if json.loads(subprocess.run([ESTAB, "doctor", "--json"], capture_output=True).stdout)["backend"] not in (
            "tun", "veth"):
        print("skipped: no private network can be made here; estab doctor says why")
        sys.exit(77)
    unittest.main(defaultTest="Outside")

"""estab run: the programs that people have, unmodified, in each backend, by IPv4 and IPv6, byte for byte.

    programs_test.py ESTAB [--iperf N] [--backends NAME,…] [unittest's words]

Servers run on the host's loopback, which a program inside reaches as 10.77.0.1 and fd77::1. As root everything is
done again as an ordinary user. A program that is not installed is skipped, and said so. Ends with 77 where no private
network can be had. --iperf N: also N runs of iperf3 in a row in each backend, of which each must end well.
"""
import argparse
import contextlib
import functools
import hashlib
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ESTAB = ""
IPERF_RUNS = 0
BACKENDS = ["tun", "veth", "own-tcp"]
ORDINARY = 65534
GATEWAYS = {socket.AF_INET: "10.77.0.1", socket.AF_INET6: "fd77::1"}
LOOPBACKS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


class Way:
    """Who runs it, and over which backend."""

    def __init__(self, backend, user):
        self.backend, self.user = backend, user
        self.name = f"{backend} as {'uid ' + str(user) if user is not None else 'uid ' + str(os.geteuid())}"

    def options(self):
        if self.user is None:
            return {}
        return {"user": self.user, "group": self.user, "extra_groups": []}

    def words(self, *options, command):
        return [ESTAB, "run", "-q", "--backend", self.backend, "--host-loopback", *options, "--", *map(str, command)]

    def run(self, *options, command, timeout=60, **more):
        return subprocess.run(self.words(*options, command=command), capture_output=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, env=environment(), **self.options(), **more)


@functools.cache
def environment():
    return {**os.environ, "HOME": str(FOLDER), "XDG_RUNTIME_DIR": str(FOLDER / "runtime"), "LC_ALL": "C",
            "GOCACHE": str(FOLDER / "go"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}


def ways():
    users = [None, ORDINARY] if os.geteuid() == 0 else [None]
    found = []
    for user in users:
        for backend in BACKENDS:
            way = Way(backend, user)
            if way.run(command=["true"]).returncode == 0:
                found.append(way)
    return found


def needs(*programs):
    missing = [p for p in programs if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


def program(name):
    return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")


def free_port(family=socket.AF_INET):
    with socket.socket(family) as s:
        s.bind((LOOPBACKS[family], 0))
        return s.getsockname()[1]


def wait_for_port(port, family=socket.AF_INET):
    for _ in range(200):
        with socket.socket(family) as s:
            if s.connect_ex((LOOPBACKS[family], port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def wait_until_listening(port):
    """Of a server that serves whoever asks, and ends: so it is not asked."""
    wanted = f":{port:04X}"
    for _ in range(2000):
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for line in pathlib.Path(table).read_text().splitlines():
                words = line.split()
                if words[1].endswith(wanted) and words[3] == "0A":
                    return
        time.sleep(0.01)
    raise TimeoutError(f"nobody listens on port {port}")


@contextlib.contextmanager
def serving(words, port, family=socket.AF_INET, **options):
    """A server of the host's, until the block ends."""
    process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, env=environment(), **options)
    try:
        wait_for_port(port, family)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=str(FOLDER / "www"))

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = hashlib.sha256(body).hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def files(family=socket.AF_INET):
    class Server(http.server.ThreadingHTTPServer):
        address_family = family
        daemon_threads = True
        request_queue_size = 128

    with Server((LOOPBACKS[family], 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def url(family, port, path="/data"):
    host = GATEWAYS[family]
    return f"http://{'[' + host + ']' if family == socket.AF_INET6 else host}:{port}{path}"


GO = """package main
import ("crypto/sha256"; "fmt"; "io"; "net/http"; "os")
func main() {
    got, err := http.Get(os.Args[1])
    if err != nil { fmt.Println(err); os.Exit(1) }
    digest := sha256.New()
    io.Copy(digest, got.Body)
    fmt.Printf("%x\\n", digest.Sum(nil))
}
"""
PYTHON_GET = "import hashlib, sys, urllib.request; " \
    "print(hashlib.sha256(urllib.request.urlopen(sys.argv[1]).read()).hexdigest())"
NODE_GET = "require('http').get(process.argv[1], got => { const sum = require('crypto').createHash('sha256');" \
    "got.on('data', part => sum.update(part)).on('end', () => console.log(sum.digest('hex'))) })"


class Matrix(unittest.TestCase):
    def each(self, families=(socket.AF_INET, socket.AF_INET6)):
        for way in WAYS:
            for family in families:
                with self.subTest(way=way.name, family=family.name):
                    yield way, family

    def is_done(self, done):
        self.assertEqual(done.returncode, 0, (done.stdout[-500:], done.stderr[-500:]))
        return done.stdout

    def downloads(self, *command):
        """`command` followed by an URL prints the file, or its digest."""
        for way, family in self.each():
            with files(family) as port:
                out = self.is_done(way.run("--delay", "1ms", command=[*command, url(family, port)]))
                self.assertIn(DIGEST, (hashlib.sha256(out).hexdigest(), out.decode(errors="replace").strip()))

    @needs("curl")
    def test_curl(self):
        self.downloads("curl", "-sS")

    @needs("curl")
    def test_curl_uploads(self):
        for way, family in self.each():
            with files(family) as port:
                out = self.is_done(way.run("--loss", "0.5%", command=[
                    "curl", "-sS", "-T", FOLDER / "www" / "data", url(family, port, "/up")]))
                self.assertEqual(out.decode(), DIGEST)

    @needs("wget")
    def test_wget(self):
        self.downloads("wget", "-q", "-O", "-")

    def test_python(self):
        self.downloads(PYTHON, "-c", PYTHON_GET)

    @needs("node")
    def test_node(self):
        self.downloads("node", "-e", NODE_GET)

    @needs("busybox")
    def test_static_busybox(self):
        self.downloads("busybox", "wget", "-q", "-O", "-")

    @needs("go")
    def test_a_static_go_program(self):
        (FOLDER / "get.go").write_text(GO)
        built = FOLDER / "go_get"
        subprocess.run(["go", "build", "-o", built, FOLDER / "get.go"], check=True, timeout=240,
                       env={**environment(), "CGO_ENABLED": "0"})
        self.downloads(built)

    @needs("git")
    def test_git_over_http(self):
        origin = FOLDER / "www" / "origin.git"
        git = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True, env={
            **environment(), "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"})
        if not origin.exists():
            work = FOLDER / "work"
            git("init", "-q", str(work))
            shutil.copy(FOLDER / "www" / "data", work / "data")
            git("-C", str(work), "add", "data")
            git("-C", str(work), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "data")
            git("clone", "-q", "--bare", str(work), str(origin))
            git("-C", str(origin), "update-server-info")
            open_to_all(origin)
        for number, (way, family) in enumerate(self.each()):
            with files(family) as port:
                clone = FOLDER / "anyone" / f"clone{number}"
                self.is_done(way.run(command=["git", "clone", "-q", url(family, port, "/origin.git"), clone]))
                self.assertEqual(hashlib.sha256((clone / "data").read_bytes()).hexdigest(), DIGEST)

    @needs("apt-get", "dpkg-deb")
    def test_apt_from_a_mirror(self):
        mirror = FOLDER / "www" / "debian"
        if not mirror.exists():
            make_mirror(mirror)
        for number, (way, family) in enumerate(self.each()):
            with files(family) as port:
                state = FOLDER / "anyone" / f"apt{number}"
                command = (
                    f'mkdir -p {state}/lists/partial {state}/cache/archives/partial {state}/etc && cd {state} && '
                    f'echo "deb [trusted=yes] {url(family, port, "/debian")} ./" >etc/sources.list && '
                    f'touch status && opts="-o Dir::Etc={state}/etc -o Dir::State={state} '
                    f'-o Dir::State::status={state}/status -o Dir::Cache={state}/cache -o Dir::Etc::Parts=/none '
                    f'-o APT::Sandbox::User= -o APT::Update::Post-Invoke= -o Acquire::http::Proxy=DIRECT" && '
                    f'apt-get -qq $opts update && apt-get -qq $opts download estab-sample && sha256sum *.deb')
                out = self.is_done(way.run(command=["sh", "-c", command]))
                self.assertEqual(out.split()[0].decode(), file_digest(next(mirror.glob("*.deb"))))

    @needs("redis-server", "redis-cli")
    def test_redis(self):
        for way, family in self.each():
            port = free_port(family)
            with serving(["redis-server", "--port", port, "--bind", LOOPBACKS[family], "--save", "", "--dir", FOLDER],
                         port, family):
                script = ["redis-cli", "-h", GATEWAYS[family], "-p", port]
                out = self.is_done(way.run(command=[
                    "sh", "-c", f'{" ".join(map(str, script))} -x set data <{FOLDER}/www/data && '
                                f'{" ".join(map(str, script))} --raw get data | head -c {SIZE} | sha256sum']))
                self.assertEqual(out.split()[:2], [b"OK", DIGEST.encode()])

    @needs("redis-server", "redis-cli")
    def test_a_redis_server_inside_that_the_host_asks(self):
        for way, family in self.each():
            port = free_port(family)
            host = LOOPBACKS[family]
            listen = f"[{host}]" if family == socket.AF_INET6 else host
            with serving(way.words("--publish", f"{listen}:{port}:6379", command=[
                    "redis-server", "--port", "6379", "--protected-mode", "no", "--save", "", "--dir", "/tmp"]),
                    port, family, **way.options()):
                for _ in range(100):  # the port is there before the server behind it
                    done = subprocess.run(["redis-cli", "-h", host, "-p", str(port), "incr", "n"],
                                          capture_output=True, timeout=20)
                    if done.stdout == b"1\n":
                        break
                    time.sleep(0.05)
                self.assertEqual(done.stdout, b"1\n", done.stderr)

    @needs("nginx", "wrk")
    def test_nginx_and_wrk(self):
        port, folder = free_port(), FOLDER / "nginx"
        folder.mkdir(exist_ok=True)
        (folder / "conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} http {{ access_log off; "
            + "".join(f"{name}_temp_path {folder}/{name}; " for name in
                      ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            + f"server {{ listen 127.0.0.1:{port}; listen [::1]:{port}; root {FOLDER}/www; }} }}")
        with serving([program("nginx"), "-c", folder / "conf"], port):
            for way, family in self.each():
                out = self.is_done(way.run(command=["wrk", "-t2", "-c50", "-d1s", url(family, port, "/small")]))
                self.assertIn(b"Requests/sec", out)
                self.assertNotIn(b"Socket errors", out)
                self.assertNotIn(b"Non-2xx", out)

    @needs("ssh", "sshd", "ssh-keygen")
    def test_ssh(self):
        folder = FOLDER / "ssh"
        folder.mkdir(exist_ok=True)
        if not (folder / "host").exists():
            for key in ("host", "user"):
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        pathlib.Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
        for way, family in self.each():
            keys = folder / "authorized"
            shutil.copy(folder / "user.pub", keys)
            key = FOLDER / "anyone" / "ssh_key"
            key.unlink(missing_ok=True)
            shutil.copy(folder / "user", key)
            if way.user is not None:
                os.chown(key, way.user, way.user)
            key.chmod(0o600)
            port = free_port(family)
            who = subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()
            with serving([program("sshd"), "-D", "-e", "-f", "/dev/null", "-p", port, "-h", folder / "host",
                          "-o", f"ListenAddress={LOOPBACKS[family]}", "-o", f"AuthorizedKeysFile={keys}",
                          "-o", "StrictModes=no", "-o", "UsePAM=no", "-o", "PidFile=none",
                          "-o", "PermitRootLogin=yes"], port, family):
                out = self.is_done(way.run(command=[
                    "ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-q",
                    "-i", key, "-p", port, f"{who}@{GATEWAYS[family]}", f"cat {FOLDER}/www/data"]))
                self.assertEqual(hashlib.sha256(out).hexdigest(), DIGEST)

    @needs("psql")
    def test_postgres(self):
        postgres = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not postgres:
            self.skipTest("not installed: a PostgreSQL server")
        data, port = FOLDER / "postgres", free_port()
        owner = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []} if os.geteuid() == 0 else {}
        data.mkdir(mode=0o700)
        if owner:
            os.chown(data, ORDINARY, ORDINARY)
        subprocess.run([postgres[-1].parent / "initdb", "-D", data, "-U", "me", "-A", "trust", "-N"], check=True,
                       capture_output=True, cwd=FOLDER / "anyone", env=environment(), **owner)
        with serving([postgres[-1], "-D", data, "-p", port, "-k", data, "-F", "-h", "127.0.0.1,::1"], port,
                     cwd=FOLDER / "anyone", **owner):
            for way, family in self.each():
                out = self.is_done(way.run(command=[
                    "psql", "-h", GATEWAYS[family], "-p", port, "-U", "me", "-d", "postgres", "-Atc",
                    "select md5(string_agg(md5(n::text), '')) from generate_series(1, 20000) n; "
                    "select repeat('x', 1000000)"]))
                self.assertEqual(len(out), 33 + 1_000_001)

    @needs("iperf3")
    def test_iperf3(self):
        kinds = {"up": [], "down": ["-R"], "both ways": ["--bidir"], "64 at once": ["-P", "64"],
                 "64 at once, down": ["-P", "64", "-R"], "UDP": ["-u", "-b", "50M"],
                 "UDP, down": ["-u", "-b", "50M", "-R"]}
        for way, family in self.each():
            for kind, words in kinds.items():
                if kind.startswith("UDP") and way.backend == "own-tcp":
                    continue  # it is the host's
                with self.subTest(kind=kind):
                    self.check_iperf(way, family, ["-t", "1", *words])

    def check_iperf(self, way, family, words):
        port = free_port(family)
        server = subprocess.Popen(["iperf3", "-s", "-1", "-B", LOOPBACKS[family], "-p", str(port)],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until_listening(port)
            out = self.is_done(way.run(command=["iperf3", "-J", "-c", GATEWAYS[family], "-p", port, *words]))
            end = json.loads(out)["end"]
            self.assertGreater((end.get("sum") or end["sum_received"])["bytes"], 0)
            self.assertEqual(server.wait(10), 0)
        finally:
            server.kill()
            server.wait()

    @needs("iperf3")
    def test_iperf3_again_and_again(self):
        if not IPERF_RUNS:
            self.skipTest("only with --iperf N")
        # More than all buffers hold: when the client has written less than that, and says so on its other connection,
        # the server ends without having read any of it, whatever network is between them.
        for way in WAYS:
            for number in range(IPERF_RUNS):
                with self.subTest(way=way.name, number=number):
                    self.check_iperf(way, socket.AF_INET, ["-n", "32M", *(["-R"] if number % 2 else [])])

    @needs("ping")
    def test_ping_of_the_gateway(self):
        for way, family in self.each():
            if way.backend == "own-tcp":
                continue
            out = self.is_done(way.run(command=["ping", "-c", "3", "-i", "0.2", GATEWAYS[family]]))
            self.assertIn(b" 0% packet loss", out)


def open_to_all(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def file_digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_mirror(mirror):
    """A repository of one package, flat and not signed."""
    package = FOLDER / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "usr/share/estab-sample").mkdir(parents=True)
    shutil.copy(FOLDER / "www" / "data", package / "usr/share/estab-sample/data")
    control = ("Package: estab-sample\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.com>\n"
               "Description: a sample\n")
    (package / "DEBIAN/control").write_text(control)
    mirror.mkdir()
    subprocess.run(["dpkg-deb", "-b", package, mirror / "estab-sample_1_all.deb"], check=True, capture_output=True)
    deb = mirror / "estab-sample_1_all.deb"
    (mirror / "Packages").write_text(
        f"{control}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {file_digest(deb)}\n\n")
    open_to_all(mirror)


def main():
    global ESTAB, IPERF_RUNS, FOLDER, DIGEST, SIZE, WAYS, BACKENDS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("estab", type=os.path.abspath)
    parser.add_argument("--iperf", type=int, default=0)
    parser.add_argument("--backends", default=",".join(BACKENDS))
    options, rest = parser.parse_known_args()
    IPERF_RUNS, BACKENDS = options.iperf, options.backends.split(",")
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        FOLDER.chmod(0o755)
        # One that every user may run, wherever the build is.
        ESTAB = shutil.copy(options.estab, FOLDER / "estab")
        for name in ("www", "runtime", "anyone"):
            (FOLDER / name).mkdir()
        for name in ("runtime", "anyone"):
            (FOLDER / name).chmod(0o777)
        data = random.Random(7).randbytes(2_000_000)
        (FOLDER / "www" / "data").write_bytes(data)
        (FOLDER / "www" / "small").write_bytes(data[:1000])
        DIGEST, SIZE = hashlib.sha256(data).hexdigest(), len(data)
        WAYS = ways()
        if not WAYS:
            print("skipped: no private network can be had")
            sys.exit(77)
        print("ways:", ", ".join(way.name for way in WAYS), flush=True)
        result = unittest.main(argv=[sys.argv[0], *rest], exit=False).result
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()

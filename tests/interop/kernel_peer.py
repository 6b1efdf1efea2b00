"""The kernel's side of the interop tests: runs inside the private network of interop_peer, tells it over
standard input what to do (see peer.cpp), and does the other half with the kernel's TCP.

    kernel_peer.py CASE...      each line of output is a case that passed; the first mismatch ends it with 1

A case is a name from CASES, `transfer=OCTETS[,OCTETS...]` or `parallel=CONNECTIONS`. Goodput is told, never
judged; no verdict depends on time, but PATIENCE ends what hangs.
"""
import asyncio
import concurrent.futures
import contextlib
import functools
import hashlib
import itertools
import os
import queue
import resource
import socket
import struct
import sys
import threading
import time
import traceback

ESTAB = {"IPv4": "10.77.0.2", "IPv6": "fd77::2"}
KERNEL = {"IPv4": "10.77.0.100", "IPv6": "fd77::100"}
DOMAIN = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
ROLES = ("listens", "connects")  # what estab does
PATIENCE = 900
KIB = 1024
# How estab tells an error.
REFUSED, TIMED_OUT = "connection refused", "connection timed out"


@functools.cache
def block(seed):
    """What peer.cpp's Noise makes of a seed."""
    octets = bytearray()
    for _ in range(65521):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        octets.append(seed >> 56)
    return bytes(octets)


def noise(size, seed):
    piece = block(seed)
    for offset in range(0, size, len(piece)):
        yield piece[:size - offset]


def endpoint(family, port, side=ESTAB):
    return f"[{side[family]}]:{port}" if family == "IPv6" else f"{side[family]}:{port}"


class Mismatch(Exception):
    pass


def expect(what, got, wanted):
    if got != wanted:
        raise Mismatch(f"{what}: {got!r}, not {wanted!r}")


class Estab:
    """estab's side: commands there, answers back by their tag."""

    def __init__(self):
        self.control = socket.socket(fileno=os.dup(0))
        self.answers = {}
        self.lock = threading.Lock()
        self.tags = map("t{}".format, itertools.count(1))
        self.ports = itertools.count(1000)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while message := self.control.recv(1 << 16).decode():
            tag, _, text = message.partition(" ")
            self.queue(tag).put(text)

    def queue(self, tag):
        with self.lock:
            return self.answers.setdefault(tag, queue.Queue())

    def tell(self, *words):
        self.control.send(" ".join(map(str, words)).encode())

    def answer(self, tag):
        try:
            return self.queue(tag).get(timeout=PATIENCE)
        except queue.Empty:
            raise Mismatch("estab says nothing") from None

    def expect(self, tag, wanted="ok"):
        expect("estab", self.answer(tag), wanted)

    def listen(self, script, count=1):
        tag, port = next(self.tags), next(self.ports)
        self.tell("listen", tag, port, count, script)
        self.expect(tag, "listening")
        return tag, port

    def connect(self, to, script, port=0):
        tag = next(self.tags)
        self.tell("connect", tag, to, port, script)
        return tag

    def counters(self):
        tag = next(self.tags)
        self.tell("counters", tag)
        return {name: int(value) for name, value in
                (word.split("=") for word in self.answer(tag).split())}


estab = Estab()


def kernel_counters():
    """Of this network namespace, as `nstat` names them."""
    with open("/proc/net/netstat") as file:
        names, values = (file.readline().split()[1:] for _ in range(2))
    return dict(zip(names, map(int, values)))


def wait_for(counters, name, more):
    """Until a counter has grown by so much."""
    wanted = counters().get(name, 0) + more
    end = time.monotonic() + PATIENCE
    while counters().get(name, 0) < wanted:
        if time.monotonic() > end:
            raise Mismatch(f"{name} does not reach {wanted}")
        time.sleep(0.01)


def joined(family, role, script, setup=lambda s: None):
    """A connection with estab, which follows the script: the kernel's socket and the tag."""
    s = socket.socket(DOMAIN[family], socket.SOCK_STREAM)
    setup(s)
    if role == "listens":
        tag, port = estab.listen(script)
        s.settimeout(PATIENCE)
        s.connect((ESTAB[family], port))
        return s, tag
    with s:
        s.bind((KERNEL[family], 0))
        s.listen(1)
        tag = estab.connect(endpoint(family, s.getsockname()[1], KERNEL), script)
        s.settimeout(PATIENCE)
        accepted = s.accept()[0]
        accepted.settimeout(PATIENCE)
        return accepted, tag


@functools.cache
def digest(size, seed):
    return hashlib.sha256(b"".join(noise(size, seed))).hexdigest()


def receive(s, size, seed):
    """Exactly so much and then the end, by SHA-256; when the end came."""
    pieces = []
    while piece := s.recv(256 * KIB):
        pieces.append(piece)
    end = time.monotonic()
    got = b"".join(pieces)
    expect("octets", len(got), size)
    expect("SHA-256", hashlib.sha256(got).hexdigest(), digest(size, seed))
    return end


def take(s, size, seed):
    """So much and not the end."""
    got = b""
    while len(got) < size and (piece := s.recv(size - len(got))):
        got += piece
    expect("SHA-256 of the start", hashlib.sha256(got).hexdigest(), digest(size, seed))


def send(s, size, seed):
    for piece in noise(size, seed):
        s.sendall(piece)


def expect_reset(s):
    """A RST that was lost is sent again only in answer to something."""
    s.settimeout(0.2)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with contextlib.suppress(TimeoutError):
                raise Mismatch(f"{s.recv(1)!r} instead of a reset")
            s.send(b"?")
        except ConnectionResetError:
            return s.close()
    raise Mismatch("no reset")


def finish(s, tag):
    expect("after the end", s.recv(1), b"")
    s.close()
    estab.expect(tag)


# --- One file each way --------------------------------------------------------------------------------

def download(family, role, size):
    begin = time.monotonic()
    s, tag = joined(family, role, f"send {size} 1 fin eof")
    end = receive(s, size, 1)
    s.close()
    estab.expect(tag)
    return end - begin


def upload(family, role, size):
    begin = time.monotonic()
    s, tag = joined(family, role, f"read {size} 2 eof fin")
    send(s, size, 2)
    s.shutdown(socket.SHUT_WR)
    finish(s, tag)
    return time.monotonic() - begin


def transfers(sizes):
    jobs = [(f"{way.__name__} {size} {family} estab {role}", functools.partial(way, family, role, size), size)
            for size in sizes for family in ESTAB for role in ROLES for way in (download, upload)]
    big = [job for job in jobs if job[2] > 1 << 20]
    small = [job for job in jobs if job[2] <= 1 << 20]
    # Small ones together: they spend their time waiting for time-outs. Big ones one after the other, so
    # that their rate says something.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for (name, _, size), took in zip(small, [pool.submit(job[1]) for job in small]):
            passed(name, size, took.result())
    for name, run, size in big:
        passed(name, size, run())


# --- The ways of a connection ---------------------------------------------------------------------------

def half_close(family, role):
    s, tag = joined(family, role, "read 1000 1 eof send 300000 2 fin")  # the kernel ends first
    send(s, 1000, 1)
    s.shutdown(socket.SHUT_WR)
    receive(s, 300000, 2)
    s.close()
    estab.expect(tag)
    s, tag = joined(family, role, "send 1000 1 fin read 300000 2 eof")  # estab ends first
    receive(s, 1000, 1)
    send(s, 300000, 2)
    s.close()
    estab.expect(tag)


def abort(family, role):
    s, tag = joined(family, role, "read 1000 1 abort")  # by estab
    send(s, 1000, 1)
    expect_reset(s)
    estab.expect(tag)
    s, tag = joined(family, role, "read 1000 1 send 10 2 reset")  # by the kernel
    send(s, 1000, 1)
    take(s, 10, 2)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    estab.expect(tag)


def unread(family, role):
    """Closing with octets unread is a reset (RFC 9293 3.6.1, SHLD-3)."""
    s, tag = joined(family, role, "read 1 1")  # by estab
    send(s, 2, 1)
    estab.expect(tag)
    expect_reset(s)
    s, tag = joined(family, role, "send 2 1 reset")  # by the kernel
    take(s, 1, 1)
    s.close()
    estab.expect(tag)


def closed_port(family, role):
    s = socket.socket(DOMAIN[family], socket.SOCK_STREAM)
    s.settimeout(PATIENCE)
    if role == "listens":
        try:
            s.connect((ESTAB[family], next(estab.ports)))
            raise Mismatch("connected to a closed port")
        except ConnectionRefusedError:
            s.close()
            return
    s.bind((KERNEL[family], 0))  # and does not listen
    estab.expect(estab.connect(endpoint(family, s.getsockname()[1], KERNEL), ""), "connect: " + REFUSED)
    s.close()


def zero_window(family, role):
    """A reader that stops: the window closes, is probed, opens again, and nothing is lost."""
    size = 400_000
    estab.tell("set", "recv_buffer=32768", "recv_autotune=false")  # estab is the slow reader
    s, tag = joined(family, role, f"wait read {size} 1 eof fin")
    estab.tell("set")
    sender = threading.Thread(target=send, args=(s, size, 1), daemon=True)
    sender.start()
    wait_for(kernel_counters, "TCPWinProbe", 1)
    estab.tell("go", tag)
    sender.join()
    s.shutdown(socket.SHUT_WR)
    finish(s, tag)

    def small(s):  # the kernel is the slow reader
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s, tag = joined(family, role, f"send {size} 2 fin eof", small)
    wait_for(estab.counters, "window_probe", 2)
    receive(s, size, 2)
    s.close()
    estab.expect(tag)


def keepalive(family, role):
    # The kernel answers what is out of its window twice a second at most: idle is more than that.
    estab.tell("set", "keepalive=true", "keepalive_idle=600ms", "keepalive_interval=200ms", "keepalive_probes=3")
    s, tag = joined(family, role, "read 10 1 send 10 2 wait read 1 1")
    estab.tell("set")
    wait_for(estab.counters, "keepalive_probe", 3)  # estab asks, and the kernel answers
    send(s, 10, 1)
    take(s, 10, 2)
    wait_for(estab.counters, "keepalive_probe", 1)  # nothing is unacknowledged any more
    estab.tell("pull")
    estab.tell("go", tag)
    estab.expect(tag, "read: " + TIMED_OUT)         # and now it does not
    estab.tell("plug")
    s.close()
    s, tag = joined(family, role, "read 10 1 send 10 2 eof fin")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT):
        s.setsockopt(socket.IPPROTO_TCP, option, 1)
    wait_for(kernel_counters, "TCPKeepAlive", 2)    # the kernel asks, and estab answers
    send(s, 10, 1)
    take(s, 10, 2)
    s.shutdown(socket.SHUT_WR)
    finish(s, tag)


def outage(family, role):
    """Nothing is lost when the cable is out for a while; a user time-out ends what lasts too long."""
    s, tag = joined(family, role, "read 1 1 send 1 1 wait send 500000 2 fin eof")
    estab.tell("pull")
    send(s, 1, 1)
    wait_for(kernel_counters, "TCPTimeouts", 2)
    estab.tell("plug")
    take(s, 1, 1)
    estab.tell("pull")
    estab.tell("go", tag)
    wait_for(estab.counters, "retransmit_timeout", 2)
    estab.tell("plug")
    receive(s, 500000, 2)
    s.close()
    estab.expect(tag)
    estab.tell("set", "user_timeout=500ms")
    s, tag = joined(family, role, "wait send 1 1 read 1 2")
    estab.tell("set")
    estab.tell("pull")
    estab.tell("go", tag)
    estab.expect(tag, "read: " + TIMED_OUT)
    estab.tell("plug")
    s.close()


def simultaneous_open(family, _):
    """Both connect: the SYNs cross on a path with delay, at the latest in one of a hundred attempts."""
    way = "SYN-SENT>SYN-RECEIVED"
    before = estab.counters().get(way, 0)
    for _ in range(100):
        s = socket.socket(DOMAIN[family], socket.SOCK_STREAM)
        s.settimeout(PATIENCE)
        s.bind((KERNEL[family], 0))
        port = next(estab.ports)
        tag = estab.connect(endpoint(family, s.getsockname()[1], KERNEL), "send 70000 1 read 70000 2 fin eof", port)
        try:
            s.connect((ESTAB[family], port))
        except ConnectionRefusedError:  # estab's SYN came first and was refused before ours arrived
            estab.expect(tag, "connect: " + REFUSED)
            s.close()
            continue
        take(s, 70000, 1)
        send(s, 70000, 2)
        s.shutdown(socket.SHUT_WR)
        finish(s, tag)
        expect("ways through SYN-RECEIVED", estab.counters().get(way, 0) - before, 1)
        return
    raise Mismatch("the SYNs never crossed")


def simultaneous_close(family, role):
    """Both end at once: the FINs cross, at the latest in one of a hundred attempts."""
    way = "FIN-WAIT-1>CLOSING"
    before = estab.counters().get(way, 0)
    for _ in range(100):
        s, tag = joined(family, role, "wait fin eof")
        estab.tell("go", tag)
        s.shutdown(socket.SHUT_WR)
        finish(s, tag)
        if estab.counters().get(way, 0) > before:
            return
    raise Mismatch("the FINs never crossed")


# --- Many at once -------------------------------------------------------------------------------------------

def parallel(count):
    for family in ESTAB:
        for role in ROLES:
            begin = time.monotonic()
            asyncio.run(asyncio.wait_for(many(family, role, count), PATIENCE))
            passed(f"parallel {count} {family} estab {role}", count * 64 * KIB, time.monotonic() - begin)


async def many(family, role, count):
    """All are connected before the first octet is asked for."""
    script = "read 1 2 send 65536 1 fin eof"
    streams = asyncio.Queue()
    if role == "listens":
        tag, port = estab.listen(script, count)
        await asyncio.gather(*(opened(streams, ESTAB[family], port) for _ in range(count)))
        tags = [tag] * count
        server = None
    else:
        server = await asyncio.start_server(lambda *stream: streams.put_nowait(stream), KERNEL[family], 0,
                                            backlog=count)
        to = endpoint(family, server.sockets[0].getsockname()[1], KERNEL)
        tags = [estab.connect(to, script) for _ in range(count)]

    async def fetch(reader, writer):
        writer.write(block(2)[:1])
        data = await reader.read()
        expect("SHA-256", hashlib.sha256(data).hexdigest(), digest(64 * KIB, 1))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(fetch(*stream) for stream in [await streams.get() for _ in range(count)]))
    for tag in tags:
        await asyncio.to_thread(estab.expect, tag)
    if server:
        server.close()


async def opened(streams, host, port):
    await streams.put(await asyncio.open_connection(host, port))


# --- The run ------------------------------------------------------------------------------------------------

ways = (half_close, abort, unread, closed_port, zero_window, keepalive, outage, simultaneous_open, simultaneous_close)
CASES = {way.__name__: way for way in ways}


def passed(name, size=0, took=0.0):
    rate = f"  {took:.3f} s, {size * 8 / took / 1e6:.1f} Mbit/s" if size > 1 else ""
    print(f"ok {name}{rate}", flush=True)


def run(word):
    name, _, value = word.partition("=")
    if name == "transfer":
        return transfers([int(size) for size in value.split(",")])
    if name == "parallel":
        return parallel(int(value))
    for family in ESTAB:
        for role in ROLES if name != "simultaneous_open" else ROLES[1:]:
            CASES[name](family, role)
            passed(f"{name} {family} estab {role}")


def main():
    open_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_max, open_max))
    for word in sys.argv[1:]:
        try:
            run(word)
        except (Mismatch, OSError, asyncio.TimeoutError) as trouble:
            traceback.print_exc()
            print(f"FAILED {word}: {trouble!r}; estab counted {estab.counters()}", flush=True)
            os._exit(1)
    os._exit(0)


main()

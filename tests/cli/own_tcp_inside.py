"""What a program sees of its sockets under `estab run --own-tcp`: run inside by own_tcp_test.py.

    own_tcp_inside.py HOST CLOSED ECHO SINK RESETTER FINISHER

HOST is the address of the host's loopback, the rest are ports: nobody, an echo, a sink that answers
the digest of all it got, one that resets after the first octet, one that says "bye" and finishes.
"""
import array
import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import unittest

HOST = CLOSED = ECHO = SINK = RESETTER = FINISHER = None
patience = 5.0


def tcp(family=socket.AF_INET, flags=0):
    return socket.socket(family, socket.SOCK_STREAM | flags)


def connected(port):
    s = tcp()
    s.connect((HOST, port))
    return s


def ready(s, events, timeout=patience):
    """What poll() says within the time, for those events."""
    poll = select.poll()
    poll.register(s, events)
    found = poll.poll(timeout * 1000)
    return found[0][1] if found else 0


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def listener(host="127.0.0.1", family=socket.AF_INET):
    s = tcp(family)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, 0))
    s.listen(16)
    return s


@contextlib.contextmanager
def silence():
    """An address that answers no SYN: its queue is full."""
    with contextlib.ExitStack() as all_open:
        l = all_open.enter_context(listener())
        l.listen(1)
        for _ in range(2):
            all_open.enter_context(tcp()).connect(l.getsockname())
        yield l.getsockname()


def local_pair():
    with listener() as l:
        a = tcp()
        a.connect(l.getsockname())
        b, _ = l.accept()
    return a, b


class Connect(unittest.TestCase):
    def test_refused_while_it_waits_and_the_socket_may_try_again(self):
        with tcp() as s:
            for _ in range(2):
                with self.assertRaises(ConnectionRefusedError):
                    s.connect((HOST, CLOSED))
            s.connect((HOST, ECHO))
            s.sendall(b"x")
            self.assertEqual(s.recv(9), b"x")

    def test_refused_without_waiting(self):
        with tcp(flags=socket.SOCK_NONBLOCK) as s:
            self.assertEqual(s.connect_ex((HOST, CLOSED)), errno.EINPROGRESS)
            wanted = select.POLLERR | select.POLLHUP | select.POLLOUT
            for _ in range(1000):  # they are set one after the other
                seen = ready(s, select.POLLOUT)
                if seen & wanted == wanted:
                    break
            self.assertEqual(seen & wanted, wanted)
            self.assertEqual(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNREFUSED)
            self.assertEqual(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            self.assertEqual(s.connect_ex((HOST, ECHO)), errno.EINPROGRESS)  # a new try
            self.assertTrue(ready(s, select.POLLOUT) & select.POLLOUT)
            self.assertEqual(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            s.send(b"again")
            self.assertTrue(ready(s, select.POLLIN))
            self.assertEqual(s.recv(9), b"again")

    def test_without_waiting_it_is_writable_once_it_stands(self):
        with tcp(flags=socket.SOCK_NONBLOCK) as s, select.epoll() as epoll:
            epoll.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
            epoll.poll(0)
            self.assertEqual(s.connect_ex((HOST, ECHO)), errno.EINPROGRESS)
            self.assertIn(s.connect_ex((HOST, ECHO)), (errno.EALREADY, 0))
            self.assertEqual([e for _, e in epoll.poll(patience)], [select.EPOLLOUT])
            self.assertEqual(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            self.assertIn(s.connect_ex((HOST, ECHO)), (errno.EISCONN, 0))
            self.assertEqual(s.connect_ex((HOST, ECHO)), errno.EISCONN)
            s.send(b"hello")
            while not epoll.poll(patience)[0][1] & select.EPOLLIN:
                pass
            self.assertEqual(s.recv(9), b"hello")

    def test_not_writable_before(self):
        with silence() as address, tcp(flags=socket.SOCK_NONBLOCK) as s:
            self.assertEqual(s.connect_ex(address), errno.EINPROGRESS)
            self.assertEqual(ready(s, select.POLLOUT, 0), 0)
            with self.assertRaises(BlockingIOError):
                s.send(b"x")
            with self.assertRaises(BlockingIOError):
                s.recv(1)
            with self.assertRaises(OSError):
                s.getpeername()

    def test_to_nobody_s_network_fails_at_once(self):
        with tcp(socket.AF_INET6) as s:
            s.settimeout(patience)
            error = s.connect_ex(("fe80::1234", 80))
            self.assertIn(error, (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED,
                                  errno.EACCES, errno.EINVAL))

    def test_names(self):
        with connected(ECHO) as s:
            self.assertEqual(s.getpeername(), (HOST, ECHO))
            self.assertEqual(s.getsockname()[0], "10.77.0.100")
            self.assertNotEqual(s.getsockname()[1], 0)
        with tcp() as s:
            self.assertEqual(s.getsockname(), ("0.0.0.0", 0))
            with self.assertRaises(OSError) as raised:
                s.getpeername()
            self.assertEqual(raised.exception.errno, errno.ENOTCONN)

    def test_mapped_addresses_of_an_ipv6_socket(self):
        with tcp(socket.AF_INET6) as s:
            s.connect(("::ffff:" + HOST, ECHO))
            self.assertEqual(s.getpeername()[0], "::ffff:" + HOST)

    def test_timeout_of_the_socket_s_own(self):
        with silence() as address, tcp() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 200_000))
            began = time.monotonic()
            self.assertEqual(s.connect_ex(address), errno.EINPROGRESS)
            self.assertLess(time.monotonic() - began, 2)


class Octets(unittest.TestCase):
    def test_a_megabyte_there_and_back(self):
        data = os.urandom(1 << 20)
        with connected(ECHO) as s:
            sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assertEqual(read_all(s), data)
            sender.join()

    def test_half_close_of_ours(self):
        data = os.urandom(300_000)
        with connected(SINK) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            with self.assertRaises(BrokenPipeError):
                s.send(b"more")
            self.assertEqual(read_all(s).decode(), hashlib.sha256(data).hexdigest())

    def test_half_close_of_the_peer(self):
        with connected(FINISHER) as s:
            self.assertEqual(read_all(s), b"bye")
            self.assertTrue(ready(s, select.POLLRDHUP | select.POLLIN) & select.POLLRDHUP)
            s.sendall(b"still")  # it listens on

    def test_reset(self):
        with connected(RESETTER) as s:
            s.send(b"x")
            seen = 0
            while not seen & select.POLLHUP:
                seen = ready(s, select.POLLIN)
                if not seen:
                    break
            self.assertTrue(seen & select.POLLERR, hex(seen))
            with self.assertRaises(ConnectionResetError):
                s.recv(1)
            with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                s.send(b"y")

    def test_reset_after_half_close(self):
        a, b = local_pair()
        a.shutdown(socket.SHUT_WR)
        self.assertEqual(b.recv(1), b"")
        b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        b.close()
        with self.assertRaises(ConnectionResetError):
            a.recv(1)
        a.close()

    def test_close_with_something_unread_is_a_reset(self):
        a, b = local_pair()
        b.send(b"unread")
        self.assertTrue(ready(a, select.POLLIN))
        a.close()
        self.assertTrue(ready(b, select.POLLIN))
        with self.assertRaises(ConnectionResetError):
            b.recv(9)
        b.close()

    def test_close_sends_what_was_written(self):
        a, b = local_pair()
        data = os.urandom(150_000)
        a.sendall(data)
        a.close()
        self.assertEqual(read_all(b), data)
        b.close()

    def test_whoever_is_not_read_must_wait(self):
        a, b = local_pair()
        a.setblocking(False)
        sent = 0
        began = time.monotonic()
        try:
            while time.monotonic() - began < patience and sent < 64 << 20:
                if not ready(a, select.POLLOUT, 0.3):
                    break
                sent += a.send(bytes(65536))
        except BlockingIOError:
            pass
        self.assertLess(sent, 64 << 20)
        a.setblocking(True)
        a.shutdown(socket.SHUT_WR)
        self.assertEqual(len(read_all(b)), sent)
        a.close()
        b.close()

    def test_peek_and_wait_for_all(self):
        with connected(ECHO) as s:
            s.sendall(b"0123456789")
            self.assertEqual(s.recv(4, socket.MSG_PEEK), b"0123")
            self.assertEqual(s.recv(10, socket.MSG_WAITALL), b"0123456789")

    def test_sendfile(self):
        with open(sys.executable, "rb") as file, connected(SINK) as s:
            os.sendfile(s.fileno(), file.fileno(), 0, 200_000)
            s.shutdown(socket.SHUT_WR)
            file.seek(0)
            self.assertEqual(read_all(s).decode(), hashlib.sha256(file.read(200_000)).hexdigest())

    def test_queue_lengths(self):
        a, b = local_pair()
        a.send(b"12345")
        self.assertTrue(ready(b, select.POLLIN))
        size = array.array("i", [0])
        fcntl.ioctl(b.fileno(), 0x541B, size)  # SIOCINQ
        self.assertEqual(size[0], 5)
        for _ in range(100):
            fcntl.ioctl(a.fileno(), 0x5411, size)  # SIOCOUTQ
            if size[0] == 0:
                break
            time.sleep(0.01)
        self.assertEqual(size[0], 0)
        a.close()
        b.close()


class Options(unittest.TestCase):
    def test_who_it_is(self):
        with tcp(socket.AF_INET6) as s:
            found = [s.getsockopt(socket.SOL_SOCKET, o)
                     for o in (socket.SO_DOMAIN, socket.SO_TYPE, socket.SO_PROTOCOL)]
            self.assertEqual(found, [socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP])

    def test_congestion_control_is_estab_s(self):
        with connected(ECHO) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")
            name = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            self.assertEqual(name.rstrip(b"\0"), b"bbr")
            with self.assertRaises(FileNotFoundError):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"nosuch")

    def test_tcp_info(self):
        with connected(ECHO) as s:
            s.sendall(b"x" * 1000)
            self.assertEqual(len(s.recv(1000, socket.MSG_WAITALL)), 1000)
            info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            self.assertEqual(info[0], 1)  # ESTABLISHED
            self.assertIn(struct.unpack_from("I", info, 16)[0], range(500, 9000))  # snd_mss

    def test_remembered(self):
        with tcp() as s:
            for option in (socket.TCP_NODELAY, socket.TCP_CORK, socket.TCP_QUICKACK):
                s.setsockopt(socket.IPPROTO_TCP, option, 1)
                self.assertEqual(s.getsockopt(socket.IPPROTO_TCP, option), 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
            self.assertEqual(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 77)

    def test_no_options_of_ip(self):  # sshd looks for source routes
        with connected(ECHO) as s:
            self.assertEqual(s.getsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, 40), b"")

    def test_no_tls_in_the_kernel(self):
        with connected(ECHO) as s, self.assertRaises(OSError):
            s.setsockopt(socket.IPPROTO_TCP, 31, b"tls")

    def test_receive_timeout_is_the_kernel_s(self):
        with connected(ECHO) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100_000))
            with self.assertRaises(BlockingIOError):
                s.recv(1)

    def test_flags_of_the_descriptor(self):
        with tcp(flags=socket.SOCK_NONBLOCK) as s:
            self.assertTrue(fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK)
            self.assertTrue(fcntl.fcntl(s, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
        self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
        self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
        os.close(fd)

    def test_other_protocols(self):
        for protocol in (132, 262):  # SCTP, MPTCP
            with self.assertRaises(OSError) as raised:
                socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
            self.assertEqual(raised.exception.errno, errno.EPROTONOSUPPORT)

    def test_no_io_uring(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.assertEqual(libc.syscall(425, 4, None), -1)
        self.assertEqual(ctypes.get_errno(), errno.ENOSYS)


class Server(unittest.TestCase):
    def test_here(self):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with listener(host, family) as l, tcp(family) as c:
                self.assertEqual(ready(l, select.POLLIN, 0), 0)
                c.connect(l.getsockname())
                self.assertTrue(ready(l, select.POLLIN) & select.POLLIN)
                s, peer = l.accept()
                self.assertEqual(peer[:2], c.getsockname()[:2])
                self.assertEqual(s.getsockname()[:2], l.getsockname()[:2])
                self.assertEqual(ready(l, select.POLLIN, 0), 0)
                s.sendall(b"hi")
                self.assertEqual(c.recv(9), b"hi")
                s.close()
                self.assertEqual(c.recv(9), b"")

    def test_on_every_address_of_both_families(self):
        with listener("::", socket.AF_INET6) as l:
            port = l.getsockname()[1]
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
                                 (socket.AF_INET, "0.0.0.0"), (socket.AF_INET, "10.77.0.100")):
                with tcp(family) as c:
                    c.connect((host, port))
                    l.accept()[0].close()

    def test_one_family_each_on_one_port(self):
        with tcp(socket.AF_INET6) as six, tcp() as four:
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::", 0))
            six.listen()
            four.bind(("0.0.0.0", six.getsockname()[1]))
            four.listen()
            for l, family, host in ((four, socket.AF_INET, "127.0.0.1"), (six, socket.AF_INET6, "::1")):
                with tcp(family) as c:
                    c.connect((host, l.getsockname()[1]))
                    self.assertTrue(ready(l, select.POLLIN))
                    l.accept()[0].close()

    def test_nobody_listens(self):
        with listener() as l:
            address = l.getsockname()
        with tcp() as c, self.assertRaises(ConnectionRefusedError):
            c.connect(address)

    def test_in_use(self):
        with listener() as l, tcp() as other:
            with self.assertRaises(OSError) as raised:
                other.bind(l.getsockname())
            self.assertEqual(raised.exception.errno, errno.EADDRINUSE)
        with tcp() as other, self.assertRaises(OSError) as raised:
            other.bind(("198.51.100.7", 80))
        self.assertEqual(raised.exception.errno, errno.EADDRNOTAVAIL)

    def test_accept_waits_in_many_threads(self):
        with listener() as l:
            got = []

            def serve():
                s, _ = l.accept()
                with s:
                    got.append(s.recv(9))
                    s.sendall(b"ok")
            threads = [threading.Thread(target=serve) for _ in range(5)]
            for t in threads:
                t.start()
            time.sleep(0.05)
            for i in range(5):
                with tcp() as c:
                    c.connect(l.getsockname())
                    c.sendall(b"%d" % i)
                    self.assertEqual(c.recv(9), b"ok")
            for t in threads:
                t.join()
            self.assertEqual(sorted(got), [b"%d" % i for i in range(5)])

    def test_an_edge_for_each_connection(self):
        with listener() as l, select.epoll() as epoll:
            l.setblocking(False)
            epoll.register(l, select.EPOLLIN | select.EPOLLET)
            kept = []
            for _ in range(3):
                c = tcp()
                c.connect(l.getsockname())
                kept.append(c)
                self.assertTrue(epoll.poll(patience))
            for _ in range(3):
                kept.append(l.accept()[0])
            with self.assertRaises(BlockingIOError):
                l.accept()
            for c in kept:
                c.close()

    def test_flags_of_what_is_accepted(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with listener() as l, tcp() as c:
            c.connect(l.getsockname())
            fd = libc.accept4(l.fileno(), None, None, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            self.assertTrue(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
            self.assertTrue(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)
            os.close(fd)

    def test_a_signal_ends_accept(self):
        class Heard(Exception):
            pass

        def on_alarm(*_):
            raise Heard
        before = signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            with listener() as l:
                with self.assertRaises(Heard):
                    l.accept()
                with tcp() as c:  # and it works on
                    c.connect(l.getsockname())
                    l.accept()[0].close()
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_two_hundred_at_once(self):
        with listener() as l:
            l.listen(256)
            clients = [tcp() for _ in range(200)]
            for c in clients:
                c.connect(l.getsockname())
            servers = [l.accept()[0] for _ in clients]
            for i, c in enumerate(clients):
                c.sendall(b"%d" % i)
            found = sorted(int(s.recv(9)) for s in servers)
            self.assertEqual(found, list(range(200)))
            for s in clients + servers:
                s.close()


class Descriptors(unittest.TestCase):
    def test_copies_and_children(self):
        with connected(ECHO) as s:
            copy = socket.socket(fileno=os.dup(s.fileno()))
            s.close()
            self.assertEqual(copy.getpeername(), (HOST, ECHO))
            pid = os.fork()
            if pid == 0:
                good = copy.getpeername() == (HOST, ECHO)
                copy.sendall(b"child")
                os._exit(0 if good else 1)
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.assertEqual(copy.recv(9), b"child")
            copy.close()

    def test_passed_to_another_process(self):
        here, there = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            here.close()
            _, fds, _, _ = socket.recv_fds(there, 9, 1)
            s = socket.socket(fileno=fds[0])
            good = s.getpeername() == (HOST, ECHO) and s.send(b"passed") == 6
            os._exit(0 if good else 1)
        with connected(ECHO) as s:
            socket.send_fds(here, [b"x"], [s.fileno()])
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.assertEqual(s.recv(9), b"passed")
        here.close()
        there.close()

    def test_a_number_used_again(self):
        for _ in range(20):
            s = connected(ECHO)
            fd = s.fileno()
            s.close()
            with socket.socket(socket.AF_UNIX) as unix:
                self.assertEqual(unix.fileno(), fd)
                self.assertEqual(unix.getsockname(), "")

    def test_who_dies_in_the_middle_of_a_call(self):
        with listener() as l:
            pid = os.fork()
            if pid == 0:
                l.accept()
                os._exit(1)
            time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            with tcp() as c:
                c.connect(l.getsockname())
                self.assertTrue(ready(l, select.POLLIN))
                l.accept()[0].close()

    def test_sockets_of_other_kinds_are_the_kernel_s(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
            b.bind(("127.0.0.1", 0))
            a.connect(b.getsockname())
            a.send(b"datagram")
            self.assertEqual(b.recvfrom(99), (b"datagram", a.getsockname()))


if __name__ == "__main__":
    HOST = sys.argv[1]
    CLOSED, ECHO, SINK, RESETTER, FINISHER = map(int, sys.argv[2:7])
    unittest.main(argv=sys.argv[:1] + sys.argv[7:])

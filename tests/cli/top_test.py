"""estab top, on terminals and off them, before commands that this test plays: a control socket with a
process number for a name is all that there is to see of one."""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

ESTAB = sys.argv.pop(1)
TIMEOUT = 60


def info(**changed):
    numbers = dict.fromkeys("""acked_bytes received_bytes sent_bytes retransmitted_bytes in_flight_bytes""".split(), 0)
    return {"congestion_control": "cubic", "cwnd_bytes": 14480, "mss_bytes": 1448, "rtt_s": 0.02, "rtt_min_s": 0.01,
            "limited_s": {}, **numbers, **changed}


def connection(port, state="ESTABLISHED", **numbers):
    return {"protocol": "tcp", "state": state, "recv_queue": 0, "send_queue": 0,
            "local": {"address": "10.77.0.2", "port": 80}, "peer": {"address": "10.77.0.100", "port": port},
            "info": info(**numbers)}


class FakeCommand:
    """Answers each question with what `sockets` returns then, or with `line` as it is."""

    def __init__(self, folder, pid, sockets=None, line=None):
        self.path = folder / "estab" / f"{pid}.sock"
        self.pid, self.sockets, self.line, self.asked = pid, sockets, line, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listener.accept()
                with peer, contextlib.suppress(OSError):
                    if not peer.recv(4096):
                        continue  # only to see whether somebody is there
                    self.asked += 1
                    answer = self.line
                    if answer is None:
                        answer = json.dumps({"schema": "estab.control/1", "pid": self.pid, "command": "serve",
                                             "interface": "estab0", "sockets": self.sockets(self.asked)}).encode()
                    peer.sendall(answer + b"\n")

    def end(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="estab-top-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "estab").mkdir(mode=0o700)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(self.folder), "LC_ALL": "C.UTF-8", "TERM": "xterm"}
        self.env.pop("NO_COLOR", None)

    def play(self, pid, sockets=None, line=None):
        command = FakeCommand(self.folder, pid, sockets, line)
        self.addCleanup(command.end)
        return command

    def top(self, *words, **env):
        return subprocess.run([ESTAB, "top", *words], env={**self.env, **env}, capture_output=True, text=True,
                              timeout=TIMEOUT)


def busy(asked):
    """A sender whose window is full most of the time, and a receiver."""
    return [connection(4001, acked_bytes=125_000 * asked, sent_bytes=200_000 * asked,
                       retransmitted_bytes=20_000 * asked, limited_s={"cwnd": 100.0 * asked}),
            connection(4002, received_bytes=1_000_000 * asked, rtt_s=0.3),
            {"protocol": "tcp", "state": "LISTEN", "recv_queue": 0, "send_queue": 5,
             "local": {"address": "::", "port": 80}, "peer": {"address": "::", "port": 0}}]


class Once(Case):
    def test_json_has_rates_and_reasons(self):
        self.play(4711, busy)
        run = self.top("--once", "--json", "--interval", "200ms")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        report = json.loads(run.stdout)
        self.assertEqual((report["schema"], report["interval_s"]), ("estab.top/1", 0.2))
        fast, slow = report["connections"]
        self.assertEqual((fast["peer"], slow["peer"]), ("10.77.0.100:4002", "10.77.0.100:4001"))
        self.assertEqual((slow["limit"], fast["limit"], slow["retransmitted_share"]), ("cwnd", "peer sends", 0.1))
        self.assertTrue(0 < slow["up_bit_s"] <= 5_000_000 and slow["down_bit_s"] == 0, slow)  # 125 kB in 0.2 s or more

    def test_a_table_for_people(self):
        self.play(4711, busy)
        lines = self.top("--once", "--interval", "100ms", "--sort", "up").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^ +PID COMMAND LOCAL +PEER +STATE +UP b/s DOWN b/s THROUGHPUT +CWND .*LIMITED BY$")
        self.assertRegex(lines[1], r"^ +4711 serve +10\.77\.0\.2:80 +10\.77\.0\.100:4001 .* 10\.0% cwnd 100%$")
        self.assertRegex(lines[2], r"4002 .*█.* 300 .* peer sends 100%$")
        self.assertNotIn("█", self.top("--once", "--ascii").stdout)
        self.assertNotIn("█", self.top("--once", "--interval", "100ms", LC_ALL="C").stdout)

    def test_sorted_and_filtered(self):
        self.play(4711, busy)
        ports = lambda *words: re.findall(r"100:(\d+)", self.top("--once", "--interval", "100ms", *words).stdout)
        self.assertEqual(ports("--sort", "rtt"), ["4002", "4001"])
        self.assertEqual(ports("--sort", "peer"), ["4001", "4002"])
        self.assertEqual(ports("--sort", "peer", "--reverse"), ["4002", "4001"])
        self.assertEqual(ports("--filter", "CWND serve"), ["4001"])
        self.assertEqual(ports("--filter", "nothing-like-it"), [])

    def test_a_port_that_is_used_again_has_no_negative_rate(self):
        self.play(4711, lambda asked: [connection(4001, acked_bytes=10**9 if asked == 1 else 5)])
        report = json.loads(self.top("--once", "--json", "--interval", "100ms").stdout)
        self.assertEqual(report["connections"][0]["up_bit_s"], 0)

    def test_who_answers_nonsense_is_left_out(self):
        self.play(4711, busy)
        for pid, line in enumerate((b"", b"{", b"[1]", b'{"schema":"estab.control/1","sockets":[{"info":7}]}',
                                    b'{"schema":"estab.control/1","pid":1,"command":3,"sockets":[{"info":{}}]}',
                                    b"[" * 100_000), 4712):
            self.play(pid, line=line)
        odd = connection(4003)
        odd["state"] = "A\033[2JB\n"
        self.play(4799, lambda asked: [odd])
        run = self.top("--once", "--interval", "100ms")
        self.assertEqual((run.returncode, run.stderr, len(run.stdout.splitlines())), (0, "", 4))
        self.assertNotIn("\033", run.stdout)

    def test_many_connections(self):
        self.play(4711, lambda asked: [connection(p, acked_bytes=p * asked) for p in range(1, 6001)])
        self.assertEqual(len(self.top("--once", "--interval", "100ms").stdout.splitlines()), 6001)

    def test_mistakes(self):
        for words, said in ((["x"], "not a process number"), (["--interval", "0"], "--interval 0"),
                            (["--interval", "5m"], "--interval 5m"), (["--sort", "rttt"], "did you mean rtt?")):
            run = self.top(*words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (2, 1), words)
            self.assertIn(said, run.stderr)
        for words in ([], ["4711"]):
            run = self.top(*words)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (1, 1))
            self.assertIn("no estab command of this user runs", run.stderr)


class Stream(Case):
    def test_an_object_for_each_look_until_the_command_ends(self):
        command = self.play(4711, busy)
        run = subprocess.Popen([ESTAB, "top", "--json", "--interval", "100ms", "4711"], env=self.env,
                               stdout=subprocess.PIPE, text=True)
        with run:
            for _ in range(3):
                self.assertEqual(len(json.loads(run.stdout.readline())["connections"]), 2)
            command.end()
            self.assertEqual(run.wait(TIMEOUT), 0)

    def test_a_signal_ends_it(self):
        self.play(4711, busy)
        for number in (signal.SIGINT, signal.SIGTERM):
            run = subprocess.Popen([ESTAB, "top", "--json", "--interval", "100ms"], env=self.env,
                                   stdout=subprocess.PIPE, text=True)
            with run:
                run.stdout.readline()
                run.send_signal(number)
                self.assertEqual(run.wait(TIMEOUT), 128 + number)

    def test_a_reader_that_goes_ends_it_without_a_word(self):
        self.play(4711, busy)
        run = subprocess.Popen([ESTAB, "top", "--json", "--interval", "100ms"], env=self.env,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with run:
            run.stdout.readline()
            run.stdout.close()
            run.wait(TIMEOUT)
            self.assertEqual(run.stderr.read(), "")


class Terminal(Case):
    """On a pseudo-terminal, with its keys, its size and its end."""

    def open(self, *words, rows=12, columns=120):
        self.main, other = pty.openpty()
        self.addCleanup(os.close, self.main)
        self.resize(rows, columns)
        self.before = termios.tcgetattr(other)
        self.shown = ""
        self.run_ = subprocess.Popen([ESTAB, "top", "--interval", "100ms", *words], env=self.env, stdin=other,
                                     stdout=other, stderr=subprocess.PIPE, start_new_session=True)
        self.other = other
        self.addCleanup(os.close, other)
        self.addCleanup(self.run_.stderr.close)
        self.addCleanup(self.run_.wait)
        self.addCleanup(self.run_.kill)

    def resize(self, rows, columns):
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self):
        if select.select([self.main], [], [], 0.05)[0]:
            self.shown += os.read(self.main, 65536).decode(errors="replace")

    def screen(self):
        """The lines of the last whole screen."""
        frames = self.shown.split("\033[H")
        whole = [f for f in frames[1:] if f.endswith("\033[J") or "\033[J" in f]
        return re.sub(r"\033\[[0-9;]*m|\033\[[KJ]", "", whole[-1].split("\033[J")[0]).replace("\r", "").split("\n") if whole else []

    def until(self, condition):
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.screen())
            self.assertIsNone(self.run_.poll(), self.shown[-2000:])
            self.read()

    def has(self, text):
        return lambda: any(text in line for line in self.screen())

    def type(self, text):
        os.write(self.main, text.encode())

    def assert_given_back(self, status):
        self.assertEqual(self.run_.wait(TIMEOUT), status)
        for _ in range(5):
            self.read()
        self.assertTrue(self.shown.endswith("\033[?25h\033[?1049l"), self.shown[-100:])
        self.assertEqual(termios.tcgetattr(self.other), self.before)
        self.assertEqual(self.run_.stderr.read(), b"")

    def test_keys(self):
        self.play(4711, busy)
        self.open()
        self.until(self.has("2 of 2 connections"))
        self.assertTrue(self.shown.startswith("\033[?1049h\033[?25l"))
        self.assertTrue(self.has("q quit")())
        self.until(lambda: "4002" in self.screen()[2])
        self.type("ss")  # by what they send
        self.until(self.has("by down"))
        self.type("S")
        self.until(lambda: self.has("by up")() and "4001" in self.screen()[2])
        self.type("r")
        self.until(lambda: self.has("reversed")() and "4002" in self.screen()[2])
        self.type("/400")
        self.until(self.has("filter: 400_"))
        self.type("1\r")
        self.until(lambda: self.has("1 of 2 connections")() and self.has("filter 4001")())
        self.type("/zzz\033")
        self.until(self.has("filter 4001"))
        self.type("/\r ")
        self.until(lambda: self.has("2 of 2")() and self.has("paused")())
        self.type("q")
        self.assert_given_back(0)

    def test_a_smaller_window_shows_less(self):
        self.play(4711, lambda asked: [connection(p) for p in range(3001, 3051)])
        self.open(rows=20, columns=170)
        self.until(self.has("50 of 50"))
        self.assertEqual(len(self.screen()), 20)
        self.assertIn("LOCAL", self.screen()[1])
        self.type("\033[6~")
        self.until(lambda: "3018" in self.screen()[2])
        for rows, columns in ((8, 60), (2, 1), (24, 200)):
            self.resize(rows, columns)
            self.run_.send_signal(signal.SIGWINCH)
            self.until(lambda: len(self.screen()) == rows and max(map(len, self.screen())) <= columns and
                       (columns < 60 or self.has("PEER")()))
        self.type("q")
        self.assert_given_back(0)

    def test_it_ends_with_what_it_watches(self):
        command = self.play(4711, busy)
        self.open("4711")
        self.until(self.has("2 of 2"))
        command.end()
        self.assert_given_back(0)

    def test_without_a_number_it_waits_for_the_next(self):
        command = self.play(4711, busy)
        self.open()
        self.until(self.has("2 of 2"))
        command.end()
        self.until(self.has("waiting for one"))
        self.play(4712, busy)
        self.until(self.has("4712"))
        self.type("q")
        self.assert_given_back(0)

    def test_signals_give_the_terminal_back(self):
        self.play(4711, busy)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.open()
            self.until(self.has("2 of 2"))
            self.run_.send_signal(number)
            self.assert_given_back(128 + number)

    def test_stopped_and_continued(self):
        self.play(4711, busy)
        self.open()
        self.until(self.has("2 of 2"))
        self.run_.send_signal(signal.SIGTSTP)
        os.waitpid(self.run_.pid, os.WUNTRACED)
        self.read()
        self.assertIn("\033[?1049l", self.shown)
        self.assertEqual(termios.tcgetattr(self.other), self.before)
        self.shown = ""
        self.run_.send_signal(signal.SIGCONT)
        self.until(self.has("2 of 2"))
        self.assertIn("\033[?1049h", self.shown)
        self.type("q")
        self.assert_given_back(0)


if __name__ == "__main__":
    unittest.main(verbosity=1)

"""estab run leaves nothing behind, however it or its command ends, at whatever moment.

manners_test.py ESTAB [--own-tcp] [--moments N] [--seed N]. Ends with 77 where no private network can be had.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import private_network

ESTAB = ""
OWN_TCP = False
BACKENDS = {}  # of each user
MOMENTS = 21
SEED = 1
NOBODY = 65534

# A detached daemon, a child in another session.
LEFT_BEHIND = "setsid sleep 100 & (setsid sh -c 'sleep 100 & sleep 100' &) ; "
# The network's name and the command's PID come first.
DAEMONS = "readlink /proc/self/ns/net; echo $$; " + LEFT_BEHIND
COMMANDS = {
    "obedient": DAEMONS + "exec sleep 100",
    "stubborn": "trap '' TERM INT; " + DAEMONS + "sleep 100",
    "talking": DAEMONS + "while :; do echo words; done",
}

# With its own TCP a command may be killed in the middle of a call that we answer. Python makes an exception of SIGINT
# and loses it where it closes a socket; so it has the default here, before it says who it is.
CALLING = (LEFT_BEHIND + "exec python3 -c 'import os, signal, socket\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
           'print(os.readlink("/proc/self/ns/net"), os.getpid(), sep="\\n", flush=True)\n')
IN_A_CALL = {
    "accepting": CALLING + "s = socket.socket(); s.listen(); s.accept()'",
    "opening": CALLING + "while 1: socket.socket().bind((\"\", 0))'",
}


def processes(mark):
    """The folders in /proc of those that carry the mark."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes():
                yield entry


def is_held(namespace):
    """Whether a process or a mount keeps a network namespace, as 'net:[4026532000]', alive."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        for link in [entry / "ns/net", *entry.glob("fd/*")]:
            with contextlib.suppress(OSError):
                if os.readlink(link) == namespace:
                    return True
    return namespace in pathlib.Path("/proc/self/mountinfo").read_text()


def is_interface_left():
    return any(name.startswith("estab0") for name in os.listdir("/sys/class/net"))


def wait_until(condition):
    deadline = time.monotonic() + 60  # of a loaded machine; what is left stays for ever
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Manners(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        os.chmod(self.folder.name, 0o755)
        self.told = pathlib.Path(self.folder.name) / "told"
        self.told.mkdir()
        self.told.chmod(0o777)
        self.runtime = {}
        for user in self.users():
            self.runtime[user] = pathlib.Path(self.folder.name) / str(user)
            self.runtime[user].mkdir(mode=0o700)
            os.chown(self.runtime[user], user, user)

    @staticmethod
    def users():
        """Root tries both: it has other ways to make a network."""
        return list(BACKENDS)

    def start(self, user, mark, *command):
        key, value = mark.split("=")
        as_user = {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.Popen(
            [ESTAB, "run", "-q", "--backend", BACKENDS[user], "--json", self.told / "run.json", "--report",
             self.told / "page.html", "--", *command], stdout=subprocess.PIPE, cwd="/",
            env={**os.environ, key: value, "XDG_RUNTIME_DIR": str(self.runtime[user]),
                 "TMPDIR": str(self.runtime[user]), "HOME": str(self.runtime[user])}, **as_user)

    def assert_nothing_left(self, mark, namespace, what):
        self.assertTrue(wait_until(lambda: not list(processes(mark))),
                        (what, [(p / "cmdline").read_bytes() for p in processes(mark)]))
        if namespace:
            self.assertFalse(is_held(namespace), what)
        self.assertFalse(is_interface_left(), what)
        files = [p for folder in self.runtime.values() for p in folder.rglob("*") if not p.is_dir()]
        self.assertEqual(files, [], what)
        # What it tells is whole or not there.
        for file in self.told.iterdir():
            self.assertIn(file.name, ("run.json", "page.html"), what)
            text = file.read_text()
            json.loads(text) if file.suffix == ".json" else self.assertTrue(text.rstrip().endswith("</html>"), what)
            file.unlink()

    def moment(self, rng, number):
        user = rng.choice(self.users())
        victim = rng.choice(["estab", "command"])
        kind = rng.choice(list(COMMANDS))
        # After the command has begun to speak.
        late = rng.random() < 0.5 or victim == "command" or kind in IN_A_CALL
        wait = rng.random() * 0.06
        what = (user, victim, number.name, kind, late, wait)
        mark = f"ESTAB_TEST_MARK={os.getpid()}.{rng.getrandbits(64)}"
        process = self.start(user, mark, "sh", "-c", COMMANDS[kind])
        namespace = pid = None
        if late:
            namespace = process.stdout.readline().decode().strip()
            if OWN_TCP:
                namespace = None  # the host's
            pid = int(process.stdout.readline())
        time.sleep(wait)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number) if victim == "estab" else os.kill(pid, number)
        if kind == "stubborn" and number != signal.SIGKILL:  # it ignores what is passed on to it
            time.sleep(rng.random() * 0.02)
            process.kill()
        try:
            process.communicate(timeout=60)  # no reader of a pipe hangs
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"hangs: {what}")
        if victim == "command" and kind != "stubborn":
            self.assertEqual(process.returncode, 128 + number, what)
        self.assert_nothing_left(mark, namespace, what)

    def test_killed_at_any_moment(self):
        rng = random.Random(SEED)
        for i in range(MOMENTS):
            with self.subTest(moment=i, seed=SEED):
                self.moment(rng, (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[i % 3])

    def test_what_command_leaves_behind_ends_with_it(self):
        for user in self.users():
            mark = f"ESTAB_TEST_MARK={os.getpid()}.b{user}"
            process = self.start(user, mark, "sh", "-c", "setsid sleep 100 & exit 3")
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 3)
            self.assert_nothing_left(mark, None, user)


def main():
    global ESTAB, MOMENTS, SEED, OWN_TCP
    parser = argparse.ArgumentParser()
    parser.add_argument("estab")
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--own-tcp", action="store_true")
    options, rest = parser.parse_known_args()
    OWN_TCP = options.own_tcp
    ESTAB, MOMENTS, SEED = os.path.abspath(options.estab), options.moments, options.seed
    if OWN_TCP:
        COMMANDS.update(IN_A_CALL)
    for user in [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]:
        as_user = {"user": user, "group": user, "extra_groups": []} if os.geteuid() == 0 else {}
        if OWN_TCP:
            done = private_network.probe(ESTAB, "own-tcp", cwd="/", **as_user)
            found, why = [] if done.returncode else ["own-tcp"], done.stderr.strip()
        else:
            found, why = private_network.working(ESTAB, cwd="/", **as_user)
        if found:
            BACKENDS[user] = found[0]
        else:
            print(f"user {user} is skipped: {why}")
    if not BACKENDS:
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()

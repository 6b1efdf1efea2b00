"""estab conform, asking the kernel's TCP and estab's own in a private network. Ends with 77 where none can be had."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

KERNEL = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=8000)"
SERVE = "echo 1 > /proc/sys/net/ipv4/ip_forward; exec {} serve {} -q --tun t1 --addr 10.9.0.2/24 --host-addr 10.9.0.1/24"


def conform(*words):
    return subprocess.run([PROGRAM, "conform", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=100)


class Conform(unittest.TestCase):
    def findings(self, *words):
        done = conform("--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "estab.conform/1")
        return {f["name"]: f["result"] for f in report["findings"]}

    def test_the_kernel_passes(self):
        found = self.findings("10.77.0.100:8000", "--", sys.executable, "-c", KERNEL)
        self.assertGreater(len(found), 40)
        self.assertNotIn("fail", found.values(), found)
        self.assertEqual(found["open.simultaneous"], "not observable")

    def test_estab_passes(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "index.html").write_text("x" * 20_000)
            found = self.findings("10.9.0.2:80", "--", "sh", "-c", SERVE.format(PROGRAM, folder))
        self.assertNotIn("fail", found.values(), found)
        self.assertEqual(found["reset.in-window"], "pass")

    def test_text_and_page_say_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.html"
            done = conform("10.77.0.100:8000", "--only", "open.mss", "--only", "closed", "--html", page,
                           "--", sys.executable, "-c", KERNEL)
            self.assertEqual(done.stdout.splitlines()[-1], "4 passed, 0 failed, 0 not observable")
            self.assertIn("4 passed, 0 failed, 0 not observable", page.read_text())
            self.assertEqual(page.read_text().count("<tr class=\"pass\">"), 4)

    def test_wrong_usage_is_told(self):
        for words, message in ((["10.77.0.100"], "is not ADDRESS:PORT"), (["10.77.0.100:8000", "--only", "x"], "--list"),
                               (["10.77.0.100:8000", "--addr", "10.0.0.1/24"], "need --tun"),
                               (["10.77.0.100:8000", "--closed-port", "70000"], "1 to 65535")):
            done = conform(*words)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)

    def test_nobody_there_is_an_error(self):
        done = conform("10.77.0.100:81", "--only", "open.mss")
        self.assertEqual(done.returncode, 1)
        self.assertIn("answers no SYN", done.stderr)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    doctor = json.loads(subprocess.run([PROGRAM, "doctor", "--json"], capture_output=True).stdout)
    if doctor["backend"] != "tun":
        print("skipped: no private network with a TUN can be made here; estab doctor says why")
        sys.exit(77)
    unittest.main()

"""examples/run: each situation runs, and shows what it is about. Ends with 77 where no private network can be had."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import private_network

ESTAB = ""
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "run"


def example(name):
    done = subprocess.run([EXAMPLES / name], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "ESTAB": ESTAB})
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


class Examples(unittest.TestCase):
    def test_impatience_costs_requests(self):
        impatient, patient = re.findall(r"(\d+) requests for 40 answers", example("retry-storm.sh"))
        self.assertGreater(int(impatient), 40)
        self.assertEqual(patient, "40")

    def test_names_that_do_not_resolve(self):
        refused, unanswered = example("dns-failing.sh").splitlines()
        self.assertRegex(refused, r"after 0\.\d s; by address: ok$")
        self.assertRegex(unanswered, r"after [1-9]\d*\.\d s; by address: ok$")
        self.assertNotIn(" resolved", refused + unanswered)

    @unittest.skipIf(shutil.which("curl") is None, "not installed: curl")
    def test_a_cut_upload_arrives_only_when_it_is_tried_again(self):
        once, again = example("cut-upload.sh").splitlines()
        self.assertRegex(once, r"status [1-9]\d*, answer \"\", .*reset")
        self.assertRegex(again, r"status 0, answer \"all of it\", .*reset.*closed")

    def test_a_managed_queue_is_shorter(self):
        deep, managed = map(int, re.findall(r"takes (\d+) ms", example("bufferbloat.sh")))
        self.assertLess(managed, deep)

    def test_an_agent_reaches_what_it_may(self):
        told = example("agent-allowlist.sh")
        self.assertIn("the service: ok\n", told)
        self.assertNotIn("reached", told)
        self.assertEqual(told.count("denied"), 4)

    @unittest.skipIf(shutil.which("curl") is None, "not installed: curl")
    def test_a_network_in_a_file(self):
        api, tired, files, ends = example("in-a-world.sh").splitlines()
        self.assertRegex(api, r"^http://api\.example\.com/: 200, 2000 octets in 0\.\d+ s$")
        self.assertRegex(tired, r": 503, 10000 octets in \d+\.\d+ s$")
        self.assertRegex(files, r": 200, 1048576 octets")
        self.assertEqual(ends.count("closed"), 3)

    def test_the_test_in_a_project(self):
        done = subprocess.run([sys.executable, EXAMPLES / "test_download.py"], capture_output=True, text=True,
                              timeout=120, env={**os.environ, "ESTAB": ESTAB})
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    private_network.main(globals())

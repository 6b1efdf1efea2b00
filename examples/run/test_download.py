"""pytest: a download over a bad link ends well, and nothing gives up on the way.

    ESTAB=build/release/src/cli/estab pytest examples/run/test_download.py      (or python3 -m unittest)
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent
CLIENT = """
import sys, urllib.request
sys.exit(len(urllib.request.urlopen(sys.argv[1], timeout=30).read()) != 200_000)
"""


class Download(unittest.TestCase):
    def test_over_3g_with_losses(self):
        server = subprocess.Popen([sys.executable, HERE / "server.py", "18123"], stdout=subprocess.DEVNULL)
        try:
            with tempfile.TemporaryDirectory() as folder:
                told = pathlib.Path(folder) / "run.json"
                done = subprocess.run(
                    [os.environ.get("ESTAB", "estab"), "run", "-q", "--link", "lte", "--loss", "1%", "--seed", "1",
                     "--host-loopback", "--json", told, "--", sys.executable, "-c",
                     "import time; time.sleep(0.5)\n" + CLIENT, "http://10.77.0.1:18123/200000"])
                self.assertEqual(done.returncode, 0)
                run = json.loads(told.read_text())
        finally:
            server.kill()
            server.wait()
        self.assertEqual([c["ending"] for c in run["connections"]], ["closed"])
        self.assertEqual(run["totals"]["refused"], 0)
        self.assertLess(run["duration_s"], 20)


if __name__ == "__main__":
    unittest.main()

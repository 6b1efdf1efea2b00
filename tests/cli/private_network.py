"""What the tests of `estab run` have in common: they need a private network, and end with 77 where none can be had."""
import os
import subprocess
import sys
import unittest


def main(test):
    """Runs the tests of a program whose globals are `test`; its first word is the estab to be tested."""
    estab = test["ESTAB"] = os.path.abspath(sys.argv.pop(1))
    # A backend that is named does not give way to --own-tcp.
    probes = [subprocess.run([estab, "run", "-q", "--backend", backend, "--", "true"], capture_output=True, text=True)
              for backend in ("tun", "veth")]
    if all(probe.returncode != 0 for probe in probes):
        print(f"skipped: {probes[0].stderr.strip()}")
        sys.exit(77)
    unittest.main()

"""What the tests of `estab run` have in common: which backend they are about, and that none of them silently becomes
another. A backend that is named does not give way to --own-tcp.
"""
import os
import subprocess
import sys
import unittest


def probe(estab, backend, **options):
    return subprocess.run([estab, "run", "-q", "--backend", backend, "--", "true"], capture_output=True, text=True,
                          **options)


def working(estab, **options):
    """Which of the private networks can be had, and what is said where none can."""
    probes = {backend: probe(estab, backend, **options) for backend in ("tun", "veth")}
    return [b for b, done in probes.items() if done.returncode == 0], probes["tun"].stderr.strip()


def main(test):
    """Runs the tests of a program whose globals are `test`: ESTAB [--own-tcp] …. Ends with 77 where it cannot be had.

    BACKENDS are those that can be had, or own-tcp; BACKEND is the first.
    """
    estab = test["ESTAB"] = os.path.abspath(sys.argv.pop(1))
    if "--own-tcp" in sys.argv:
        sys.argv.remove("--own-tcp")
        done = probe(estab, "own-tcp")
        backends, why = [] if done.returncode else ["own-tcp"], done.stderr.strip()
    else:
        backends, why = working(estab)
    if not backends:
        print(f"skipped: {why}")
        sys.exit(77)
    test["BACKENDS"], test["BACKEND"] = backends, backends[0]
    unittest.main()

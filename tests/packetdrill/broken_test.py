#!/usr/bin/env python3
"""Scripts can fail: each line of broken.txt breaks a rule by a parameter, and its script must notice.

    broken_test.py ESTAB
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    estab, wrong, count = sys.argv[1], [], 0
    for line in (HERE / "broken.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        script, *parameters = line.split()
        path = str(HERE / f"{script}.pkt")
        count += 1
        for options, status in ([], 0), ([word for p in parameters for word in ("--set", p)], 1):
            done = subprocess.run([estab, "packetdrill", "-q", *options, path], capture_output=True, text=True,
                                  check=False)
            if done.returncode != status:
                wrong.append(f"{line}: status {done.returncode}, not {status}: {done.stdout}{done.stderr}")
                break
    print("\n".join([*wrong, f"{count - len(wrong)} of {count} broken rules were noticed"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

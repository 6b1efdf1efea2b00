"""What docs/SIMULATION.md prints for many machines does what it says: GNU parallel (where there is one), the array
of Slurm and the Job of Kubernetes with `sbatch` and `kubectl` played here, each with fewer seeds. Its test in C++
is that of examples/simulated, which is compiled."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs/SIMULATION.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.S | re.M)
SEEDS = 128


def block(start):
    found = [text for _, text in BLOCKS if text.startswith(start)]
    assert len(found) == 1, start
    return re.sub(r"--seeds 1\.\.\d+", f"--seeds 1..{SEEDS}", found[0])


class Sweeps(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="estab-sweep-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "bin").mkdir()
        (self.folder / "bin/estab").symlink_to(ESTAB)
        whole = subprocess.run([ESTAB, "sim", "swarm", "--seeds", f"1..{SEEDS}"], capture_output=True, text=True)
        self.assertEqual(whole.returncode, 0, whole)
        self.wanted = whole.stdout

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def shell(self, text):
        run = subprocess.run(["sh", "-c", text], capture_output=True, text=True, cwd=self.folder, timeout=100,
                             env={**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"})
        self.assertEqual(run.returncode, 0, run)
        return run.stdout

    @unittest.skipUnless(shutil.which("parallel"), "no GNU parallel")
    def test_parallel(self):
        self.assertEqual(self.shell(block("parallel ")), self.wanted)

    def test_slurm(self):
        script = block("#!/bin/sh\n#SBATCH")
        first, last = map(int, re.search(r"--array=(\d+)-(\d+)", script).groups())
        (self.folder / "swarm.sh").write_text(script)
        self.program("sbatch", "#!/bin/sh\n[ $1 = --wait ] || exit 2\n"
                     f"for n in $(seq {first} {last}); do SLURM_ARRAY_TASK_ID=$n sh $2 || exit 1; done\n")
        self.assertEqual(self.shell(block("sbatch ")), self.wanted)

    def test_kubernetes(self):
        job = block("apiVersion: batch/v1")
        command = json.loads(re.search(r"command: \[sh, -c, (\".*\")\]", job)[1])
        pods = int(re.search(r"completions: (\d+)", job)[1])
        self.assertIn(f"/{pods} ", command)
        (self.folder / "command").write_text(command)
        self.program("kubectl", "#!/bin/sh\ncase $1 in\nwait) ;;\n"
                     f"get) for n in $(seq 0 {pods - 1}); do echo pod/swarm-$n-x7k2q; done ;;\n"
                     "logs) n=${2#pod/swarm-}; JOB_COMPLETION_INDEX=${n%-*} sh command ;;\n*) exit 2 ;;\nesac\n")
        self.assertEqual(self.shell(block("kubectl wait")), self.wanted)

    def test_the_test_is_the_example(self):
        self.assertEqual(block("#include <estab/sim.hpp>"), (ROOT / "examples/simulated/transfer_test.cpp").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=1)

"""The manual pages that `make install` installs: one for each command, whole, and clean for groff."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def help_of(*words):
    return subprocess.run([ESTAB, *words, "--help"], capture_output=True, text=True, check=True).stdout


class Manual(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        subprocess.run([sys.executable, "-B", ROOT / "tools" / "man", "--estab", ESTAB, "--out", cls.folder.name],
                       check=True)
        cls.pages = {page.stem: page for page in pathlib.Path(cls.folder.name).glob("*.1")}
        cls.commands = re.findall(r"^  (\S+) ", help_of().split("Commands:\n")[1].split("\n\n")[0], re.M)

    def test_each_command_has_a_page_and_only_those(self):
        self.assertEqual(set(self.pages), {"estab"} | {f"estab-{command}" for command in self.commands})

    def test_each_command_is_described_in_words(self):
        for name in self.pages:
            self.assertTrue((ROOT / "docs" / "man" / f"{name}.roff").is_file(), f"docs/man/{name}.roff is missing")

    def test_each_option_is_there(self):
        for command in self.commands:
            page = self.pages[f"estab-{command}"].read_text().replace("\\-", "-")
            for option in re.findall(r"^  (-[^ ,[=]+)", help_of(command), re.M):
                self.assertIn(f".B {option}", page, command)

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_groff_has_nothing_to_complain_of(self):
        for page in self.pages.values():
            run = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", page], capture_output=True, text=True)
            self.assertEqual(run.stderr, "")


unittest.main()

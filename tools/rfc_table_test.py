#!/usr/bin/env python3
"""tools/rfc-table finds citations and tests, and the table in the tree is the one that it makes."""
import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(__file__).resolve().parent / "rfc-table"
LOADER = importlib.machinery.SourceFileLoader("rfc_table", str(PROGRAM))
RFC_TABLE = importlib.util.module_from_spec(importlib.util.spec_from_loader("rfc_table", LOADER))
LOADER.exec_module(RFC_TABLE)


def collect(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return RFC_TABLE.collect(pathlib.Path(root))


class Citations(unittest.TestCase):
    def test_in_a_function(self):
        code, _ = collect({"src/tcp/a.cpp": "bool Connection::sends(Instant now) {\n    x();  // MUST-1\n}\n"})
        self.assertEqual(list(code["MUST-1"]), ["src/tcp/a.cpp sends"])

    def test_above_a_function(self):
        code, _ = collect({"src/tcp/a.cpp": "// Why: MUST-2, SHLD-3.\nvoid f(int) {\n}\n"})
        self.assertEqual(list(code["MUST-2"]), ["src/tcp/a.cpp f"])
        self.assertEqual(list(code["SHLD-3"]), ["src/tcp/a.cpp f"])

    def test_beside_a_member(self):
        code, _ = collect({"src/tcp/a.hpp": "struct A {\n    bool on = false;  // MAY-4\n};\n"})
        self.assertEqual(list(code["MAY-4"]), ["src/tcp/a.hpp on"])

    def test_has_its_line(self):
        code, _ = collect({"src/tcp/a.cpp": "\nvoid f() {\n    x();  // MUST-1\n}\n"})
        self.assertEqual(code["MUST-1"], {"src/tcp/a.cpp f": 3})

    def test_of_those_who_only_watch_do_not_count(self):
        code, _ = collect({"src/sim/a.cpp": "// MUST-1\nvoid f() {\n}\n"})
        self.assertEqual(code, {})


class Tests(unittest.TestCase):
    def test_by_name(self):
        _, tests = collect({"tests/x/a.cpp": "TEST(A, Must5_Holds) {\n}\nTEST(B, MUST_6_7_Hold) {\n}\n"})
        self.assertEqual({k: list(v) for k, v in tests.items()},
                         {"MUST-5": ["A.Must5_Holds"], "MUST-6": ["B.MUST_6_7_Hold"],
                          "MUST-7": ["B.MUST_6_7_Hold"]})

    def test_by_citation(self):
        _, tests = collect({"src/tcp/a_test.cpp": "// MUST-1\nTEST(A, B) {  // MUST-2\n    x();  // MUST-3\n}\n"})
        self.assertEqual({k: list(v) for k, v in tests.items()},
                         {"MUST-1": ["A.B"], "MUST-2": ["A.B"], "MUST-3": ["A.B"]})


    def test_of_scripts(self):
        _, tests = collect({"tests/packetdrill/rfc1/a.pkt": "// RFC 1 2, MUST-1: so.\n0 close(3) = 0\n"})
        self.assertEqual(tests, {"MUST-1": {"rfc1/a.pkt": None}})


class DeadMarks(unittest.TestCase):
    TREE = {"docs/rfc/9293.tsv": "MUST-1\t3\tText.\t\n", "src/tcp/a.cpp": "void f() {\n    x();  // MUST-1\n}\n",
            "tests/x/a.cpp": "TEST(A, Must1_Holds) {\n}\n"}

    def wrong(self, **files):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**self.TREE, **{k.replace("__", "/"): v for k, v in files.items()}}.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return RFC_TABLE.table(pathlib.Path(root))[1]

    def test_none(self):
        self.assertEqual(self.wrong(), [])

    def test_a_number_that_does_not_exist(self):
        self.assertEqual(self.wrong(**{"src__tcp__b.cpp": "// MUST-70\nvoid g() {\n}\n"}),
                         ["MUST-70 is cited, but RFC 9293 has no such requirement"])

    def test_a_must_without_code_or_test(self):
        self.assertEqual(self.wrong(**{"src__tcp__a.cpp": "void f() {\n}\n"}), ["MUST-1: nothing in src/ cites it"])
        self.assertEqual(self.wrong(**{"tests__x__a.cpp": "\n"}), ["MUST-1: no test cites it"])

    def test_a_remark_that_names_what_is_not_there(self):
        self.assertEqual(self.wrong(**{"docs__rfc__9293.tsv": "MUST-1\t3\tText.\tsee docs/decisions/0099, `A.B`\n"}),
                         ["MUST-1: the remark names docs/decisions/0099, which is not there",
                          "MUST-1: the remark names the test A.B, which is not there"])


class Tree(unittest.TestCase):
    def test_the_table_is_up_to_date(self):
        done = subprocess.run([sys.executable, "-B", str(PROGRAM), "--check"], stderr=subprocess.PIPE, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()

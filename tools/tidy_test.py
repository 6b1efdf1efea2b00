#!/usr/bin/env python3
"""tools/tidy finds a planted violation of each kind, and leaves alone what only looks like one."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import tempfile
import unittest

# A program, so its name has no ending that import would know.
LOADER = importlib.machinery.SourceFileLoader("tidy", str(pathlib.Path(__file__).resolve().parent / "tidy"))
TIDY = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", LOADER))
LOADER.exec_module(TIDY)


def tidy(files, *arguments):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                path.write_bytes(text)
            else:
                path.write_text(text)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            status = TIDY.main(["--root", root, *arguments])
        return status, output.getvalue()


class Tidy(unittest.TestCase):
    def finds(self, path, text, rule, line=1):
        status, output = tidy({path: text})
        self.assertEqual(status, 1, output)
        self.assertIn(f"{path}:{line}: {rule}: ", output)
        self.assertEqual(len(output.splitlines()), 1, output)

    def accepts(self, path, text):
        self.assertEqual(tidy({path: text}), (0, ""))


class Layers(Tidy):
    def test_downward_is_allowed(self):
        self.accepts("src/tcp/a.cpp", '#include "tcp/a.hpp"\n#include "wire/tcp.hpp"\n#include <span>\n')
        self.accepts("src/cli/a.cpp", '#include "sim/world.hpp"\n#include "drivers/tun.hpp"\n')
        self.accepts("include/estab/stack.hpp", '#include "stack/stack.hpp"\n')
        self.accepts("src/observe/a.cpp", '#include "stack/counters.hpp"\n')

    def test_upward_is_not(self):
        self.finds("src/base/a.hpp", '\n#include "wire/tcp.hpp"\n', "layer", line=2)
        self.finds("src/stack/a.cpp", '#include "socket/stream.hpp"\n', "layer")
        self.finds("src/drivers/a.cpp", '  #  include <runtime/loop.hpp>\n', "layer")

    def test_siblings_do_not_see_each_other(self):
        self.finds("src/tcp/a.cpp", '#include "ip/route.hpp"\n', "layer")
        self.finds("src/tcp/a.cpp", '#include "link/path.hpp"\n', "layer")
        self.finds("src/congestion/a.cpp", '#include "wire/tcp.hpp"\n', "layer")
        self.finds("src/device/a.hpp", '#include "wire/ip.hpp"\n', "layer")
        self.finds("src/sim/a.cpp", '#include "runtime/loop.hpp"\n', "layer")
        self.finds("src/sim/a.cpp", '#include "drivers/tun.hpp"\n', "layer")
        self.finds("src/runtime/a.cpp", '#include "sim/world.hpp"\n', "layer")
        self.finds("src/observe/a.cpp", '#include "socket/stream.hpp"\n', "layer")

    def test_the_referee_sees_only_base_and_wire(self):
        self.accepts("src/observe/referee.cpp", '#include "observe/referee.hpp"\n#include "wire/tcp.hpp"\n')
        self.finds("src/observe/referee.cpp", '#include "tcp/segment.hpp"\n', "layer")
        self.finds("src/observe/referee_flow.hpp", '#include "observe/text.hpp"\n', "layer")

    def test_the_public_headers_are_for_the_top(self):
        self.finds("src/tcp/a.cpp", '#include "estab/stack.hpp"\n', "layer")
        self.finds("include/estab/a.hpp", '#include "cli/registry.hpp"\n', "layer")

    def test_a_bare_name_and_an_unknown_module(self):
        self.finds("src/tcp/a.cpp", '#include "segment.hpp"\n', "layer")
        self.finds("src/helpers/a.cpp", "\n", "layer")


class Vows(Tidy):
    def test_headers(self):
        for header in ("thread", "atomic", "mutex", "iostream", "fstream", "random", "unistd.h",
                       "sys/socket.h", "linux/if_tun.h", "fmt/format.h", "boost/asio.hpp"):
            self.finds("src/tcp/a.cpp", f"#include <{header}>\n", "vow")
            self.accepts("src/drivers/a.cpp", f"#include <{header}>\n")
        self.finds("src/sim/a.cpp", "#include <thread>\n", "vow")

    def test_words(self):
        for line in ("auto t = std::chrono::steady_clock::now();", "float f;", "double d = 1;", "throw 1;",
                     "auto* p = dynamic_cast<A*>(q);", "thread_local int n;", 'auto e = getenv("A");'):
            self.finds("src/stack/a.cpp", f"void f() {{\n    {line}\n}}\n", "vow", line=2)
            self.accepts("src/runtime/a.cpp", f"void f() {{\n    {line}\n}}\n")

    def test_variables_that_can_change(self):
        for line in ("static int count = 0;", "static int count;", "inline int count{0};",
                     "static std::array<int, 4> table{};"):
            self.finds("src/tcp/a.cpp", line + "\n", "vow")
        for line in ("static int next(int n);", "static constexpr int n = 1;", "static const int n{1};",
                     "inline constexpr int n = 1;", "inline int next(int n) { return n; }",
                     "static_assert(sizeof(int) == 4);", "inline namespace v1 {}",
                     "inline bool operator==(A, A) { return true; }", "static inline int f() { return 1; }"):
            self.accepts("src/tcp/a.cpp", line + "\n")

    def test_comments_strings_and_tests_are_free(self):
        self.accepts("src/tcp/a.cpp", '// a float, static int n = 0;\n/* throw\n double */ auto s = "float";\n')
        self.accepts("src/tcp/a.cpp", 'auto s = R"(throw " float)"; auto c = \'"\'; int n = 1\'000;\n')
        self.accepts("src/tcp/a_test.cpp", "#include <thread>\ndouble d;\nstatic int n = 0;\n")
        self.finds("src/tcp/a.cpp", 'auto s = "// no comment"; float f;\n', "vow")


class Words(Tidy):
    def test_banned(self):
        for word in ("../" + "shared/a.md", "/wo" + "rk/main", "/ro" + "ot/a", "/tmp/" + "team",
                     "TO" + "DO", "FIX" + "ME", "X" + "XX"):
            self.finds("docs/a.md", f"text\n see {word}: \n", "banned word", line=2)
            self.finds("Makefile", f"# {word}\n", "banned word")

    def test_what_contains_them_only_in_part_or_is_not_text(self):
        self.accepts("tools/a", "mktemp -d /tmp/estab.XX" + "XXXX; framework/main\n")
        self.accepts("tests/a.pcap", b"\0TO" + b"DO")
        self.accepts("third_party/chart.js", "// TO" + "DO\n")


class Sizes(Tidy):
    def test_a_wide_line(self):
        self.finds("src/cli/a.cpp", "//" + 99 * "x" + "\n", "columns")
        self.accepts("src/cli/a.cpp", "//" + 98 * "ä" + "\n")
        wide = {"src/cli/a_test.cpp": "\n//" + 99 * "x" + "\n"}  # a table may need it: listed only
        self.assertEqual(tidy(wide), (0, "large: and 1 more, 1 of them wide lines (tools/tidy --sizes)\n"))
        self.assertEqual(tidy(wide, "--sizes"), (0, "large: src/cli/a_test.cpp:2: 101 columns\n"))

    def test_a_long_file_and_a_long_function_are_listed(self):
        statements = "    if (n) { --n; }\n"
        function = f"int f(int n) {{\n{59 * statements}}}\n"
        self.assertEqual(tidy({"src/cli/a.cpp": f"namespace a {{\n\n{function}}}\n"}),
                         (0, "large: src/cli/a.cpp:3: 61 lines in f\n"))
        self.accepts("src/cli/a.cpp", function.replace(statements, "", 1))
        self.assertEqual(tidy({"src/cli/a.cpp": 501 * "\n"}), (0, "large: src/cli/a.cpp: 501 lines\n"))
        self.accepts("src/cli/a.cpp", 500 * "\n")

    def test_sizes_lists_all(self):
        files = {f"src/cli/a{n}.cpp": 501 * "\n" for n in range(12)}
        self.assertIn("and 4 more", tidy(files)[1])
        self.assertEqual(len(tidy(files, "--sizes")[1].splitlines()), 12)


if __name__ == "__main__":
    unittest.main()

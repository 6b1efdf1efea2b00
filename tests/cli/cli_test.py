"""The program as a stranger meets it: help, mistakes, exit statuses, files. No network is used."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)


def estab(*words, **options):
    return subprocess.run([ESTAB, *words], capture_output=True, text=True, timeout=60, **options)


class Usage(unittest.TestCase):
    def fails(self, status, text, *words):
        run = estab(*words)
        self.assertEqual(run.returncode, status, run)
        self.assertIn(text, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertEqual(run.stdout, "")

    def test_mistakes_are_one_line_and_two(self):
        self.fails(2, "which command?")
        self.fails(2, "did you mean serve?", "sreve")
        self.fails(2, "unknown option --vresion; did you mean --version?", "--vresion")
        self.fails(2, "did you mean --trace?", "serve", ".", "--trcae", "--", "true")
        self.fails(2, "DIR is missing", "serve")
        self.fails(2, "unexpected argument 'b'", "serve", "a", "b")
        self.fails(2, "--tun NAME", "serve", ".")
        self.fails(2, "no command behind --", "serve", ".", "--")
        self.fails(2, "--impair: loss=abc", "serve", ".", "--impair", "loss=abc", "--", "true")
        self.fails(2, "did you mean rto_min?", "serve", ".", "--set", "rto_mni=1s", "--", "true")
        self.fails(2, "not between 1 and 65535", "serve", ".", "--port", "0", "--", "true")
        self.fails(2, "not a whole number", "serve", ".", "--port", "http", "--", "true")
        self.fails(2, "known: auto, tun, veth", "serve", ".", "--backend", "xdp", "--", "true")
        self.fails(2, "known: linux", "config", "show", "--profile", "windows")
        self.fails(2, "need --addr", "serve", ".", "--tun", "t0")
        self.fails(2, "--out COPY is missing", "demo", ESTAB)
        self.fails(2, "ftp is not spoken here", "get", "ftp://example.com/file")

    def test_our_failure_is_125_beside_a_command(self):
        self.fails(125, "cannot serve /nonexistent: No such file", "serve", "/nonexistent", "--", "true")
        self.fails(1, "cannot read /nonexistent", "demo", "/nonexistent", "--out", "x")

    def test_help(self):
        commands = estab("--help").stdout
        self.assertLess(commands.index("Examples:"), commands.index("Commands:"))
        for name in ("serve", "demo", "doctor", "config"):
            self.assertIn(f"\n  {name} ", commands)
            for option in ("-h", "--help"):
                run = estab(name, option)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                for line in run.stdout.splitlines():
                    self.assertLessEqual(len(line), 80, line)
        self.assertGreater(len(estab("serve", "--help").stdout), len(estab("serve", "-h").stdout))

    def test_version(self):
        self.assertRegex(estab("--version").stdout, r"^estab \d+\.\d+\.\d+\n$")
        self.assertEqual(json.loads(estab("--version", "--json").stdout)["schema"], "estab.version/1")

    def test_a_closed_pipe_ends_it_quietly(self):
        read, write = os.pipe()
        os.close(read)
        run = subprocess.run([ESTAB, "config", "show"], stdout=write, stderr=subprocess.PIPE, timeout=60)
        os.close(write)
        self.assertEqual(run.stderr, b"")


class Scenarios(unittest.TestCase):
    def run_text(self, text, *words):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "s.toml")
            path.write_text(text)
            return estab("sim", "run", "s.toml", *words, cwd=folder)

    def test_mistakes_have_a_line_and_a_column(self):
        for text, place, word in [('seed = ', "s.toml:1:", ""), ('\nsede = 1', "s.toml:2:1:", "possible: seed"),
                                  ('[link]\nrate = "5mbps"', "s.toml:2:8:", "a rate in bit"),
                                  ('[link]\nlos = "1%"', "s.toml:2:7:", "unknown (possible: loss"),
                                  ('[link]\nloss = 1', "s.toml:2:8:", "text in quotes"),
                                  ('[link]\nloss = "1%,rate=1mbit"', "s.toml:2:8:", "missing"),
                                  ('[flow]', "s.toml:1:1:", "[[flow]]"),
                                  ('[[flow]]\ncc = "cubix"', "s.toml:2:6:", "none of"),
                                  ('[[flow]]\napp = "x"', "s.toml:2:7:", "slow-reader"),
                                  ('[[flow]]\ncount = 0', "s.toml:2:9:", "1 to 10000"),
                                  ('[[change]]\nlink = {}', "s.toml:1:", "when"),
                                  ('[box]\nstrip = ["x"]', "s.toml:2:", "sack, timestamps"),
                                  ('[[udp]]\nsize = 100', "s.toml:1:", "a rate"),
                                  ('[[udp]]\nrate = "1mbit"\non = "1s"', "s.toml:1:", "belong together"),
                                  ('[[change]]\nat = "1s"\nmtu = 9000', "s.toml:3:7:", "576 to 1500"),
                                  ('[link]\nrate-trace = "no"', "s.toml:2:14:", "no cannot be read"),
                                  ('[[flow]]\nset = "abe=on"', "s.toml:2:7:", "a list"),
                                  ('[[flow]]\nset = ["abe=on", "abe=x"]', "s.toml:2:18:", "none of"),
                                  ('duration = "1h30"', "s.toml:1:12:", "a time")]:
            run = self.run_text(text)
            self.assertEqual((run.returncode, run.stdout, run.stderr.count("\n")), (2, "", 1), run)
            self.assertIn(place, run.stderr)
            self.assertIn(word, run.stderr)
        self.assertEqual(self.run_text("", "--rate", "1mbit").returncode, 2)
        self.assertEqual(estab("sim", "run", "no-such").returncode, 2)

    def test_a_scenario_is_what_the_flags_say(self):
        text = 'seed = 5\nduration = "3s"\n[link]\nrate = "10mbit"\nqueue = "codel"\n[[flow]]\ncount = 2'
        by_file = json.loads(self.run_text(text, "--json").stdout)
        by_flags = json.loads(estab("sim", "run", "--flows", "2", "--rate", "10mbit", "--queue", "codel",
                                    "--duration", "3s", "--seed", "5", "--json").stdout)
        self.assertEqual(by_file, by_flags)
        other = json.loads(self.run_text(text, "--json", "--seed", "6").stdout)
        self.assertEqual(other["seed"], 6)

    def test_any_parameter_of_tcp_can_be_set(self):
        text = 'duration = "2s"\n[link]\nrate = "10mbit"\n[[flow]]\nset = ["initial_window=1"]'
        by_file, by_flag = (json.loads(run.stdout)["hash"] for run in (
            self.run_text(text, "--json"), self.run_text(text.replace("set", "# set"), "--json", "--set", "initial_window=1")))
        usual = json.loads(self.run_text(text.replace("set", "# set"), "--json").stdout)["hash"]
        self.assertEqual(by_file, by_flag)
        self.assertNotEqual(by_file, usual)
        self.assertEqual(estab("sim", "run", "--set", "initial_windows=1").returncode, 2)

    def test_applications_changes_and_boxes(self):
        text = """
            duration = "8s"
            rtt = "20ms"
            [link]
            rate = "10mbit"
            queue = "1bdp"
            [[flow]]
            app = "requests"
            bytes = "100k"
            [[flow]]
            app = "chunks"
            bytes = "200k"
            pause = "1s"
            [[flow]]
            app = "slow-reader"
            chunk = "20k"
            pause = "200ms"
            [[flow]]
            app = "abort"
            bytes = "50k"
            [[flow]]
            count = 10
            bytes = "20k"
            every = "200ms"
            [[change]]
            at = "3s"
            for = "1s"
            link = { loss = "100%" }
            [box]
            strip = ["sack", "timestamps"]
            mss-max = 1000
            rewrite-numbers = true"""
        told = json.loads(self.run_text(text, "--json").stdout)
        self.assertEqual((len(told["flows"]), told["violations"]), (14, []))
        self.assertGreater(told["dropped_by_loss"], 10)
        slow = told["flows"][2]["octets"]
        self.assertTrue(20_000 <= slow <= 41 * 20_480, slow)  # 8 s, 20 KB each 0.2 s
        self.assertTrue(all(f["octets"] == 20_480 for f in told["flows"][4:]), told["flows"][4:])

    def test_rates_from_a_trace_and_datagrams(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "s").mkdir()
            pathlib.Path(folder, "s/lte.trace").write_text("1\n3\n4\n")   # 9 Mbit/s
            pathlib.Path(folder, "s/bad.trace").write_text("1\n3\n2\n")
            pathlib.Path(folder, "s/s.toml").write_text(
                'duration = "5s"\n[link]\nrate-trace = "lte.trace"\nqueue = "50p"\n'
                '[[udp]]\nrate = "1mbit"\n[[change]]\nat = "3s"\nlink = { delay = "30ms" }')
            by_file = json.loads(estab("sim", "run", "s/s.toml", "--json", cwd=folder).stdout)
            self.assertEqual(by_file["violations"], [])
            self.assertTrue(0.95 < by_file["utilisation"] <= 1.001, by_file["utilisation"])
            self.assertGreater(by_file["udp"][0]["sent"], 500)
            by_flags = json.loads(estab("sim", "run", "--rate-trace", "s/lte.trace", "--queue", "50p", "--udp", "1mbit",
                                        "--duration", "5s", "--json", cwd=folder).stdout)
            self.assertTrue(0.95 < by_flags["utilisation"] <= 1.001, by_flags["utilisation"])
            back = json.loads(estab("sim", "run", "--rate-trace-back", "s/lte.trace", "--rate", "100mbit",
                                    "--duration", "5s", "--json", cwd=folder).stdout)
            self.assertEqual(back["violations"], [])
            for words in (["sim", "run", "--rate-trace", "s/bad.trace"], ["run", "--rate-trace", "s/bad.trace", "--", "true"],
                          ["serve", ".", "--impair", "up:rate-trace=s/bad.trace", "--", "true"]):
                run = estab(*words, cwd=folder)
                self.assertEqual((run.returncode, run.stdout), (2, ""), run)
                self.assertIn("s/bad.trace:3: goes back in time", run.stderr)

    def test_every_field_is_described(self):
        text = (pathlib.Path(__file__).resolve().parent.parent.parent / "docs/formats/sim.md").read_text()
        run = json.loads(estab("sim", "run", "--duration", "1s", "--udp", "1mbit", "--json").stdout)
        swarm = json.loads(estab("sim", "swarm", "--seeds", "1..2", "--json").stdout)
        self.assertEqual((run["schema"], swarm["schema"]), ("estab.sim/1", "estab.swarm/1"))
        for part in (run, run["flows"][0], run["flows"][0]["limited_s"], run["udp"][0], swarm):
            for field in part:
                self.assertIn(f"`{field}`", text)

    def test_what_is_ready_runs(self):
        names = [line.split()[0] for line in estab("sim", "list").stdout.split("NAME`")[1].splitlines()[1:]]
        self.assertGreater(len(names), 5)
        for name in ("outage", "middlebox", "video", "mtu-change", "cross-traffic"):
            self.assertIn(name, names)
            run = estab("sim", "run", name, "--no-referee", "--json")
            self.assertEqual(run.returncode, 0, run)


class Config(unittest.TestCase):
    def test_show(self):
        shown = json.loads(estab("config", "show", "--json", "--set", "tcp_retries2=7").stdout)
        self.assertEqual(shown["schema"], "estab.config/1")
        rows = {row["name"]: row for row in shown["parameters"]}
        self.assertEqual((rows["retries2"]["value"], rows["retries2"]["default"]), ("7", "15"))
        self.assertEqual(rows["retries2"]["source"], "set")
        self.assertEqual(rows["rto_min"]["value"], "200ms")
        rfc = json.loads(estab("config", "show", "--json", "--profile", "rfc").stdout)
        rows = {row["name"]: row for row in rfc["parameters"]}
        self.assertEqual((rows["rto_min"]["value"], rows["rto_min"]["source"]), ("1s", "profile"))
        for line in estab("config", "show").stdout.splitlines():
            self.assertLessEqual(len(line), 80, line)


class Demo(unittest.TestCase):
    def copies(self, octets, *options):
        with tempfile.TemporaryDirectory() as folder:
            source, copy = pathlib.Path(folder, "a"), pathlib.Path(folder, "b")
            source.write_bytes(os.urandom(octets))
            run = estab("demo", str(source), "--out", str(copy), *options, cwd=folder)
            self.assertEqual(run.returncode, 0, run.stderr[-2000:])
            self.assertEqual(source.read_bytes(), copy.read_bytes())
            capture = pathlib.Path(folder, "c.pcapng")
            return run.stderr, capture.read_bytes() if capture.exists() else b""

    def test_sizes(self):
        for octets in (0, 1, 65536, 1_000_000):
            self.copies(octets)

    def test_a_bad_path_only_takes_longer(self):
        text, capture = self.copies(300_000, "--impair", "loss=5%,delay=10ms,seed=3", "--pcap", "c.pcapng")
        self.assertIn(b"estab: event=retransmit", capture)

    def test_the_trace_is_tcpdumps(self):
        text, _ = self.copies(65536, "--trace", "--quiet")
        first = text.splitlines()[0]
        self.assertRegex(first, r"^\d\d:\d\d:\d\d\.\d{6} IP 10\.77\.0\.100\.\d+ > 10\.77\.0\.2\.80: Flags \[S\], seq \d+")

    def test_the_same_seed_is_the_same_run(self):
        traces = []
        for _ in range(2):
            text, _ = self.copies(50_000, "--trace", "-q", "--seed", "7", "--impair", "loss=3%")
            traces.append([line.split(" ", 1)[1].split(" ecr")[0].split("TS val")[0] for line in text.splitlines()])
        self.assertEqual(traces[0], traces[1])


class Doctor(unittest.TestCase):
    def test_json(self):
        run = estab("doctor", "--json")
        facts = json.loads(run.stdout)
        self.assertEqual(facts["schema"], "estab.doctor/1")
        self.assertEqual(run.returncode, 1 if facts["backend"] == "none" else 0)


if __name__ == "__main__":
    unittest.main()

"""flow, explain, analyze and report on the traces of tutorials, and on captures of what happened.

    story_test.py ESTAB [--update]      with --update the golden files are written anew: look at them then
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

ESTAB = sys.argv.pop(1)
UPDATE = "--update" in sys.argv
if UPDATE:
    sys.argv.remove("--update")
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
TRACES = CAPTURES / "traces"
GOLDEN = TRACES / "expected"


def estab(*words, **options):
    return subprocess.run([ESTAB, *map(str, words)], capture_output=True, timeout=120, **options)


def capture(trace):
    return estab("undump", TRACES / f"{trace}.txt").stdout


def explained(trace, *words):
    return estab("explain", "-", *words, input=capture(trace)).stdout.decode()


def said(trace, *words):
    """An explanation without its line breaks."""
    return re.sub(r"\s+", " ", explained(trace, *words))


class Golden(unittest.TestCase):
    maxDiff = None

    def same(self, name, text):
        text = text.decode() if isinstance(text, bytes) else text
        file = GOLDEN / name
        if UPDATE:
            GOLDEN.mkdir(exist_ok=True)
            file.write_text(text)
        self.assertEqual(text, file.read_text(), name)

    def test_traces(self):
        for trace in ("s0", "s1", "s2-greeting", "s2-flow", "s3"):
            octets = capture(trace)
            self.same(f"{trace}.flow", estab("flow", "-", input=octets).stdout)
            self.same(f"{trace}.explain", estab("explain", "-", input=octets).stdout)
            self.same(f"{trace}.analyze", estab("analyze", "-", input=octets).stdout)
            self.same(f"{trace}.frames", estab("analyze", "--frames", "-", input=octets).stdout)
        self.same("s1.flow.json", estab("flow", "--json", "--all", "-", input=capture("s1")).stdout)
        self.same("s1.second.explain.md", estab("explain", "--markdown", "-", "1", input=capture("s1")).stdout)

    def test_report(self):
        for trace in ("s0", "s1", "s2-greeting", "s2-flow", "s3"):
            page = estab("report", "-", "-o", "-", input=capture(trace)).stdout.decode()
            data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1])
            connections = [[c["client"], c["server"], c["state"], c["from_client"]["bytes"], c["from_server"]["bytes"]]
                           for c in data["connections"]]
            drawings = [re.sub(r"<title>.*?</title>", "", drawing, flags=re.S)
                        for drawing in re.findall(r'<template id="flow-\d+">(.*?)</template>', page, re.S)]
            words = [re.sub(r"<[^>]*>", " ", drawing).split() for drawing in drawings]
            self.same(f"{trace}.report", json.dumps({"connections": connections,
                                                     "flow": [" ".join(w) for w in words]}, indent=1) + "\n")


class WhereTutorialsErr(unittest.TestCase):
    def test_sequence_numbers(self):
        text = said("s0")
        self.assertNotRegex(text, r"SACK\b(?!.{0,60}SYN\+ACK)(?=.{0,10}segment)")     # S0-a
        self.assertIn("SACK, not to be mixed up with SYN+ACK", text)
        self.assertIn("1 + 1024: 1024 octets came in that segment, and nothing is added for them", text)  # S0-b
        self.assertIn("ACK 1026 = 1025 + 1: the client's FIN counts one", text)        # S0-f: x+1025, x+1026
        self.assertIn("accept() finds it; when the program calls it does not show on the wire", text)  # S0-c
        self.assertIn("do not take the former for the round-trip time", text)           # S0-d: 83 ms
        self.assertIn("hard to guess, but not just random", text)                       # S0-e

    def test_textbook(self):
        text = said("s1")
        self.assertIn("segments without it carry octets just as well", text)            # S1-20a
        self.assertIn("the server's program had closed before the ACK was sent", text)  # S1-20b
        self.assertIn("RFC 9293 3.6", text)                                             # S1-20c
        self.assertNotIn("RFC 793]", text)
        self.assertIn("7 x 1448, joined or not yet cut", text)                          # S1-15
        self.assertIn("10 x 1448 octets are out", said("s1", "1"))                      # the initial window
        self.assertIn("29200", text)

    def test_states_and_greeting(self):
        self.assertIn("8 octets came in that segment, and nothing is added", said("s2-greeting"))  # S2-30a
        self.assertIn("the client sends 725 octets, 1 to 725; next is 726", said("s2-flow"))       # S2-31a
        self.assertIn("FIN and ACK in one", said("s2-flow"))                                        # S2-14a
        self.assertIn("LAST-ACK: its own FIN is sent, and what it waits for is the ACK of that", said("s0"))  # S2-4a

    def test_closing(self):
        text = said("s3")
        self.assertIn("simply the next of the client's stream, nothing drawn at random", text)      # S3-5a
        self.assertIn("ACK is set beside FIN", text)                                                # S3-5b
        self.assertIn("The beginning is not in the capture", text)
        flow = estab("flow", "--json", "-", input=capture("s3")).stdout
        rows = json.loads(flow)["connections"][0]["rows"]
        self.assertEqual([(r["seq"], r["ack"], r["client_state"], r["server_state"]) for r in rows],
                         [(1, 1, "FIN-WAIT-1", "CLOSE-WAIT"), (1, 2, "FIN-WAIT-2", "CLOSE-WAIT"),
                          (1, 2, "TIME-WAIT", "LAST-ACK"), (2, 2, "TIME-WAIT", "CLOSED")])


class States(unittest.TestCase):
    def states(self, text):
        made = estab("undump", "-", input=text.encode())
        self.assertEqual(made.stderr, b"")
        flow = estab("flow", "--json", "--all", "-", input=made.stdout).stdout
        return [(r["client_state"], r["server_state"]) for r in json.loads(flow)["connections"][0]["rows"]
                if r["kind"] == "segment"]

    C, S = "10.0.0.1.4000 > 10.0.0.2.80", "10.0.0.2.80 > 10.0.0.1.4000"
    OPEN = (f"1.0 IP {C}: Flags [S], seq 100, win 9, length 0\n"
            f"1.1 IP {S}: Flags [S.], seq 300, ack 101, win 9, length 0\n"
            f"1.2 IP {C}: Flags [.], ack 1, win 9, length 0\n")

    def test_all_four_segments_of_a_close(self):
        self.assertEqual(self.states(self.OPEN +
                                     f"1.3 IP {self.S}: Flags [F.], seq 1, ack 1, win 9, length 0\n"
                                     f"1.4 IP {self.C}: Flags [.], ack 2, win 9, length 0\n"
                                     f"1.5 IP {self.C}: Flags [F.], seq 1, ack 2, win 9, length 0\n"
                                     f"1.6 IP {self.S}: Flags [.], ack 2, win 9, length 0\n"),
                         [("SYN-SENT", "LISTEN"), ("ESTABLISHED", "SYN-RECEIVED"), ("ESTABLISHED", "ESTABLISHED"),
                          ("CLOSE-WAIT", "FIN-WAIT-1"), ("CLOSE-WAIT", "FIN-WAIT-2"), ("LAST-ACK", "TIME-WAIT"),
                          ("CLOSED", "TIME-WAIT")])

    def test_both_close_at_once(self):
        self.assertEqual(self.states(self.OPEN +
                                     f"1.3 IP {self.C}: Flags [F.], seq 1, ack 1, win 9, length 0\n"
                                     f"1.4 IP {self.S}: Flags [F.], seq 1, ack 1, win 9, length 0\n"
                                     f"1.5 IP {self.C}: Flags [.], ack 2, win 9, length 0\n"
                                     f"1.6 IP {self.S}: Flags [.], ack 2, win 9, length 0\n")[-3:],
                         [("CLOSING", "FIN-WAIT-1"), ("CLOSING", "TIME-WAIT"), ("TIME-WAIT", "TIME-WAIT")])

    def test_both_open_at_once(self):
        self.assertEqual(self.states("1.0 IP 10.0.0.1.9 > 10.0.0.2.9: Flags [S], seq 100, win 9, length 0\n"
                                     "1.1 IP 10.0.0.2.9 > 10.0.0.1.9: Flags [S], seq 300, win 9, length 0\n"
                                     "1.2 IP 10.0.0.1.9 > 10.0.0.2.9: Flags [S.], seq 100, ack 301, win 9, length 0\n"
                                     "1.3 IP 10.0.0.2.9 > 10.0.0.1.9: Flags [S.], seq 300, ack 101, win 9, length 0\n")[-1],
                         ("ESTABLISHED", "ESTABLISHED"))

    def test_refused_and_aborted(self):
        self.assertEqual(self.states(f"1.0 IP {self.C}: Flags [S], seq 100, win 9, length 0\n"
                                     f"1.1 IP {self.S}: Flags [R.], seq 0, ack 101, win 0, length 0\n")[-1],
                         ("CLOSED", "CLOSED"))
        self.assertEqual(self.states(self.OPEN + f"1.3 IP {self.C}: Flags [R.], seq 1, ack 1, win 0, length 0\n")[-1],
                         ("CLOSED", "CLOSED"))


class OtherCaptures(unittest.TestCase):
    def test_every_capture_is_told_without_trouble(self):
        for file in sorted(CAPTURES.glob("*.pcap*")):
            damaged = estab("analyze", file).returncode
            for words in (["explain", file], ["flow", file, "--ascii", "--width", "80"]):
                run = estab(*words)
                empty = b"no TCP segment" in run.stderr
                self.assertEqual(run.returncode, 1 if empty else damaged, (words, run.stderr))
                if words[0] == "flow":
                    self.assertLessEqual(max(map(len, run.stdout.decode().splitlines()), default=0), 92, file.name)

    def test_losses_are_told(self):
        text = re.sub(r"\s+", " ", estab("explain", CAPTURES / "loss-rto-server.pcap").stdout.decode())
        self.assertIn("the retransmission timer fired, probably; it doubles each time", text)
        text = re.sub(r"\s+", " ", estab("explain", CAPTURES / "loss-single-server.pcap").stdout.decode())
        self.assertIn("sent again without waiting for a timer", text)
        text = re.sub(r"\s+", " ", estab("explain", CAPTURES / "zero-window-client.pcap").stdout.decode())
        self.assertIn("its window is 0", text)
        self.assertIn("window probe", text)

    def test_one_line_under_each_segment(self):
        file = CAPTURES / "hello-welcome.pcap"
        plain = estab("dump", file).stdout.decode().splitlines()
        lines = estab("dump", "--explain", file).stdout.decode().splitlines()
        self.assertEqual([line for line in lines if not line.startswith("    ")], plain)
        segments = sum("Flags [" in line for line in plain)
        self.assertEqual(sum(line.startswith("    ") for line in lines), segments)

    def test_quiet_parts_are_folded_and_pauses_shown(self):
        rows = json.loads(estab("flow", "--json", CAPTURES / "large-window.pcap").stdout)["connections"][0]["rows"]
        folded = [row for row in rows if row["kind"] == "folded"]
        self.assertTrue(folded)
        segments = sum(r["client"]["segments"] + r["server"]["segments"] for r in folded)
        plain = json.loads(estab("flow", "--json", "--all", CAPTURES / "large-window.pcap").stdout)
        whole = [row for row in plain["connections"][0]["rows"] if row["kind"] == "segment"]
        self.assertEqual(len(whole), segments + sum(row["kind"] == "segment" for row in rows))
        rows = json.loads(estab("flow", "--json", "-", input=capture("s0")).stdout)["connections"][0]["rows"]
        self.assertEqual([round(r["last_s"] - r["time_s"], 2) for r in rows if r["kind"] == "pause"], [29.58, 4.8])


class Forms(unittest.TestCase):
    def test_svg_is_well_formed(self):
        for file in ("hello-welcome.pcap", "loss-random2-client.pcap", "parallel.pcap"):
            root = xml.etree.ElementTree.fromstring(estab("flow", "--svg", CAPTURES / file).stdout)
            self.assertTrue(root.tag.endswith("svg"))

    def test_html_is_whole_or_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "story.html")
            run = estab("explain", CAPTURES / "hello-welcome.pcap", "--html", "-o", page)
            self.assertEqual((run.returncode, run.stdout), (0, b""))
            text = page.read_text()
            self.assertTrue(text.startswith("<!doctype html>") and text.endswith("</html>\n"))
            self.assertEqual(os.listdir(folder), ["story.html"])
            self.assertEqual(estab("explain", "/nonexistent", "--html", "-o", page).returncode, 1)
            self.assertEqual(page.read_text(), text)

    def test_no_colour_but_on_a_terminal(self):
        self.assertNotIn(b"\033", estab("flow", CAPTURES / "loss-single-client.pcap").stdout)

    def test_what_estab_saw_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            source, page = pathlib.Path(folder, "a"), pathlib.Path(folder, "r.html")
            source.write_bytes(bytes(300_000))
            run = estab("demo", source, "--out", pathlib.Path(folder, "b"), "--pcap", pathlib.Path(folder, "c.pcapng"),
                        "--impair", "loss=5%,delay=10ms,seed=3", "--explain", "--report", page, "-q")
            self.assertEqual(run.returncode, 0, run.stderr[-500:])
            self.assertIn(b"\n    SYN: the client asks to open a connection (client SYN-SENT", run.stderr)
            text = page.read_text()
            self.assertIn('<template id="flow-0">', text)
            self.assertIn("event=retransmit", text)
            self.assertTrue(text.endswith("</html>\n"))
            story = estab("explain", pathlib.Path(folder, "c.pcapng")).stdout.decode()
            self.assertIn("estab itself: retransmit", story)
            flow = estab("flow", pathlib.Path(folder, "c.pcapng")).stdout.decode()
            self.assertIn("event=retransmit", flow)


class Mistakes(unittest.TestCase):
    def fails(self, status, text, *words):
        run = estab(*words)
        self.assertEqual((run.returncode, run.stderr.decode().count("\n")), (status, 1), run)
        self.assertIn(text, run.stderr.decode())

    def test_one_line(self):
        file = CAPTURES / "hello-welcome.pcap"
        self.fails(2, "exclude each other", "flow", file, "--svg", "--json")
        self.fails(2, "exclude each other", "explain", file, "--html", "--markdown")
        self.fails(2, "names no connections", "flow", file, "1,")
        self.fails(2, "--width", "flow", file, "--width", "3")
        self.fails(2, "filter", "flow", file, "prot 80")
        self.fails(1, "there is no connection 7, only 0 to 0", "explain", file, "7")
        self.fails(1, "cannot read", "explain", "/nonexistent")
        self.fails(1, "cannot write", "flow", file, "-o", "/nonexistent/x")
        self.fails(1, "no TCP segment", "flow", CAPTURES / "d-empty.pcap")


if __name__ == "__main__":
    unittest.main()

"""estab analyze --labels wireshark beside tshark 4.0: the share of frames of which each field is equal. What
tshark said of tests/captures is in expected/wireshark.tar.xz. By hand, wireshark_test.py ESTAB --table prints
the share of each field, --differences lists every one; with FOLDER the captures in it are taken and the
tshark that is installed is asked."""
import collections
import csv
import json
import pathlib
import subprocess
import sys
import tarfile
import unittest

ESTAB = sys.argv.pop(1)
TABLE = "--table" in sys.argv
DIFFERENCES = "--differences" in sys.argv
FOLDERS = [pathlib.Path(a) for a in sys.argv[1:] if not a.startswith("--")]
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
RECORDED = tarfile.open(CAPTURES / "expected" / "wireshark.tar.xz")
FIELDS = """frame.number frame.time_relative frame.len frame.cap_len ip.src ip.dst ipv6.src ipv6.dst tcp.srcport
tcp.dstport tcp.stream tcp.seq tcp.nxtseq tcp.ack tcp.len tcp.flags tcp.window_size tcp.window_size_scalefactor tcp.completeness
tcp.checksum.status tcp.time_relative tcp.time_delta tcp.options.sack_le tcp.options.sack_re tcp.options.sack.dsack_le
tcp.analysis.flags tcp.analysis.retransmission tcp.analysis.fast_retransmission
tcp.analysis.spurious_retransmission tcp.analysis.out_of_order tcp.analysis.lost_segment
tcp.analysis.ack_lost_segment tcp.analysis.duplicate_ack tcp.analysis.duplicate_ack_num
tcp.analysis.duplicate_ack_frame tcp.analysis.window_full tcp.analysis.window_update tcp.analysis.zero_window
tcp.analysis.zero_window_probe tcp.analysis.zero_window_probe_ack tcp.analysis.keep_alive
tcp.analysis.keep_alive_ack tcp.analysis.reused_ports tcp.analysis.acks_frame tcp.analysis.ack_rtt
tcp.analysis.initial_rtt tcp.analysis.bytes_in_flight tcp.analysis.push_bytes_sent tcp.analysis.rto
tcp.analysis.rto_frame tcp.analysis.tfo_syn tcp.analysis.tfo_ack""".split()


def rows(text):
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def tshark_rows(capture):
    if capture.parent == CAPTURES:
        suffix = ".ng.tsv" if capture.suffix == ".pcapng" else ".tsv"
        text = RECORDED.extractfile(capture.stem + suffix).read().decode(errors="replace")
    else:
        fields = [word for name in FIELDS for word in ("-e", name)]
        text = subprocess.run(["tshark", "-r", capture, "-n", "-d", "tcp.port==1-65535,data", "-o",
                               "tcp.check_checksum:TRUE", "-T", "fields", "-E", "header=y", *fields],
                              capture_output=True, text=True, timeout=600).stdout
    return [row for row in rows(text) if not row["frame.number"].startswith("#")]


def estab_rows(capture):
    run = subprocess.run([ESTAB, "analyze", "--labels", "wireshark", capture], capture_output=True, text=True,
                         timeout=600)
    return rows(run.stdout)


def compare(captures):
    """{field: [frames, frames where it says anything, equal among those, equal]} and the differences"""
    counts = collections.defaultdict(lambda: [0, 0, 0, 0])
    differences = []
    for capture in captures:
        mine = {row["frame.number"]: row for row in estab_rows(capture)}
        for theirs in tshark_rows(capture):
            ours = mine.get(theirs["frame.number"], {})
            for name in FIELDS:
                if theirs.get(name) is None:
                    continue
                equal = theirs[name] == ours.get(name)
                count = counts[name]
                count[0] += 1
                count[1] += bool(theirs[name] or ours.get(name))
                count[2] += bool(theirs[name] or ours.get(name)) and equal
                count[3] += equal
                if not equal:
                    differences.append((name, capture.name, theirs["frame.number"], theirs[name], ours.get(name)))
    return counts, differences


def captures_in(folder):
    return sorted(p for p in folder.iterdir() if p.suffix in (".pcap", ".pcapng"))


class Fields(unittest.TestCase):
    def test_each_is_equal_on_99_of_100_frames(self):
        folders = FOLDERS or [CAPTURES]
        captures = [c for folder in folders for c in captures_in(folder)]
        counts, differences = compare(captures)
        if TABLE:
            print("| field | frames | with it | equal of those | equal of all |\n|---|---|---|---|---|")
            for name, (frames, said, same, equal) in counts.items():
                share = f"{100 * same / said:.2f} %" if said else "-"
                print(f"| {name} | {frames} | {said} | {share} | {100 * equal / frames:.2f} % |")
        if DIFFERENCES:
            for difference in differences:
                print(*difference)
        for name, (frames, said, same, equal) in counts.items():
            self.assertGreaterEqual(equal / frames, 0.99, name)
            if said >= 100:  # not because nearly all are empty
                self.assertGreaterEqual(same / said, 0.98, name)


class Choice(unittest.TestCase):
    def run_estab(self, *words):
        return subprocess.run([ESTAB, "analyze", "--labels", "wireshark", *words, CAPTURES / "loss-single-server.pcap"],
                              capture_output=True, text=True, timeout=60)

    def test_fields_in_the_order_asked_for(self):
        lines = self.run_estab("-e", "tcp.len", "-e", "frame.number").stdout.splitlines()
        self.assertEqual(lines[0], "tcp.len\tframe.number")
        self.assertEqual(lines[6], "0\t6")

    def test_no_header(self):
        self.assertEqual(self.run_estab("-e", "frame.number", "--no-header").stdout.splitlines()[0], "1")

    def test_json_has_only_what_applies(self):
        objects = [json.loads(line) for line in self.run_estab("--json").stdout.splitlines()]
        again = [o for o in objects if "tcp.analysis.retransmission" in o or "tcp.analysis.out_of_order" in o]
        self.assertTrue(again)
        self.assertIsInstance(again[0]["tcp.seq"], int)
        self.assertNotIn("ipv6.src", again[0])

    def test_with_nulls_each_line_has_each_column_of_one_type(self):
        for words in (("--labels", "wireshark"), ("--frames",), ("-e", "ip.src", "-e", "ipv6.src", "-e", "estab.rtt")):
            types = {}
            for name in ("loss-single-server.pcap", "http-ipv6.pcap", "parallel.pcap"):
                run = subprocess.run([ESTAB, "analyze", *words, "--json", "--nulls", CAPTURES / name],
                                     capture_output=True, text=True, timeout=60)
                self.assertEqual((run.returncode, run.stderr), (0, ""))
                objects = [json.loads(line) for line in run.stdout.splitlines()]
                self.assertEqual({tuple(o) for o in objects}, {tuple(objects[0])})
                for o in objects:
                    for column, value in o.items():
                        kind = float if isinstance(value, int) else type(value)
                        if value is not None:
                            self.assertIs(types.setdefault(column, kind), kind, column)
            self.assertGreater(len(types), 2)

    def test_our_own_view_stands_beside_tsharks(self):
        run = subprocess.run([ESTAB, "analyze", "-e", "frame.number", "-e", "tcp.analysis.out_of_order", "-e",
                              "estab.labels", "-e", "estab.from", CAPTURES / "loss-multi-server.pcap"],
                             capture_output=True, text=True, timeout=60)
        lines = [line.split("\t") for line in run.stdout.splitlines()]
        self.assertEqual(lines[0], ["frame.number", "tcp.analysis.out_of_order", "estab.labels", "estab.from"])
        # Sent again by the host where the capture was made, which tshark calls overtaken.
        self.assertTrue([line for line in lines if line[1] == "1" and line[2:] == ["retransmission,fast", "server"]])
        own = subprocess.run([ESTAB, "analyze", "--frames", CAPTURES / "loss-multi-server.pcap"],
                             capture_output=True, text=True, timeout=60).stdout.splitlines()[1:]
        labels = {line.split("\t")[0]: line.split("\t")[10].replace("-", "") or "" for line in own}
        self.assertEqual({line[0]: line[2].replace("-", "") for line in lines[1:] if line[3]}, labels)

    def test_words_that_do_not_belong_together(self):
        for words in (("--nulls",), ("--nulls", "--json"), ("--no-header",), ("-e", "tcp.seq", "--json", "--no-header"),
                      ("-e", "tcp.seq", "--client", "a", "--server", "b"), ("--labels", "tshark")):
            run = subprocess.run([ESTAB, "analyze", *words, CAPTURES / "loss-single-server.pcap"], capture_output=True,
                                 text=True, timeout=60)
            self.assertEqual((run.returncode, run.stderr.count("\n")), (2, 1), words)

    def test_an_unknown_field_is_named(self):
        run = self.run_estab("-e", "tcp.seqq")
        self.assertEqual(run.returncode, 2)
        self.assertIn("tcp.seqq", run.stderr)
        self.assertIn("did you mean tcp.seq?", run.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])

"""estab's labels beside what really happened: tests/captures/truth was made from the captures of both
ends of each path, which say which packet was sent again, lost, overtaken or copied. Of a capture of one
end alone, an observer cannot know of a loss that left neither a hole nor a copy; such frames are counted
apart. Run by hand it prints the table: labels_test.py ESTAB [--table]"""
import collections
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)
TABLE = "--table" in sys.argv
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
REPEATS = {"retransmission", "out-of-order", "network-copy"}


def frames_of(capture):
    run = subprocess.run([ESTAB, "analyze", "--frames", capture], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    frames = {}
    for line in run.stdout.splitlines()[1:]:
        columns = line.split("\t")
        frames[int(columns[0])] = (columns, set(columns[10].split(",")) - {"-"})
    return frames


def is_right(truth, view, labels):
    kinds = labels & REPEATS
    if truth == "retransmission":
        # Only the receiver's own capture can show whether it had the octets when they came again.
        spurious = "spurious" in labels and "receiver" in view
        return kinds == {"retransmission"} and not spurious
    if truth == "retransmission-spurious":
        return kinds == {"retransmission"} and "spurious" in labels
    return kinds == {{"reordered": "out-of-order", "duplicate": "network-copy"}[truth]}


def tshark_labels(capture):
    """What tshark 4.0 calls the same frames (its fields as it printed them, where there was one)."""
    names = [{"retransmission"}, {"retransmission"}, {"retransmission", "spurious"}, {"out-of-order"}]
    frames = {}
    for line in (CAPTURES / "expected" / f"{capture.stem}.tshark.tsv").read_text().splitlines()[1:]:
        number, *fields = line.split("\t")
        labels = frames.setdefault(int(number), set())
        for name, field in zip(names, fields):
            labels |= name if field else set()
        if "out-of-order" in labels:  # tshark sets both then
            labels.discard("retransmission")
    return frames


def is_visible(frames, number):
    """Whether anything before this frame shows that its octets were sent before, or that they are late:
    a copy, or a higher octet of the same sender."""
    columns, _ = frames[number]
    stream, way, seq = columns[2], columns[3], int(columns[5])
    return any(c[2] == stream and c[3] == way and int(c[5]) + int(c[7]) + sum(f in c[4] for f in "SF") > seq
               for n, (c, _) in frames.items() if n < number)


def truths():
    """(name, view, path of its capture, {frame: truth}) for each end of each path."""
    for table in sorted((CAPTURES / "truth").glob("*.tsv")):
        rows = {}
        for line in table.read_text().splitlines()[1:]:
            view, frame, truth = line.split("\t")
            rows.setdefault(view, {})[int(frame)] = truth
        for end in ("client", "server"):
            for part in ("sender", "receiver"):
                view = f"{end} ({part})"
                yield table.stem, view, CAPTURES / f"{table.stem}-{end}.pcap", rows.get(view, {})


class OneEnd(unittest.TestCase):
    def test_at_least_95_of_100_frames_are_right(self):
        right = visible = invisible = 0
        wrong, alarms = [], []
        table = collections.Counter()
        for name, view, capture, truth in truths():
            frames, tshark = frames_of(capture), tshark_labels(capture)
            for number, what in truth.items():
                if not is_visible(frames, number):
                    invisible += 1
                    continue
                visible += 1
                kind = (view.split(" ")[1], what)
                table[kind, "n"] += 1
                table[kind, "estab"] += is_right(what, view, frames[number][1])
                table[kind, "tshark"] += is_right(what, view, tshark.get(number, set()))
                if is_right(what, view, frames[number][1]):
                    right += 1
                else:
                    wrong.append(f"{name} {view} {number}: {what}, not {sorted(frames[number][1])}")
        for name in sorted({name for name, *_ in truths()}):  # both parts of an end share its capture
            for end in ("client", "server"):
                known = {n for t, view, _, truth in truths() if t == name and view.startswith(end) for n in truth}
                for number, (columns, labels) in frames_of(CAPTURES / f"{name}-{end}.pcap").items():
                    octets = int(columns[7]) > 0 or set(columns[4]) & set("SF")
                    if labels & REPEATS and octets and number not in known:
                        alarms.append(f"{name} {end} {number}: {sorted(labels)}")
        if TABLE:
            print("| capture of the | what it was | frames | estab | tshark |\n|---|---|---|---|---|")
            for kind in sorted({kind for kind, _ in table}):
                print(f"| {kind[0].strip('()')} | {kind[1]} | {table[kind, 'n']} | {table[kind, 'estab']} | "
                      f"{table[kind, 'tshark']} |")
            print(f"right {right} of {visible} visible, {invisible} invisible, {len(alarms)} false alarms")
            print("\n".join(wrong + alarms))
        self.assertGreater(visible, 80)
        self.assertGreaterEqual(right / visible, 0.95, wrong)
        self.assertLessEqual(len(alarms), visible // 20, alarms)


def without_ids(capture, into):
    """A copy whose IPv4 headers all have the identification 0, as IPv6 has none."""
    data = bytearray(capture.read_bytes())
    at = 24
    while at + 16 <= len(data):
        captured = struct.unpack_from("<I", data, at + 8)[0]
        packet = at + 16 + 14
        if data[packet - 2:packet] == b"\x08\0":
            data[packet + 4:packet + 6] = b"\0\0"
        at += 16 + captured
    into.write_bytes(data)
    return into


class TwoEnds(unittest.TestCase):
    def test_at_least_99_of_100_frames_are_right(self):
        self.check(lambda capture: capture)

    def test_also_without_ip_identifications(self):
        with tempfile.TemporaryDirectory() as folder:
            self.check(lambda capture: without_ids(capture, pathlib.Path(folder) / capture.name))

    def check(self, prepare):
        right = total = 0
        wrong = []
        for name in sorted({name for name, *_ in truths()}):
            ends = [prepare(CAPTURES / f"{name}-{end}.pcap") for end in ("client", "server")]
            run = subprocess.run([ESTAB, "analyze", "--client", ends[0], "--server", ends[1], "--frames"],
                                 capture_output=True, text=True, timeout=60)
            self.assertEqual(run.returncode, 0, run.stderr)
            fates = {}
            for line in run.stdout.splitlines()[1:]:
                end, frame, view, fate = line.split("\t")[:4]
                fates[f"{end} ({view})", int(frame)] = fate
            for _, view, _, truth in (t for t in truths() if t[0] == name):
                for number, what in truth.items():
                    total += 1
                    right += fates.get((view, number)) == what
                    if fates.get((view, number)) != what:
                        wrong.append(f"{name} {view} {number}: {what}, not {fates.get((view, number))}")
        if TABLE:
            print(f"both ends: right {right} of {total}\n" + "\n".join(wrong))
        self.assertGreater(total, 140)
        self.assertGreaterEqual(right / total, 0.99, wrong)


if __name__ == "__main__":
    sys.argv = [a for a in sys.argv if a != "--table"]
    unittest.main(verbosity=1)

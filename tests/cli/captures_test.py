"""Capture files from outside: `estab dump` beside what tcpdump printed, ways in, damaged files."""
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ESTAB = sys.argv.pop(1)
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
EXPECTED = CAPTURES / "expected"
VARIANTS = {"nn": [], "S": ["-S"], "tt": ["-tt"], "v": ["-v"], "e": ["-e"], "XX": ["-XX"],
            "vvv": ["-vvv", "-ttttt"]}


def estab(*words, **options):
    return subprocess.run([ESTAB, *map(str, words)], capture_output=True, timeout=60, **options)


def capture_of(expected):
    name = expected.name.split(".")[0]
    return CAPTURES / (name + (".pcapng" if ".ng." in expected.name else ".pcap"))


def lines_of(path):
    """What tcpdump printed, without the note on how it ended."""
    return [line for line in path.read_bytes().split(b"\n") if line and not line.startswith(b"#")]


class Dump(unittest.TestCase):
    def test_every_variant_is_tcpdumps_line_for_line(self):
        compared = 0
        for expected in sorted(EXPECTED.glob("*.tcpdump")):
            variant = expected.name.split(".")[-2]
            wanted = lines_of(expected)
            got = estab("dump", capture_of(expected), *VARIANTS[variant]).stdout.split(b"\n")
            got = got[:len(wanted)]  # tcpdump stops where a second link type begins; estab goes on
            if expected.name.startswith("sll2"):  # names an interface of the machine that reads
                name = re.compile(rb"^([0-9:.]+) \S+ +(In|Out) ")
                got, wanted = ([name.sub(rb"\1 \2 ", line) for line in lines]
                               for lines in (got, wanted))
            self.assertEqual(got, wanted, expected.name)
            compared += len(wanted)
        self.assertGreater(compared, 19_000)

    def test_what_stands_between_tcp_lines(self):
        """ICMP and ICMPv6 of each kind, ARP, extension headers, fragments, tunnels, options and flags of any kind."""
        words = {"nn": (), "v": ("-v",), "e": ("-e",), "q": ("-q",)}
        compared = 0
        for expected in sorted((CAPTURES / "odd").glob("*.tcpdump")):
            link, variant, _ = expected.name.split(".")
            got = estab("dump", CAPTURES / "odd" / f"{link}.pcap", *words[variant]).stdout
            self.assertEqual(got.split(b"\n"), expected.read_bytes().split(b"\n"), expected.name)
            compared += 1
        self.assertEqual(compared, 7)

    def test_applications_over_udp_and_frames_without_ip(self):
        """DNS, DHCP, NTP, TFTP, syslog, SIP, VXLAN, spanning trees, LLDP: right, wrong, and cut off at each octet."""
        words = {"nn": (), "v": ("-v",), "vvv": ("-vvv",), "e": ("-e",), "q": ("-q",)}
        compared = 0
        for expected in sorted((CAPTURES / "applications").glob("*.tcpdump")):
            name, variant, _ = expected.name.split(".")
            got = estab("dump", CAPTURES / "applications" / f"{name}.pcap", *words[variant]).stdout
            self.assertEqual(got.split(b"\n"), expected.read_bytes().split(b"\n"), expected.name)
            compared += 1
        self.assertEqual(compared, 38)

    def test_count_and_filter(self):
        file = CAPTURES / "hello-welcome.pcap"
        self.assertEqual(len(estab("dump", "-c", "3", file).stdout.splitlines()), 3)
        out = estab("dump", file, "tcp[tcpflags]", "&", "tcp-syn != 0").stdout
        self.assertEqual([b"[S" in line for line in out.splitlines()], [True, True])
        self.assertEqual(len(estab("dump", file, "arp").stdout.splitlines()), 2)
        run = estab("dump", file, "prot 80")
        self.assertEqual(run.returncode, 2)
        self.assertIn(b"filter 'prot 80'", run.stderr)

    def test_a_filter_fits_each_link_type(self):
        for name in ("d-null-le", "d-null-be", "d-loop", "d-raw", "d-ipv4", "sll2"):
            lines = estab("dump", CAPTURES / f"{name}.pcap", "tcp and ip host 10.9.0.1").stdout
            self.assertGreater(len(lines.splitlines()), 5, name)
        out = estab("dump", CAPTURES / "d-multi-if.pcapng", "tcp").stdout
        self.assertGreater(len(out.splitlines()), 5)

    def test_formats_of_bytes(self):
        file = CAPTURES / "hello-welcome.pcap"
        hexadecimal = estab("dump", "-x", "-c", "3", file).stdout
        self.assertIn(b"\n\t0x0000:  4500 003c 531c 4000 4006 d38b 0a09 0001\n", hexadecimal)
        self.assertIn(b"  E..<S.@.@.......\n", estab("dump", "-X", "-c", "3", file).stdout)
        self.assertIn(b"\nE..<S.@.@...\n\t..\n\t...T", estab("dump", "-A", "-c", "3", file).stdout)
        self.assertIn(b" > 10.9.0.2.5000: tcp 0\n", estab("dump", "-q", file).stdout)


class WaysIn(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="estab-captures-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.file = CAPTURES / "loss-single-server.pcap"
        self.wanted = estab("dump", self.file).stdout
        self.assertGreater(len(self.wanted), 10_000)

    def same(self, *words, **options):
        run = estab("dump", *words, **options)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(run.stdout, self.wanted)

    def test_standard_input_as_file_and_as_pipe(self):
        with open(self.file, "rb") as file:
            self.same("-", stdin=file)
        self.same("-", input=self.file.read_bytes())

    def test_gzip_also_in_several_members_and_through_a_pipe(self):
        data = self.file.read_bytes()
        packed = gzip.compress(data[:5000]) + gzip.compress(data[5000:])
        (self.folder / "a.gz").write_bytes(packed)
        self.same(self.folder / "a.gz")
        self.same("-", input=packed)

    def test_of_damaged_gzip_data_what_comes_before_is_printed(self):
        packed = bytearray(gzip.compress(self.file.read_bytes()))
        packed[-8] ^= 1  # the checksum
        (self.folder / "a.gz").write_bytes(packed)
        run = estab("dump", self.folder / "a.gz")
        self.assertEqual((run.returncode, run.stdout), (1, self.wanted))
        self.assertIn(b"the gzip data is damaged (behind", run.stderr)
        packed[len(packed) // 2:] = b"\xff" * (len(packed) // 2)
        (self.folder / "b.gz").write_bytes(packed)
        run = estab("dump", self.folder / "b.gz")
        self.assertEqual((run.returncode, run.stderr.count(b"\n")), (1, 1))
        self.assertGreater(len(run.stdout.splitlines()), 20)

    @unittest.skipUnless(shutil.which("zstd"), "no zstd program")
    def test_zstd(self):
        packed = self.folder / "a.zst"
        subprocess.run(["zstd", "-q", self.file, "-o", packed], check=True)
        self.same(packed)
        self.same("-", input=packed.read_bytes())

    def test_what_is_printed_is_not_held_back(self):
        data = self.file.read_bytes()
        with subprocess.Popen([ESTAB, "dump", "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as program:
            program.stdin.write(data[:3000])
            program.stdin.flush()
            self.assertEqual(program.stdout.readline(), self.wanted.split(b"\n")[0] + b"\n")
            program.stdin.write(data[3000:])
            program.stdin.close()
            self.assertEqual(program.stdout.read(), self.wanted.split(b"\n", 1)[1])


class Damage(unittest.TestCase):
    def ends(self, run, text, lines=None):
        self.assertEqual(run.returncode, 1, run)
        self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)
        self.assertIn(text, run.stderr)
        if lines is not None:
            self.assertEqual(len(run.stdout.splitlines()), lines)

    def test_what_can_be_read_is_read_and_the_rest_is_one_line(self):
        self.ends(estab("dump", CAPTURES / "d-cut-record.pcap"), b"the file ends within a record", 22)
        self.ends(estab("dump", CAPTURES / "d-cut-header.pcap"), b"a record header")
        self.ends(estab("dump", CAPTURES / "d-bad-caplen.pcap"), b"claims 2147483647 captured bytes")
        self.ends(estab("dump", "-", input=b""), b"the file is empty", 0)
        self.ends(estab("dump", "-", input=b"hello, world, this is no capture"), b"neither pcap nor", 0)
        self.ends(estab("dump", "/nonexistent"), b"cannot read /nonexistent: No such file", 0)
        self.ends(estab("dump", CAPTURES), b"is a folder", 0)

    def test_packed_files_that_end_early_or_lie(self):
        packed = gzip.compress((CAPTURES / "hello-welcome.pcap").read_bytes())
        self.ends(estab("dump", "-", input=packed[:-100]), b"the gzip data ends early")
        self.ends(estab("dump", "-", input=packed[:200] + b"\xff" * 200), b"the gzip data is damaged")

    def test_a_file_without_packets_is_no_failure(self):
        run = estab("dump", CAPTURES / "d-empty.pcap")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b""))


class Analyze(unittest.TestCase):
    def text(self, name, *words):
        run = estab("analyze", CAPTURES / f"{name}.pcap", *words)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        return run.stdout.decode()

    def test_findings_are_sentences_with_time_and_frames(self):
        self.assertIn("SYN lost twice: 2.0 s before the connection (frames 4, 5)", self.text("syn-lost-client"))
        self.assertIn("the server's receive window was closed for 3.0 s (97 % of the time)",
                      self.text("zero-window-client"))
        self.assertIn("the server's receive window was full 55 % of the time (0.29 s): raise its buffer",
                      self.text("slow-reader"))
        self.assertIn("3 retransmission timeouts of the server: 1.6 s", self.text("loss-rto-server"))
        self.assertIn("the server closed with unread data", self.text("rst-abort"))
        self.assertIn("SYN flood or scan: 120 connections to 10.9.0.2:5005 never opened, from 1 address",
                      self.text("syn-flood-cookies"))
        self.assertIn("none: nothing was lost", self.text("http-64k-wget"))

    def test_costs_rank_findings(self):
        lines = self.text("zero-window-client").split("findings, by")[1].splitlines()[1:]
        self.assertEqual([line.split()[0] for line in lines], ["3.0", "54", "21"])

    def test_json(self):
        out = json.loads(self.text("syn-lost-client", "--json"))
        self.assertEqual((out["schema"], out["connections_total"]), ("estab.analyze/1", 1))
        connection = out["connections"][0]
        self.assertEqual(connection["state"], "closed")
        self.assertEqual(connection["from_server"]["bytes"], 3000)
        self.assertEqual(connection["findings"][0]["finding"], "syn-lost")
        self.assertEqual(connection["findings"][0]["frames"], [4, 5])
        lines = self.text("syn-lost-client", "--json", "--frames").splitlines()
        self.assertEqual(len(lines), 14)
        self.assertEqual(json.loads(lines[1])["labels"], ["retransmission", "timeout"])

    def test_every_capture_can_be_analysed(self):
        for capture in sorted(CAPTURES.glob("*.pcap*")):
            run = estab("analyze", capture)
            self.assertIn(run.returncode, (0, 1), capture)
            self.assertEqual(run.stderr.count(b"\n"), run.returncode, (capture, run.stderr))
            frames = estab("analyze", "--frames", capture)
            self.assertEqual(frames.returncode, run.returncode)

    def test_mistakes(self):
        self.assertEqual(estab("analyze").returncode, 2)
        self.assertEqual(estab("analyze", "--client", CAPTURES / "hello-welcome.pcap").returncode, 2)
        run = estab("analyze", "--client", CAPTURES / "hello-welcome.pcap", "--server", CAPTURES / "keepalive.pcap")
        self.assertEqual((run.returncode, run.stdout), (1, b""))
        self.assertIn(b"have no packet in common", run.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)

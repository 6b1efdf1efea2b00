"""estab undump: lines of tcpdump to packets and back, in every form that tcpdump has."""
import pathlib
import re
import subprocess
import sys
import unittest

ESTAB = sys.argv.pop(1)
CAPTURES = pathlib.Path(__file__).resolve().parent.parent / "captures"
# Options that name no octets, lines that the capture cut off, and headers that lie.
NOT_TEXT = {"mptcp", "snaplen-54", "snaplen-60", "snaplen-68", "d-bad-headers", "d-cut-header", "d-empty"}


def estab(*words, **options):
    return subprocess.run([ESTAB, *map(str, words)], capture_output=True, timeout=60, **options)


def undump(text, *options):
    return estab("undump", *options, "-", input=text.encode() if isinstance(text, str) else text)


def lines(capture, *options):
    out = estab("dump", *options, "-", input=capture).stdout.decode()
    return [line for line in out.splitlines() if "Flags [" in line]


class RoundTrip(unittest.TestCase):
    def test_the_lines_of_every_capture_come_back(self):
        compared = 0
        for capture in sorted(CAPTURES.glob("*.pcap*")):
            if capture.name.split(".")[0] in NOT_TEXT:
                continue
            for options in ([], ["-S", "-tttt"], ["-tt", "-A"]):
                text = estab("dump", *options, capture).stdout
                wanted = [re.sub(r"^(.*[:.]\S+?) .*\b(In|Out) +", r"\1 ", line)
                          for line in text.decode(errors="replace").splitlines() if "Flags [" in line]
                run = undump(text)
                self.assertEqual(lines(run.stdout, *options), wanted, (capture.name, options, run.stderr))
                compared += len(wanted)
        self.assertGreater(compared, 20_000)

    def test_octets_that_are_shown_are_the_packets(self):
        for option in ("-X", "-XX", "-x"):
            capture = CAPTURES / "hello-welcome.pcap"
            text = estab("dump", option, capture).stdout
            got = estab("dump", "-v", "-X", "-", input=undump(text).stdout).stdout
            self.assertEqual(got, estab("dump", "-v", "-X", capture, "tcp").stdout)

    def test_dash_a_gives_the_text_back(self):
        capture = CAPTURES / "http-64k-wget.pcap"
        text = estab("dump", "-A", capture, "tcp port 80").stdout
        got = estab("dump", "-v", "-", input=undump(text).stdout).stdout.decode()
        self.assertIn("\tUser-Agent: Wget", got)

    def test_verbose_headers_are_kept(self):
        capture = CAPTURES / "ecn.pcap"
        text = estab("dump", "-v", capture, "tcp").stdout
        header = re.compile(rb"^.*\(tos .*$", re.M)
        self.assertEqual(header.findall(estab("dump", "-v", "-", input=undump(text).stdout).stdout),
                         header.findall(text))

    def test_tutorials(self):
        for trace in sorted((CAPTURES / "traces").glob("s*.txt")):
            text = trace.read_text()
            wanted = [line for line in text.splitlines() if "Flags [" in line]
            absolute = ["-S"] if "tcpdump -S" in text or trace.name == "s3.txt" else []
            self.assertEqual(lines(undump(text).stdout, *absolute), wanted, trace.name)


class Forms(unittest.TestCase):
    def test_the_form_of_old_versions(self):
        run = undump("""10:09:11.163215 IP 10.0.0.1.37584 > 10.0.0.2.http: S 3124300130:3124300130(0) win 29200 <mss 1460,sackOK,timestamp 1666537180 0,nop,wscale 7>
10:09:11.163355 10.0.0.2.80 > 10.0.0.1.37584: S 2508684482:2508684482(0) ack 3124300131 win 28960 <mss 1460> (DF)
10:09:11.163390 10.0.0.1.37584 > 10.0.0.2.80: . ack 1 win 229
10:09:11.163550 10.0.0.1.37584 > 10.0.0.2.80: P 1:152(151) ack 1 win 229 <nop,nop,sack sack 1 {1449:2897} >
""".replace("} >", "}>"))
        self.assertEqual(run.stderr, b"")
        self.assertEqual(lines(run.stdout), [
            "10:09:11.163215 IP 10.0.0.1.37584 > 10.0.0.2.80: Flags [S], seq 3124300130, win 29200, options [mss 1460,sackOK,TS val 1666537180 ecr 0,nop,wscale 7], length 0",
            "10:09:11.163355 IP 10.0.0.2.80 > 10.0.0.1.37584: Flags [S.], seq 2508684482, ack 3124300131, win 28960, options [mss 1460], length 0",
            "10:09:11.163390 IP 10.0.0.1.37584 > 10.0.0.2.80: Flags [.], ack 1, win 229, length 0",
            "10:09:11.163550 IP 10.0.0.1.37584 > 10.0.0.2.80: Flags [P.], seq 1:152, ack 1, win 229, options [nop,nop,sack 1 {1449:2897}], length 151: HTTP"])

    def test_a_line_over_midnight_and_one_without_time(self):
        run = undump("23:59:59.999999 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
                     "00:00:00.000001 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
                     "IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n")
        self.assertEqual([line.split(" IP")[0] for line in lines(run.stdout, "-tttt")],
                         ["1970-01-01 23:59:59.999999", "1970-01-02 00:00:00.000001", "1970-01-02 00:00:00.001001"])

    def test_differences(self):
        run = undump(" 00:00:00.000000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
                     " 00:00:00.250000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
                     " 00:00:00.250000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n",
                     "--differences")
        self.assertEqual([line[:15] for line in lines(run.stdout)],
                         ["00:00:00.000000", "00:00:00.250000", "00:00:00.500000"])

    def test_years_that_nanoseconds_cannot_count_are_refused(self):
        for time in ("1969-12-31 23:59:59.000000", "2115-01-01 00:00:00.000000", "2980-01-01 00:00:00.000000", "4600000001.000000"):
            run = undump(f"{time} IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n")
            self.assertEqual((run.returncode, run.stderr.count(b"\n")), (1, 1), time)
        run = undump("2114-12-31 23:59:59.000000 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n")
        self.assertEqual(run.returncode, 0)

    def test_what_is_no_segment_is_left_out_and_said(self):
        run = undump("tcpdump: verbose output suppressed\n\n# a remark\n"
                     "1.5 ARP, Request who-has 10.0.0.1 tell 10.0.0.2, length 28\n"
                     "1.6 IP 10.0.0.1.53 > 10.0.0.2.99: UDP, length 10\n\t0x0000:  4500 0026\n"
                     "1.7 IP6 fd00::1.80 > fd00::2.99: Flags [R], seq 7, win 0, length 0\n3 packets captured\n")
        self.assertEqual((run.returncode, run.stderr.decode()),
                         (0, "estab undump: 2 packets that are no TCP were left out, the first in line 4\n"))
        self.assertEqual(lines(run.stdout, "-t"), ["IP6 fd00::1.80 > fd00::2.99: Flags [R], seq 7, win 0, length 0"])


class Mistakes(unittest.TestCase):
    def fails(self, text, where, why, packets=0):
        run = undump(text)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.decode().count("\n"), 1)
        self.assertIn(f"standard input:{where}: ", run.stderr.decode())
        self.assertIn(why, run.stderr.decode())
        self.assertEqual(len(lines(run.stdout)), packets)

    def test_line_and_column(self):
        good = "1.0 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n"
        self.fails(good + "hello there\n", "2:1", "a time and IP", 1)
        self.fails("1.0 IP host.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n", "1:8", "-nn")
        self.fails(good.replace("[S]", "[SX]"), "1:40", "FSRP.UEWe")
        self.fails(good.replace("win 1,", "win 70000,"), "1:55", "at most 65535")
        self.fails(good.replace("length 0", "size 0"), "1:58", "is expected here")
        self.fails(good.replace("seq 1,", "seq 1:5,").replace("length 0", "length 9"), "1:1", "does not agree")
        self.fails(good.replace("win 1,", "win 1, options [mss 1460;nop],"), "1:75", "comma")
        self.fails(good.replace("length 0", "length 70000"), "1:1", "more octets")
        self.fails(good.replace("Flags [S], seq 1, win 1, length 0", "tcp 5"), "1:33", "-q")
        self.fails(good.replace("[S]", "[.]"), "1:66", "ack is missing")
        self.fails("2026-02-31 10:00:00.1 IP 10.0.0.1.1 > 10.0.0.2.2: Flags [S], seq 1, win 1, length 0\n", "1:11",
                   "does not exist")

    def test_nothing_in_it(self):
        run = undump("")
        self.assertEqual((run.returncode, run.stderr.decode()),
                         (1, "estab undump: standard input: no TCP segment in it\n"))
        self.assertEqual(estab("undump", "/nonexistent").returncode, 1)


if __name__ == "__main__":
    unittest.main()

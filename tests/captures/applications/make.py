#!/usr/bin/env python3
"""Captures of what tcpdump names beside TCP, with all that can be wrong in them, and what it prints.

    tests/captures/applications/make.py      # writes NAME.pcap and NAME.VARIANT.tcpdump beside itself; wants tcpdump 4.99.3
"""
import pathlib
import socket
import struct
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
VARIANTS = {"nn": "-nn", "v": "-nnv", "vvv": "-nnvvv", "e": "-nne", "q": "-nnq"}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip4(protocol, body, source="10.0.0.1", destination="10.0.0.2"):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0, socket.inet_aton(source),
                       socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def udp(source, destination, data):
    head = struct.pack("!HHHH", source, destination, 8 + len(data), 0)
    pseudo = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2") + struct.pack("!HH", 17, 8 + len(data))
    return ip4(17, head[:6] + struct.pack("!H", checksum(pseudo + head + data) or 0xffff) + data)


def ethernet(packet, kind=0x800):
    return b"\2\0\0\0\0\2\2\0\0\0\0\1" + struct.pack("!H", kind) + packet


class Capture:
    def __init__(self, name, link=1):
        self.path = HERE / f"{name}.pcap"
        self.records = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, link)]

    def frame(self, frame, captured=None):
        octets = frame[:captured]
        time = 1700000000 + len(self.records)
        self.records.append(struct.pack("<IIII", time, 0, len(octets), len(frame)) + octets)

    def datagram(self, source, destination, data, captured=None):
        self.frame(ethernet(udp(source, destination, data)), None if captured is None else 42 + captured)

    def write(self):
        self.path.write_bytes(b"".join(self.records))
        for name, words in VARIANTS.items():
            if (self.path.stem, name) in {("lldp", "v"), ("lldp", "vvv")}:
                continue  # estab prints the short form of it
            run = subprocess.run(["tcpdump", words, "-r", self.path], capture_output=True, env={"TZ": "UTC"}, check=True)
            self.path.with_suffix(f".{name}.tcpdump").write_bytes(run.stdout)


def name_of(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def dns(flags, questions=(), *sections, number=7):
    sections = [*sections, (), (), ()][:3]
    out = struct.pack("!HHHHHH", number, flags, len(questions), *map(len, sections))
    raw = lambda name: name if isinstance(name, bytes) else name_of(name)
    for name, kind, group in questions:
        out += raw(name) + struct.pack("!HH", kind, group)
    for name, kind, group, seconds, data in (record for section in sections for record in section):
        out += raw(name) + struct.pack("!HHIH", kind, group, seconds, len(data)) + data
    return out


def dns_capture():
    capture, back = Capture("dns"), b"\xc0\x0c"
    a, aaaa = socket.inet_aton("93.184.216.34"), socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    query = lambda data, **more: capture.datagram(40000, 53, data, **more)
    answer = lambda data, **more: capture.datagram(53, 40000, data, **more)
    soa = name_of("ns.example.com") + name_of("admin.example.com") + struct.pack("!IIIII", 2024010101, 7200, 3600, 1209600, 60)
    mail = struct.pack("!H", 10) + name_of("mail.example.com")
    service = struct.pack("!HHH", 1, 2, 5060) + name_of("sip.example.com")
    signature = name_of("hmac") + b"\0\0\1\2\3\4\1\x2c\0\4mmmm\0\7\0\0\0\0"
    data = {1: a, 2: name_of("ns.x"), 5: name_of("c.x"), 6: soa, 12: name_of("p.x"), 15: mail, 16: b"\5hello\6wo\"rld",
            28: aaaa, 33: service, 38: b"\x40" + b"\0" * 7 + b"\1" + name_of("x.y"), 39: name_of("d.x"), 41: b"", 43: b"\0\1\2\3",
            46: b"\0" * 20, 65: b"\0\1\0", 104: b"he\1llo", 250: signature, 256: b"\0\1\0\1http", 65534: b"xx"}
    for kind, value in data.items():
        query(dns(0x0100, [("example.com", kind, 1)]))
        answer(dns(0x8180, [("a.b", kind, 1)], [(back, kind, 1, 300, value)]))
    for code in range(16):
        answer(dns(0x8180 | code, [("a.b", 1, 1)]))
        query(dns(code << 11, [("a.b", 1, 1)]))
        query(dns(1 << code & 0x7fff, [("a.b", 1, 1)]))
        answer(dns(0x8000 | 1 << code, [("a.b", 1, 1)]))
        answer(dns(0x8180 | code, [("a.b", 1, 1)], (), (), [("", 41, 1232, 1 << 24, b"")]))
    for kind in [*range(0, 60), *range(95, 106), *range(248, 260)]:
        query(dns(0x0100, [("t", kind, 1)]))
    for group in (0, 1, 2, 3, 4, 254, 255, 0x8001, 0x8003):
        for port in (53, 5353):
            capture.datagram(port, port, dns(0, [("c.local", 12, group)]))
            capture.datagram(port, port, dns(0x8400, [], [("c.local", 1, group, 120, a)]))
    for seconds in (0, 59, 61, 3600, 86399, 604800, 694861, 31536000, 0xffffffff):
        answer(dns(0x8180, [("a", 1, 1)], [(back, 1, 1, seconds, a)]))
    for questions in ([], [("a", 1, 1), ("b", 28, 1)], [("", 2, 1)], [(b"\xc0\x0c", 1, 1)], [(b"\xc0\xff", 1, 1)],
                      [(b"\x3fabc", 1, 1)], [(b"\x41\x0c\xff\xff\0", 1, 1)], [(b"\x42\0\0", 1, 1)], [(b"\x81ab\0", 1, 1)],
                      [(b"\7abc.d\xc3\xa9\x04\x7f \t^\0", 1, 1)]):
        query(dns(0x0100, questions))
        answer(dns(0x8180, questions, [(back, 1, 1, 1, a)]))
    option = lambda *pairs: b"".join(struct.pack("!HH", code, len(value)) + value for code, value in pairs)
    options = [(1, b"\0\0"), (2, b""), (3, b"nsid"), (5, bytes(range(17)) + b"\xfc\xfd\xfe\xff"), (6, bytes(range(7))),
               (7, b"\0\1\2"), (8, b"\0\1\x18\0\x0a\0\0"), (8, b"\0\2\x20\0\x20\1\x0d\xb8"), (8, b"\0\3\0\0"), (8, b"\0\1\x18\0"),
               (8, b"\0"), (9, b"\0\0\0\1"), (9, b"\1"), (10, b"abcdefgh"), (10, b"abcdefgh12345678"), (10, b"abc"), (11, b"\0\x64"),
               (11, b""), (12, b"\0" * 5), (13, name_of("a.b")), (14, b"\0\1\0\2"), (14, b"\1"), (15, b"\0\x12"), (16, b"\0"),
               (17, b"x"), (65001, b"x")]
    for pair in options:
        query(dns(0x0100, [("e.c", 28, 1)], (), (), [("", 41, 1232, 0x8000, option(pair))]))
    query(dns(0x0100, [("e.c", 28, 1)], (), (), [("", 41, 1232, 0, option((3, b"ns"), (10, b"abcdefgh")))]))
    for cut in (option((20, b"ab"))[:-1], b"\0", b"\0\3", b"\0\3\0", b"\0\3\0\7ab"):
        query(dns(0x0100, [("e.c", 28, 1)], (), (), [("", 41, 1232, 0, cut)]))
    whole = dns(0x8580, [("example.com", 1, 1)], [(back, 5, 1, 3600, name_of("www.example.net")), (b"\xc0\x29", 1, 1, 3, a),
                (back, 6, 1, 61, soa), (back, 15, 1, 1, mail), (back, 16, 1, 1, b"\5hello"), (back, 33, 1, 1, service)],
                [(back, 2, 1, 5, name_of("ns1.example.com"))], [(back, 1, 1, 0, a)])
    for length in range(0, len(whole) + 1, 5):
        answer(whole[:length])
        answer(whole, captured=length)
    for kind in (1, 6, 15, 16, 28, 33, 38, 250, 256):  # records with less in them than their type has
        for octets in (0, 1, 3):
            answer(dns(0x8180, [("a", 1, 1)], [(back, kind, 1, 1, b"\5" * octets)]))
    capture.write()


def dhcp(operation, options, seconds=0, flags=0, client="0.0.0.0", yours="0.0.0.0", kind=1, octets=6, hops=0, server=b"",
         file=b"", magic=b"\x63\x82\x53\x63"):
    return struct.pack("!BBBBIHH4s4s8x16s64s128s", operation, kind, octets, hops, 0x1234, seconds, flags,
                       socket.inet_aton(client), socket.inet_aton(yours), b"\2\0\0\0\0\1", server, file) + magic + options


def dhcp_capture():
    capture = Capture("dhcp")
    option = lambda code, value: bytes([code, len(value)]) + value
    ask = lambda options, **more: capture.datagram(68, 67, dhcp(1, options + b"\xff", **more))
    discover = option(53, b"\1") + option(61, b"\1\2\0\0\0\0\1") + option(50, b"\x0a\0\0\5") + option(12, b"host")
    ask(discover + option(55, bytes(range(1, 130))) + option(57, b"\5\xdc"), flags=0x8000, seconds=3)
    capture.datagram(67, 68, dhcp(2, option(53, b"\2") + option(54, b"\x0a\0\0\1") + option(51, b"\0\0\x0e\x10") +
                                  option(1, b"\xff\xff\xff\0") + option(6, b"\x0a\0\0\1\x08\x08\x08\x08") + b"\xff" + b"\0" * 9,
                                  client="10.0.0.9", yours="10.0.0.5", server=b"server", file=b"boot.img", hops=1))
    values = [option(53, bytes([kind])) for kind in range(15)]
    for code in (1, 2, 3, 12, 13, 19, 21, 23, 24, 33, 46, 52, 53, 61, 77, 81, 82, 91, 121, 126, 200):
        values += [option(code, value) for value in (b"", b"\1", b"\1\2", b"abcdef", b"\x18\x0a\1\2\x0a\0\0\1", b"\xff" * 4)]
    values += [option(61, bytes([kind]) + b"abcdef") for kind in (0, 1, 6, 7, 15, 23, 24, 255)]
    values += [option(82, b"\1\4abcd\2\2xy\5\4\x0a\0\0\1\6\1s"), option(82, b"\1\0"), option(77, b"\3abc\2de"), option(77, b"\0ab"),
               option(81, b"\5\1\xffhost.ex"), option(81, b"\xff\0\0x"), option(121, b"\0\x0a\0\0\1\x20\1\2\3\4\x0a\0\0\1\x09\x0a\x80\1\2\3\4"),
               b"\0\0\0" + option(53, b"\1") + b"\0"]
    for value in values:
        ask(value)
    ask(b"", kind=6)
    ask(b"", octets=7)
    ask(b"", server=b"x" * 64)
    capture.datagram(68, 67, dhcp(7, b"\xff"))
    capture.datagram(68, 67, dhcp(1, b"", magic=b"abcd"))
    whole = dhcp(1, discover + b"\xff", server=b"srv", file=b"boot.img", hops=1)
    for length in [*range(0, 50, 3), 108, 109, 236, *range(238, len(whole) + 1, 2)]:
        capture.datagram(68, 67, whole[:length])
        capture.datagram(68, 67, whole, captured=length)
    capture.write()


def ntp(first=0x23, stratum=2, poll=6, precision=-20, delay=0x10000, times=((3909000000, 1 << 31),) * 4, rest=b""):
    return struct.pack("!BBbbII4s", first, stratum, poll, precision, delay, 0x8000, b"GPS\0") + b"".join(
        struct.pack("!II", *time) for time in times) + rest


def ntp_capture():
    capture = Capture("ntp")
    send = lambda data, **more: capture.datagram(123, 123, data, **more)
    for first in range(0, 256, 3):
        send(ntp(first))
    for stratum in (0, 1, 2, 15, 16, 62, 63, 255):
        send(ntp(stratum=stratum))
    for poll in (-128, -32, -31, -3, 0, 17, 31, 32, 127):
        send(ntp(poll=poll, precision=poll))
    for delay in (0, 1, 0xffff, 0x18fff, 0x80000000, 0xffffffff):
        send(ntp(delay=delay))
    for times in (((0, 0),) * 4, ((0, 0), (0, 0), (5, 6), (7, 8)), ((1, 0), (2208988799, 0), (2208988800, 1), (2**32 - 1, 2**32 - 1)),
                  ((0, 5), (5, 7), (3, 9), (5, 6))):
        send(ntp(times=times))
    for octets in (1, 4, 5, 16, 20, 21, 24, 28):
        send(ntp(rest=b"\1" * octets))
        send(ntp(rest=b"\1" * octets), captured=50)
    for length in (1, 2, 3, 4, 7, 8, 12, 16, 24, 32, 40, 47):
        send(ntp()[:length])
        send(ntp(), captured=length)
        send(b"\x16\x82" + b"\1" * length)
        send(b"\x16\x82\0\1\6\x15\0\0\0\0\0\x0cversion=\"x\"\0", captured=length)
    capture.write()


def small_capture():
    capture = Capture("small")
    to_tftp = lambda data, **more: capture.datagram(40000, 69, data, **more)
    for operation in range(9):
        to_tftp(struct.pack("!H", operation) + b"file.bin\0octet\0")
    for code in range(10):
        to_tftp(struct.pack("!HH", 5, code) + b"m\0")
    for data in (b"\0\1fi\xffle\n\0netascii\0blksize\0001428\0", b"\0\3\0\1", b"\0\5\0\1no\0", b"\0\6a\0b\0", b"\0\1\0"):
        for length in range(len(data) + 1):
            to_tftp(data[:length])
            to_tftp(data, captured=length)
    for facility in range(26):
        capture.datagram(514, 514, b"<%d>m" % (facility * 8 + facility % 8))
    for text in (b"<34>Oct 11 22:14:15 mymachine su: fail", b"<34>", b"<3", b"<", b"x<34>y", b"<999>x", b"<0>a\nb\tc\x80", b"<1234>z", b"<3a>z", b"<>z"):
        capture.datagram(40000, 514, text)
        capture.datagram(40000, 514, text + b"tail", captured=len(text))
    for text in (b"INVITE sip:bob@x SIP/2.0\r\nVia: a\r\n\r\n", b"SIP/2.0 200 OK\r\nVia: a\r\n", b"garbage", b"MESSAGE a", b"", b"update x\n"):
        capture.datagram(5060, 5060, text)
    inner = ethernet(ip4(17, b"\0\1\0\2\0\x0c\0\0data"))
    carried = [inner, ethernet(b"\0\1\x08\0\6\4\0\1" + b"a" * 20, 0x806), inner[:20], ethernet(b"\0\5\x08\0" + inner[14:], 0x8100),
               ethernet(b"zz" * 10, 0x9999), ethernet(b"", 0x86dd), ethernet(ip4(6, struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 2, 9, 0, 0)))]
    for port in (4789, 8472):
        for frame in carried:
            for flags in (0, 8, 0xff):
                capture.datagram(40000, port, bytes([flags]) + b"\0\0\1\0\0\x2a\0" + frame)
        for length in (0, 1, 3, 4, 6, 7, 8, 12):
            capture.datagram(40000, port, (b"\x08\0\0\1\0\0\x2a\0" + inner)[:length])
            capture.datagram(40000, port, b"\x08\0\0\1\0\0\x2a\0" + inner, captured=length)
    nested = inner
    for _ in range(10):
        nested = ethernet(udp(40000, 4789, b"\x08\0\0\0\0\0\1\0" + nested))
    capture.frame(nested)
    capture.write()


def frames_capture():
    capture = Capture("frames")
    send = lambda data, kind=None: capture.frame(ethernet(data, len(data) if kind is None else kind))
    root, bridge = b"\x80\0\2\0\0\0\0\1", b"\x80\1\2\0\0\0\0\2"
    unit = lambda version, kind, flags, rest=b"": (b"\x42\x42\3\0\0" + bytes([version, kind, flags]) + root + b"\0\0\0\4" + bridge +
                                                   b"\x80\2" + struct.pack("!HHHH", 0x100, 0x1400, 0x2ab, 0xf03) + rest)
    for data in (unit(0, 0, 0), unit(0, 0, 0x81), b"\x42\x42\3\0\0\0\x80", unit(2, 2, 0x3c, b"\0"), unit(2, 2, 0x7e, b"\0"), unit(0, 0, 0)[:30]):
        send(data)
    send(unit(0, 0, 0) + b"\0" * 8)
    for control in (0x03, 0x13, 0xaf, 0xbf, 0xe3, 0x43, 0x0f, 0x63, 0x6f, 0x87):
        send(b"\x08\x09" + bytes([control]) + b"zz")
    for control in (b"\x01\x02", b"\x00\x02", b"\x05\x03", b"\x09\x00"):
        send(b"\x08\x08" + control + b"zz")
    send(b"\xaa\xaa\3\0\0\0\x08\0" + ip4(17, b"\0\1\0\2\0\x0c\0\0data"))
    send(b"\x06\x06\3" + ip4(17, b"\0\1\0\2\0\x0c\0\0data"))
    for data in (b"\x08\x08", b"\x08", b""):
        send(data)
    value = lambda kind, data: struct.pack("!H", kind << 9 | len(data)) + data
    station = value(1, b"\4\2\0\0\0\0\1") + value(2, b"\5eth0") + value(3, b"\0\x78")
    capture_lldp = Capture("lldp")
    for data in (station + value(5, b"switch") + value(6, b"text") + value(0, b""), station + value(0, b"")):
        capture_lldp.frame(ethernet(data, 0x88cc))
    for kind in (0x0600, 0x1234, 0x22f0, 0x9999, 0x05ff):
        send(b"\xff" * 20, kind)
    send(b"\0\5\0\x26" + unit(0, 0, 0), 0x8100)
    for length in (0, 5, 12, 13, 14):
        capture.frame(ethernet(b"zz")[:length])
    capture.write()
    capture_lldp.write()


def cooked_captures():
    """Linux' cooked headers of both versions, with VLAN tags and LLC behind them."""
    packet = ip4(6, struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, 2, 100, 0, 0))
    bodies = [(0x800, packet), (0x8100, b"\0\5\x08\0" + packet), (0x8100, b"\xf0\5\x81\0\0\7\x08\0" + packet), (0x9999, b"abc"),
              (0x8100, b"\0\5\x08\6\0\1\x08\0\6\4\0\1" + b"a" * 20), (4, b"\x42\x42\3\0\0\0\x80"), (4, b"\x08\x08\3abc")]
    first, second = Capture("cooked", 113), Capture("cooked2", 276)
    for kind, body in bodies:
        first.frame(struct.pack("!HHH", 0, 1, 6) + b"\2\0\0\0\0\1\0\0" + struct.pack("!H", kind) + body)
        second.frame(struct.pack("!HHIHBB", kind, 0, 1, 1, 4, 6) + b"\2\0\0\0\0\1\0\0" + body)
    first.write()
    second.write()


if __name__ == "__main__":
    for make in (dns_capture, dhcp_capture, ntp_capture, small_capture, frames_capture, cooked_captures):
        make()

// Writes one large, reproducible pcap of mixed TCP flows (same seed, same bytes):
//   g++ -O2 -std=c++17 -o big_capture big_capture.cc && ./big_capture out.pcap 1200 1
//   arguments: file, megabytes, seed, concurrent flows, snap length.   Link type EN10MB, microseconds.
// Flow kinds: bulk (1..16 MB), web (10..200 KB answers on one connection, port 80 text),
// tiny request/answer, reset, refused, half-open scans; 15 % IPv6; 90 % with timestamps.
// Events: losses before the capture point (hole, dup acks with SACK, fast retransmission),
// losses after it (same, but the first copy is seen), reordering, timeouts, zero window +
// probe + update, keepalives, duplicate segments, window full.  Checksums are right.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <queue>
#include <string>
#include <vector>
using u8 = uint8_t; using u16 = uint16_t; using u32 = uint32_t; using u64 = uint64_t;
static u64 rs;
static u64 R() { rs += 0x9e3779b97f4a7c15ULL; u64 z = rs; z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL; z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL; return z ^ (z >> 31); }
static u32 U(u32 n) { return n ? R() % n : 0; }
static double D() { return (R() >> 11) * (1.0 / 9007199254740992.0); }
struct Seg { u64 t; bool c2s; u32 seq, ack; u8 fl; u32 len; u32 win; u32 sl = 0, sr = 0; bool opt_syn = false; };
struct Flow {
    u64 id, t; bool v6, ts, web; u32 cip, sip; u16 cp, sp; u32 cisn, sisn; u64 rtt; int kind;
    u64 left; u32 cnxt, snxt; int st = 0; std::vector<Seg> q; size_t qi = 0; u32 cwnd = 10; int reqs = 0; u32 rstart = 0; u64 rlen = 0; bool done = false;
};
static FILE* out; static u64 written, npk, nflows, nloss, nre, nrto, nzw, nka, ndup;
static u32 snap = 262144; static bool smallmix; static std::vector<u8> payload; static char iobuf[1 << 22];
static u32 sum16(const u8* p, size_t n, u32 s = 0) { for (size_t i = 0; i + 1 < n; i += 2) { s += (p[i] << 8) | p[i + 1]; } if (n & 1) s += p[n - 1] << 8; return s; }
static u16 fold(u32 s) { while (s >> 16) s = (s & 0xffff) + (s >> 16); return ~s; }
static void p16(u8* p, u16 v) { p[0] = v >> 8; p[1] = v; }
static void p32(u8* p, u32 v) { p[0] = v >> 24; p[1] = v >> 16; p[2] = v >> 8; p[3] = v; }
static void emit(Flow& f, const Seg& s)
{
    static u8 b[70000]; size_t o = 0;
    static const u8 mc[6] = {2, 0, 0, 0, 0, 1}, ms[6] = {2, 0, 0, 0, 0, 2};
    memcpy(b, s.c2s ? ms : mc, 6); memcpy(b + 6, s.c2s ? mc : ms, 6); p16(b + 12, f.v6 ? 0x86dd : 0x800); o = 14;
    u8 op[40]; size_t ol = 0;
    if (s.opt_syn) { op[ol++] = 2; op[ol++] = 4; p16(op + ol, f.v6 ? 1440 : 1460); ol += 2; op[ol++] = 4; op[ol++] = 2;
        if (f.ts) { op[ol++] = 8; op[ol++] = 10; p32(op + ol, u32(s.t / 1000) + u32(f.id)); p32(op + ol + 4, s.fl & 16 ? u32(s.t / 1000) : 0); ol += 8; } else { op[ol++] = 1; op[ol++] = 1; }
        op[ol++] = 1; op[ol++] = 3; op[ol++] = 3; op[ol++] = 7; }
    else {
        if (f.ts && !(s.fl & 4)) { op[ol++] = 1; op[ol++] = 1; op[ol++] = 8; op[ol++] = 10; p32(op + ol, u32(s.t / 1000) + u32(f.id)); p32(op + ol + 4, u32((s.t - f.rtt) / 1000)); ol += 8; }
        if (s.sr != s.sl) { op[ol++] = 1; op[ol++] = 1; op[ol++] = 5; op[ol++] = 10; p32(op + ol, s.sl); p32(op + ol + 4, s.sr); ol += 8; } }
    while (ol % 4) op[ol++] = 1;
    size_t tl = 20 + ol + s.len; u32 ps;
    u8* ip = b + o;
    if (!f.v6) { ip[0] = 0x45; ip[1] = 0; p16(ip + 2, 20 + tl); p16(ip + 4, u16(npk)); p16(ip + 6, 0x4000); ip[8] = 64; ip[9] = 6; p16(ip + 10, 0);
        p32(ip + 12, s.c2s ? f.cip : f.sip); p32(ip + 16, s.c2s ? f.sip : f.cip); p16(ip + 10, fold(sum16(ip, 20))); ps = sum16(ip + 12, 8); o += 20; }
    else { p32(ip, 0x60000000); p16(ip + 4, tl); ip[6] = 6; ip[7] = 64; memset(ip + 8, 0, 32); p16(ip + 8, 0x2001); p16(ip + 10, 0xdb8); p32(ip + 20, s.c2s ? f.cip : f.sip); p16(ip + 24, 0x2001); p16(ip + 26, 0xdb8); p32(ip + 36, s.c2s ? f.sip : f.cip); ps = sum16(ip + 8, 32); o += 40; }
    u8* t = b + o; p16(t, s.c2s ? f.cp : f.sp); p16(t + 2, s.c2s ? f.sp : f.cp); p32(t + 4, s.seq); p32(t + 8, s.fl & 16 ? s.ack : 0); t[12] = (5 + ol / 4) << 4; t[13] = s.fl; p16(t + 14, s.win > 65535 ? 65535 : s.win); p16(t + 16, 0); p16(t + 18, 0);
    memcpy(t + 20, op, ol);
    if (s.len) { const char* h = s.c2s ? "GET /object HTTP/1.1\r\nHost: bench\r\nUser-Agent: genbig\r\n\r\n" : "";
        if (f.web && s.c2s && s.len == strlen(h)) memcpy(t + 20 + ol, h, s.len);
        else memcpy(t + 20 + ol, payload.data() + (s.seq & 0xffff), s.len);
        if (f.web && !s.c2s && s.seq == f.rstart && f.rlen > 100 && s.len >= 100) { char h2[101]; snprintf(h2, sizeof h2, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %08u\r\n\r\n", u32(f.rlen - 85)); memcpy(t + 20 + ol, h2, strlen(h2)); } }
    p16(t + 16, fold(sum16(t, tl, ps + 6 + u32(tl))));
    u32 n = o + tl, cap = n < snap ? n : snap; u32 r[4] = {u32(s.t / 1000000), u32(s.t % 1000000), cap, n};
    fwrite(r, 1, 16, out); fwrite(b, 1, cap, out); written += 16 + cap; ++npk;
}
static void add(Flow& f, u64 t, bool c2s, u32 seq, u32 ack, u8 fl, u32 len, u32 win, u32 sl = 0, u32 sr = 0, bool syn = false) { f.q.push_back({t, c2s, seq, ack, fl, len, win, sl, sr, syn}); }
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
static void close_(Flow& f) { u64 h = f.rtt / 2; add(f, f.t, false, f.snxt, f.cnxt, FIN | ACK, 0, 502); add(f, f.t + h / 4, true, f.cnxt, f.snxt + 1, FIN | ACK, 0, 800); add(f, f.t + h, false, f.snxt + 1, f.cnxt + 1, ACK, 0, 502); f.done = true; }
// fills f.q with the next burst of packets
static void step(Flow& f)
{
    f.q.clear(); f.qi = 0; u64 h = f.rtt;
    if (f.st == 0) {
        add(f, f.t, true, f.cisn, 0, SYN, 0, 64240, 0, 0, true);
        if (f.kind == 4) { add(f, f.t + h, false, 0, f.cisn + 1, RST | ACK, 0, 0); f.done = true; return; }
        if (f.kind == 5) { if (U(2)) add(f, f.t + 1000000, true, f.cisn, 0, SYN, 0, 64240, 0, 0, true); f.done = true; return; }
        add(f, f.t + h, false, f.sisn, f.cisn + 1, SYN | ACK, 0, 65160, 0, 0, true);
        add(f, f.t + h + 20, true, f.cisn + 1, f.sisn + 1, ACK, 0, 502);
        f.cnxt = f.cisn + 1; f.snxt = f.sisn + 1; f.t += h + 40; f.st = 1; return;
    }
    if (f.st == 1) { // request
        u32 n = f.web ? 56 : 20 + U(400);
        add(f, f.t, true, f.cnxt, f.snxt, PSH | ACK, n, 502); f.cnxt += n;
        add(f, f.t + h, false, f.snxt, f.cnxt, ACK, 0, 509); f.t += h + 30; f.st = 2; f.rstart = f.snxt; f.rlen = f.left; return;
    }
    u32 mss = (f.v6 ? 1440 : 1460) - (f.ts ? 12 : 0);
    if (f.left == 0) {
        if (f.reqs-- > 0) { f.left = f.kind == 1 ? 10000 + U(190000) : 100 + U(3000); f.st = 1; f.t += 1000 + U(200000); if (U(40) == 0) { ++nka; add(f, f.t + 100000, true, f.cnxt - 1, f.snxt, ACK, 0, 502); add(f, f.t + 100000 + h, false, f.snxt, f.cnxt, ACK, 0, 509); f.t += 100000 + 2 * h; } return; }
        if (f.kind == 3) { add(f, f.t, true, f.cnxt, f.snxt, RST | ACK, 0, 0); f.done = true; return; }
        close_(f); return;
    }
    // one round trip of data: w segments
    u32 w = std::min<u64>(f.cwnd, (f.left + mss - 1) / mss); u64 gap = 12; u64 t = f.t; u32 una = f.snxt;
    double x = D(); int ev = x < .06 ? 1 : x < .10 ? 2 : x < .15 ? 3 : x < .16 ? 4 : x < .165 ? 5 : x < .20 ? 6 : 0; // per round
    if (w < 5) ev = ev == 5 ? 5 : 0;
    u32 k = w > 5 ? 1 + U(w - 4) : 0; u32 lostSeq = 0, lostLen = 0; u32 cum = una; u32 sl = 0, sr = 0; bool hole = false; u32 sinceAck = 0;
    u64 ackd = 15;
    Seg held{}; bool haveHeld = false; u32 heldAt = 0;
    for (u32 i = 0; i < w; ++i) {
        u32 n = std::min<u64>(mss, f.left); bool lastseg = (f.left -= n) == 0; u32 sq = f.snxt; f.snxt += n; t += gap + U(8);
        u8 fl = ACK | (lastseg || i + 1 == w ? PSH : 0);
        bool isk = i == k;
        if ((ev == 1 || ev == 2 || ev == 4) && isk) { // lost: before (1,4: not seen) or after (2: seen) the capture point
            ++nloss; lostSeq = sq; lostLen = n; hole = true; if (ev == 2) add(f, t, false, sq, f.cnxt, fl, n, 509); continue; }
        if (ev == 3 && isk) { ++nre; held = {t + 60, false, sq, f.cnxt, fl, n, 509}; haveHeld = true; heldAt = i + 2; hole = true; lostSeq = sq; lostLen = n; continue; }
        add(f, t, false, sq, f.cnxt, fl, n, 509);
        if (ev == 6 && isk) { ++ndup; add(f, t + 3, false, sq, f.cnxt, fl, n, 509); add(f, t + 9, true, f.cnxt, cum > sq ? cum : sq + n, ACK, 0, 1024, sq, sq + n); }
        if (hole) { if (sl == sr) sl = sq; sr = sq + n; add(f, t + ackd, true, f.cnxt, lostSeq, ACK, 0, 1024, sl, sr);
            if (haveHeld && i >= heldAt) { t += 20; held.t = t; f.q.push_back(held); haveHeld = hole = false; cum = f.snxt; add(f, t + ackd, true, f.cnxt, cum, ACK, 0, 1024); } }
        else { cum = f.snxt; if (++sinceAck >= 2 || lastseg) { sinceAck = 0; add(f, t + ackd, true, f.cnxt, cum, ACK, 0, 1024); } }
    }
    if (haveHeld) { t += 20; held.t = t; f.q.push_back(held); hole = false; add(f, t + ackd, true, f.cnxt, f.snxt, ACK, 0, 1024); }
    if (hole) { u64 d = ev == 4 ? 200000 + h : h; if (ev == 4) ++nrto;
        add(f, t + d, false, lostSeq, f.cnxt, ACK, lostLen, 509); add(f, t + d + ackd, true, f.cnxt, f.snxt, ACK, 0, 1024); t += d; f.cwnd = std::max(4u, f.cwnd / 2); }
    else { if (sinceAck) add(f, t + 40, true, f.cnxt, f.snxt, ACK, 0, 1024); f.cwnd = std::min(200u, f.cwnd + (f.cwnd < 64 ? f.cwnd / 2 : 2)); }
    if (ev == 5) { ++nzw; t += 100; add(f, t, true, f.cnxt, f.snxt, ACK, 0, 0); t += 200000; add(f, t, false, f.snxt - 1, f.cnxt, ACK, 0, 509); add(f, t + 20, true, f.cnxt, f.snxt, ACK, 0, 0); t += 300000; add(f, t, true, f.cnxt, f.snxt, ACK, 0, 1024); }
    std::stable_sort(f.q.begin(), f.q.end(), [](const Seg& a, const Seg& b) { return a.t < b.t; });
    f.t = t + h;
}
int main(int argc, char** argv)
{
    if (argc < 3) return fprintf(stderr, "usage: big_capture FILE MEGABYTES [SEED] [CONCURRENT] [SNAPLEN] [smallmix]\n"), 2;
    u64 target = strtoull(argv[2], 0, 10) * 1000000ULL; rs = argc > 3 ? strtoull(argv[3], 0, 10) : 1; size_t conc = argc > 4 ? atoi(argv[4]) : 200;
    if (argc > 5) snap = atoi(argv[5]);
    if (argc > 6) smallmix = true; // no bulk flows
    out = fopen(argv[1], "wb"); if (!out) return perror(argv[1]), 1; setvbuf(out, iobuf, _IOFBF, sizeof iobuf);
    payload.resize(140000); for (auto& c : payload) c = u8(R());
    u32 hdr[6] = {0xa1b2c3d4, 0x00040002, 0, 0, snap, 1}; fwrite(hdr, 1, 24, out); written = 24;
    std::vector<Flow> fl(conc); using E = std::pair<u64, u32>; std::priority_queue<E, std::vector<E>, std::greater<E>> pq;
    auto fresh = [&](u32 i, u64 t) {
        Flow f{}; f.id = nflows++; f.t = t + U(20000); u32 d = smallmix ? 30 + U(970) : U(1000); f.kind = d < 30 ? 0 : d < (smallmix ? 60 : 330) ? 1 : d < 900 ? 2 : d < 930 ? 3 : d < 960 ? 4 : 5;
        f.v6 = U(100) < 15; f.ts = U(100) < 90; f.web = f.kind == 1; f.cip = 0x0a000000 | U(1 << 12); f.sip = 0xc0a80000 | U(256); f.cp = 32768 + u16(f.id % 28000); static const u16 sp[] = {5001, 9000, 40001, 40002, 40003};
        f.sp = f.web ? 80 : sp[U(5)]; f.cisn = u32(R()); f.sisn = u32(R()); f.rtt = 200 + U(60000); f.left = f.kind == 0 ? 1000000 + U(15000000) : f.kind == 1 ? 10000 + U(190000) : 100 + U(3000); f.reqs = f.kind == 1 ? U(6) : f.kind == 2 ? U(4) : 0;
        fl[i] = f; step(fl[i]); pq.push({fl[i].q[0].t, i}); };
    for (u32 i = 0; i < conc; ++i) fresh(i, 1700000000ULL * 1000000 + U(3000000));
    while (!pq.empty() && written < target) {
        auto [t, i] = pq.top(); pq.pop(); Flow& f = fl[i]; emit(f, f.q[f.qi++]);
        if (f.qi >= f.q.size()) { while (!f.done) { step(f); if (!f.q.empty()) break; } if (f.done && f.qi >= f.q.size()) { fresh(i, t); continue; } }
        pq.push({f.q[f.qi].t, i});
    }
    fclose(out);
    printf("{\"bytes\":%llu,\"packets\":%llu,\"flows\":%llu,\"losses\":%llu,\"reorders\":%llu,\"rto\":%llu,\"zero_window\":%llu,\"keepalive\":%llu,\"duplicates\":%llu}\n", (unsigned long long)written, (unsigned long long)npk, (unsigned long long)nflows, (unsigned long long)nloss, (unsigned long long)nre, (unsigned long long)nrto, (unsigned long long)nzw, (unsigned long long)nka, (unsigned long long)ndup);
}

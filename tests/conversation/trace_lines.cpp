// Trace lines that everybody has seen in a tutorial, from packets that our own writer made: the
// order of options comes from the writer, the rest of the line from the printer.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "observe/dump.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab {
namespace {

using observe::DumpOptions;
using observe::SegmentPrinter;
using wire::Address;
using wire::Flags;

constexpr std::uint16_t A = Flags::ack, S = Flags::syn, F = Flags::fin, P = Flags::psh;

struct Sent {
    bool by_client = true;
    std::uint16_t flags = 0;
    std::uint32_t seq = 0, ack = 0;
    std::uint16_t window = 0;
    wire::TcpOptions options;
    std::size_t bytes = 0;
    std::string_view text = {};  // the payload begins with it; zeros follow
};

wire::TcpOptions stamped(std::uint32_t val, std::uint32_t ecr) {
    wire::TcpOptions options;
    options.timestamps = wire::Timestamps{val, ecr};
    return options;
}

wire::TcpOptions opening(std::uint32_t val, std::uint32_t ecr, std::uint8_t scale) {
    wire::TcpOptions options = stamped(val, ecr);
    options.mss = 1460;
    options.sack_permitted = true;
    options.window_scale = scale;
    return options;
}

Instant clock_time(int h, int m, int s, int us) {
    return Instant{std::chrono::hours{h} + std::chrono::minutes{m} + std::chrono::seconds{s} +
                   std::chrono::microseconds{us}};
}

class Trace {
public:
    Trace(wire::Endpoint client, wire::Endpoint server, DumpOptions options)
        : client_(client), server_(server), printer_(options) {}

    std::string line(Instant time, const Sent& sent) {
        const wire::Endpoint& from = sent.by_client ? client_ : server_;
        const wire::Endpoint& to = sent.by_client ? server_ : client_;
        std::vector<std::uint8_t> text(sent.bytes);
        std::copy(sent.text.begin(), sent.text.end(), text.begin());
        const std::array<Bytes, 1> payload{Bytes{text}};
        const std::size_t segment = wire::tcp_header_bytes(sent.options) + sent.bytes;
        std::vector<std::uint8_t> packet(20 + segment);
        wire::write_ip(packet, {.source = from.address,
                                .destination = to.address,
                                .protocol = wire::protocol_tcp,
                                .payload_bytes = static_cast<std::uint32_t>(segment)});
        wire::write_tcp(MutableBytes{packet}.subspan(20),
                        {.source_port = from.port,
                         .destination_port = to.port,
                         .seq = {sent.seq},
                         .ack = {sent.ack},
                         .flags = {sent.flags},
                         .window = sent.window,
                         .options = sent.options},
                        {.source = from.address, .destination = to.address, .payload = payload});
        return std::string{printer_.line_ip(time, packet)};
    }
    std::string line(const Sent& sent) { return line(Instant{}, sent); }

private:
    wire::Endpoint client_, server_;
    SegmentPrinter printer_;
};

testing::AssertionResult has(const std::string& line, std::string_view part) {
    if (line.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "no \"" << part << "\" in\n  " << line;
}

// One connection with absolute numbers: opened, 1024 bytes, closed by both ends.
TEST(TraceLines, AbsoluteNumbersOpenSendClose) {
    Trace trace({Address::v4(169, 228, 88, 168), 52524}, {Address::v4(169, 228, 88, 188), 8888},
                {.absolute_numbers = true});
    constexpr std::uint32_t x = 4065008942, y = 1093122830;

    EXPECT_EQ(trace.line(clock_time(0, 30, 27, 921869),
                         {true, S, x, 0, 64240, opening(3875254422, 0, 7)}),
              "00:30:27.921869 IP 169.228.88.168.52524 > 169.228.88.188.8888: Flags [S], "
              "seq 4065008942, win 64240, options [mss 1460,sackOK,TS val 3875254422 ecr 0,nop,"
              "wscale 7], length 0");
    EXPECT_EQ(
        trace.line(clock_time(0, 30, 28, 5237),
                   {false, S | A, y, x + 1, 65160, opening(3225418910, 3875254422, 5)}),
        "00:30:28.005237 IP 169.228.88.188.8888 > 169.228.88.168.52524: Flags [S.], "
        "seq 1093122830, ack 4065008943, win 65160, options [mss 1460,sackOK,TS val 3225418910 "
        "ecr 3875254422,nop,wscale 5], length 0");
    EXPECT_EQ(
        trace.line(clock_time(0, 30, 28, 6550),
                   {true, A, x + 1, y + 1, 502, stamped(3875254506, 3225418910)}),
        "00:30:28.006550 IP 169.228.88.168.52524 > 169.228.88.188.8888: Flags [.], "
        "ack 1093122831, win 502, options [nop,nop,TS val 3875254506 ecr 3225418910], length 0");

    EXPECT_EQ(
        trace.line(clock_time(0, 30, 57, 585899),
                   {true, P | A, x + 1, y + 1, 502, stamped(3875284086, 3225418910), 1024}),
        "00:30:57.585899 IP 169.228.88.168.52524 > 169.228.88.188.8888: Flags [P.], "
        "seq 4065008943:4065009967, ack 1093122831, win 502, options [nop,nop,TS val 3875284086 "
        "ecr 3225418910], length 1024");
    EXPECT_EQ(
        trace.line(clock_time(0, 30, 57, 605209),
                   {false, A, y + 1, x + 1025, 2005, stamped(3225448498, 3875284086)}),
        "00:30:57.605209 IP 169.228.88.188.8888 > 169.228.88.168.52524: Flags [.], "
        "ack 4065009967, win 2005, options [nop,nop,TS val 3225448498 ecr 3875284086], length 0");

    const wire::TcpOptions any = stamped(1, 1);
    const auto part = [&](Instant at, const Sent& sent, std::string_view time,
                          std::string_view rest) {
        const std::string line = trace.line(at, sent);
        EXPECT_TRUE(line.starts_with(time)) << line;
        EXPECT_TRUE(has(line, rest));
    };
    part(clock_time(0, 30, 57, 605252), {true, F | A, x + 1025, y + 1, 502, any}, "00:30:57.605252",
         "Flags [F.], seq 4065009967, ack 1093122831, win 502");
    part(clock_time(0, 30, 57, 669707), {false, A, y + 1, x + 1026, 2005, any}, "00:30:57.669707",
         "Flags [.], ack 4065009968, win 2005");
    part(clock_time(0, 31, 2, 468946), {false, F | A, y + 1, x + 1026, 2005, any},
         "00:31:02.468946", "Flags [F.], seq 1093122831, ack 4065009968, win 2005");
    part(clock_time(0, 31, 2, 469779), {true, A, x + 1026, y + 2, 502, any}, "00:31:02.469779",
         "Flags [.], ack 1093122832, win 502");
}

struct Burst {
    std::uint32_t begin, end;
    bool push;
    std::uint16_t window;  // of the client's answer
    std::uint32_t acked;
};

// One download of 65,800 bytes: numbers are relative from the SYN on, as `tcpdump -n` shows them.
void expect_download(Trace& trace, std::uint32_t x, std::uint32_t y,
                     const std::vector<Burst>& bursts) {
    const wire::TcpOptions any = stamped(1666537180, 2620718342);
    std::uint16_t window = 229;
    for (const Burst& b : bursts) {
        const std::uint16_t flags = b.push ? P | A : A;
        const std::string head = b.push ? "Flags [P.], seq " : "Flags [.], seq ";
        const std::size_t bytes = b.end - b.begin;
        EXPECT_TRUE(has(
            trace.line(
                {false, flags, y + b.begin, x + 152, 235, any, bytes, "HTTP/1.1 200 OK\r\n"}),
            head + std::to_string(b.begin) + ":" + std::to_string(b.end) + ", ack 152, win 235"));
        EXPECT_TRUE(has(trace.line({true, A, x + 152, y + b.acked, b.window, any}),
                        "Flags [.], ack " + std::to_string(b.acked) + ", win " +
                            std::to_string(b.window)));
        window = b.window;
    }
    EXPECT_EQ(window, 1257);
    EXPECT_TRUE(has(trace.line({true, F | A, x + 152, y + 65801, 1257, any}),
                    "Flags [F.], seq 152, ack 65801, win 1257"));
    EXPECT_TRUE(has(trace.line({false, F | A, y + 65801, x + 153, 235, any}),
                    "Flags [F.], seq 65801, ack 153, win 235"));
    EXPECT_TRUE(has(trace.line({true, A, x + 153, y + 65802, 1257, any}),
                    "Flags [.], ack 65802, win 1257"));
}

void expect_request(Trace& trace, std::uint32_t x, std::uint32_t y) {
    const wire::TcpOptions any = stamped(1666537180, 2620718342);
    const std::string request = trace.line({true, P | A, x + 1, y + 1, 229, any, 151,
                                            "GET /file_64KB HTTP/1.1\r\nUser-Agent: Wget\r\n"});
    EXPECT_TRUE(has(request, "Flags [P.], seq 1:152, ack 1, win 229, "));
    EXPECT_TRUE(request.ends_with("length 151: HTTP: GET /file_64KB HTTP/1.1")) << request;
    EXPECT_TRUE(
        has(trace.line({false, A, y + 1, x + 152, 235, any}), "Flags [.], ack 152, win 235"));
}

TEST(TraceLines, RelativeNumbersOfADownload) {
    Trace trace({Address::v4(192, 168, 131, 132), 37584}, {Address::v4(192, 168, 131, 138), 80},
                {});
    constexpr std::uint32_t x = 3124300130, y = 2508684482;
    EXPECT_EQ(trace.line(clock_time(10, 9, 11, 163215),
                         {true, S, x, 0, 29200, opening(1666537180, 0, 7)}),
              "10:09:11.163215 IP 192.168.131.132.37584 > 192.168.131.138.80: Flags [S], "
              "seq 3124300130, win 29200, options [mss 1460,sackOK,TS val 1666537180 ecr 0,nop,"
              "wscale 7], length 0");
    EXPECT_EQ(
        trace.line(clock_time(10, 9, 11, 163355),
                   {false, S | A, y, x + 1, 28960, opening(2620718342, 1666537180, 7)}),
        "10:09:11.163355 IP 192.168.131.138.80 > 192.168.131.132.37584: Flags [S.], "
        "seq 2508684482, ack 3124300131, win 28960, options [mss 1460,sackOK,TS val 2620718342 "
        "ecr 1666537180,nop,wscale 7], length 0");
    EXPECT_EQ(trace.line(clock_time(10, 9, 11, 163390),
                         {true, A, x + 1, y + 1, 229, stamped(1666537180, 2620718342)}),
              "10:09:11.163390 IP 192.168.131.132.37584 > 192.168.131.138.80: Flags [.], ack 1, "
              "win 229, options [nop,nop,TS val 1666537180 ecr 2620718342], length 0");
    expect_request(trace, x, y);
    expect_download(trace, x, y,
                    {{1, 7241, false, 342, 7241},
                     {7241, 14481, false, 455, 14481},
                     {14481, 24617, false, 613, 24617},
                     {24617, 28961, true, 681, 28961},
                     {28961, 37649, false, 817, 37649},
                     {37649, 43441, true, 907, 43441},
                     {43441, 57921, false, 1134, 57921},
                     {57921, 62265, false, 1201, 62265},
                     {62265, 65801, true, 1257, 65801}});
}

TEST(TraceLines, RelativeNumbersOfTheNextDownload) {
    Trace trace({Address::v4(192, 168, 131, 132), 37586}, {Address::v4(192, 168, 131, 138), 80},
                {});
    constexpr std::uint32_t x = 2780780137, y = 825503549;
    EXPECT_TRUE(has(trace.line({true, S, x, 0, 29200, opening(1666537187, 0, 7)}),
                    "Flags [S], seq 2780780137, win 29200"));
    EXPECT_TRUE(has(trace.line({false, S | A, y, x + 1, 28960, opening(2620718349, 1666537187, 7)}),
                    "Flags [S.], seq 825503549, ack 2780780138, win 28960"));
    EXPECT_TRUE(has(trace.line({true, A, x + 1, y + 1, 229, stamped(1666537187, 2620718349)}),
                    "Flags [.], ack 1, win 229"));
    expect_request(trace, x, y);
    expect_download(trace, x, y,
                    {{1, 14481, false, 455, 14481},
                     {14481, 28961, true, 681, 28961},
                     {28961, 37649, false, 817, 37649},
                     {37649, 43441, true, 907, 43441},
                     {43441, 56473, false, 1111, 56473},
                     {56473, 65801, true, 1257, 65801}});
}

}  // namespace
}  // namespace estab

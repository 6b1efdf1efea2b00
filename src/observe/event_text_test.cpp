#include "observe/event_text.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/result.hpp"
#include "congestion/algorithm.hpp"
#include "observe/json.hpp"
#include "observe/snmp_text.hpp"
#include "tcp/state.hpp"

namespace estab::observe {
namespace {

using event::Event;
using event::Kind;

Event retransmission() {
    Event e;
    e.at = Instant{12'345'678'900ns};
    e.kind = Kind::retransmit;
    e.connection = 3;
    e.tuple.local = {wire::Address::v4(10, 77, 0, 2), 80};
    e.tuple.remote = {wire::Address::v4(10, 77, 0, 100), 4242};
    e.values = {1, 1449, static_cast<std::uint64_t>(event::Cause::timeout), 2};
    return e;
}

template <class Add, class... Args>
std::string text_of(Add add, const Args&... args) {
    TextBuffer out(4);
    add(out, args...);
    return std::string{out.view()};
}

TEST(EventText, IsOneLineOfNamedValues) {
    EXPECT_EQ(
        text_of(add_event_text, retransmission()),
        "12.3456789 retransmit 10.77.0.2:80>10.77.0.100:4242 seq=1 end=1449 cause=timeout count=2");
}

TEST(EventText, JsonHasTheSameNames) {
    EXPECT_EQ(text_of(add_event_json, retransmission()),
              R"({"time_s":12.3456789,"event":"retransmit","connection":3,"local":"10.77.0.2:80",)"
              R"("remote":"10.77.0.100:4242","seq":1,"end":1449,"cause":"timeout","count":2})");
}

TEST(EventText, DurationsAreSeconds) {
    Event e{.at = Instant{1s}, .kind = Kind::rtt_sample, .connection = event::no_connection};
    e.values = {40'000'000, 1, 0, 1'000'000'000};
    EXPECT_EQ(text_of(add_event_json, e), R"({"time_s":1,"event":"rtt_sample","rtt_s":0.04,)"
                                          R"("srtt_s":0.000000001,"rttvar_s":0,"rto_s":1})");
}

TEST(EventText, StatesErrorsAndFlagsAreWords) {
    Event e{.kind = Kind::state, .connection = event::no_connection};
    e.values = {static_cast<std::uint64_t>(tcp::State::syn_sent),
                static_cast<std::uint64_t>(tcp::State::established)};
    EXPECT_EQ(text_of(add_event_text, e), "0 state from=SYN-SENT to=ESTABLISHED");
    e.kind = Kind::reset_sent;
    e.values = {7, 0x14};
    EXPECT_EQ(text_of(add_event_text, e), "0 reset_sent seq=7 flags=R.");
    e.kind = Kind::closed;
    e.values = {static_cast<std::uint64_t>(Error::refused) + 1, 3, 1};
    EXPECT_EQ(text_of(add_event_text, e),
              R"(0 closed error="connection refused" icmp_type=3 icmp_code=1)");
    e.kind = Kind::congestion_window;
    e.values = {14600, congestion::infinite, 1, 0};
    EXPECT_EQ(text_of(add_event_json, e),
              R"({"time_s":0,"event":"congestion_window","cwnd_bytes":14600,)"
              R"("ssthresh_bytes":"unlimited","cause":"open","in_flight_bytes":0})");
}

TEST(EventText, EveryKindHasANameAndFields) {
    for (std::size_t i = 0; i < event::kinds; ++i) {
        const Event e{.kind = static_cast<Kind>(i), .connection = event::no_connection};
        const std::string json = text_of(add_event_json, e);
        EXPECT_EQ(json.front(), '{');
        EXPECT_EQ(json.back(), '}');
        EXPECT_EQ(json.find('?'), std::string::npos) << json;
        EXPECT_EQ(json.find("_ns"), std::string::npos) << json;
    }
}

TEST(Json, StringsAreAlwaysValid) {  // RFC 8259 7, RFC 3629 4
    EXPECT_EQ(text_of(add_json_string, std::string_view{"a\"b\\c\n\x01\x7f"}),
              R"("a\"b\\c\n\u0001\u007f")");
    EXPECT_EQ(text_of(add_json_string, std::string_view{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"}),
              "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    EXPECT_EQ(text_of(add_json_string, std::string_view{"\xc3"}), R"("\ufffd")");
    EXPECT_EQ(text_of(add_json_string, std::string_view{"\xc0\x80"}), R"("\ufffd\ufffd")");
    EXPECT_EQ(text_of(add_json_string, std::string_view{"\xed\xa0\x80"}),
              R"("\ufffd\ufffd\ufffd")");
    EXPECT_EQ(text_of(add_json_string, std::string_view{}), R"("")");
}

TEST(Json, SecondsAreExact) {
    EXPECT_EQ(text_of(add_seconds, std::int64_t{0}), "0");
    EXPECT_EQ(text_of(add_seconds, std::int64_t{1}), "0.000000001");
    EXPECT_EQ(text_of(add_seconds, std::int64_t{-1'500'000'000}), "-1.5");
    EXPECT_EQ(text_of(add_seconds, std::numeric_limits<std::int64_t>::min()),
              "-9223372036.854775808");
}

TEST(SnmpText, HasLinuxsTwoLinesPerGroup) {
    event::Counters counters;
    counters.Tcp_RetransSegs = 3;
    counters.TcpExt_TCPTimeouts = 1;
    const std::string snmp = text_of(add_snmp, counters);
    EXPECT_NE(
        snmp.find("Tcp: ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs "
                  "OutSegs RetransSegs InErrs OutRsts InCsumErrors\nTcp: 0 0 0 0 0 0 0 3 0 0 0\n"),
        std::string::npos)
        << snmp;
    EXPECT_TRUE(text_of(add_netstat, counters).starts_with("TcpExt: SyncookiesSent "));
    EXPECT_EQ(text_of(add_nstat, counters, false), "TcpRetransSegs 3\nTcpExtTCPTimeouts 1\n");
}

}  // namespace
}  // namespace estab::observe

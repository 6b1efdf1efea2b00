// Runs every row of the tables in every state that it names, one test for each.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "conformance/table.hpp"

namespace estab::conformance {
namespace {

using conversation::Conversation;

constexpr const char* synchronized =
    "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT";
// 3.10.7.4, "other states".
const std::string other = std::string("SYN-RECEIVED/passive SYN-RECEIVED/active ") + synchronized;

struct Case {
    const Situation* in;
    const Row* row;
};

std::vector<Case> cases(std::span<const Row> rows) {
    std::vector<Case> result;
    for (const Row& row : rows) {
        for (const std::string& name : conversation::words(row.states)) {
            const std::string names = name == "synchronized" ? synchronized
                                      : name == "other"      ? other
                                                             : name;
            for (const std::string& state : conversation::words(names)) {
                const auto all = situations();
                const auto in = std::find_if(all.begin(), all.end(), [&state](const Situation& s) {
                    return state == s.name;
                });
                result.push_back({in == all.end() ? nullptr : &*in, &row});
            }
        }
    }
    return result;
}

std::string test_name(const testing::TestParamInfo<Case>& info) {
    const Case& c = info.param;
    std::string name =
        std::string(c.in != nullptr ? c.in->name : "NoSuchState") + "_" + c.row->event;
    std::replace_if(
        name.begin(), name.end(), [](unsigned char x) { return std::isalnum(x) == 0; }, '_');
    return name;
}

// "$R+10" becomes a number.
std::string fill_in(const Situation& in, std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$') {
            result += text[i];
            continue;
        }
        const char which = text.at(++i);
        std::int64_t value = which == 'R' ? in.rcv_nxt : which == 'S' ? in.snd_nxt : in.snd_una;
        if (i + 1 < text.size() && (text[i + 1] == '+' || text[i + 1] == '-')) {
            const bool minus = text[++i] == '-';
            std::int64_t by = 0;
            while (i + 1 < text.size() &&
                   std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0) {
                by = by * 10 + (text[++i] - '0');
            }
            value += minus ? -by : by;
        }
        result += std::to_string(value);
    }
    return result;
}

std::string script(const Case& c) {
    const std::string answer = c.row->answer;
    std::string state = c.row->state;
    if (state == "=") state = std::string(c.in->name).substr(0, std::string(c.in->name).find('/'));
    return fill_in(*c.in, std::string(c.in->prelude) + c.row->lines + "\n" +
                              (answer == "nothing" ? "quiet"
                               : answer == "ack"   ? "-> . $S ack $R length 0\nquiet"
                                                   : answer) +
                              "\nstate " + state + "\n");
}

class Rfc9293Table : public testing::TestWithParam<Case> {};

TEST_P(Rfc9293Table, Row) {
    ASSERT_NE(GetParam().in, nullptr) << "a row names a state that there is not";
    conversation::Terms terms{.mss = 1000, .our_window = 10'000};
    terms.config.delay_fin_ack = false;  // every answer comes at once
    terms.config.rfc1337 = false;        // RFC 9293: a RST ends TIME-WAIT
    terms.config.rto_min_above_srtt = false;
    Conversation{{terms, GetParam().in->begin}}.run(script(GetParam()));
    if (HasFailure()) std::printf("The whole script:\n%s\n", script(GetParam()).c_str());
}

INSTANTIATE_TEST_SUITE_P(SegmentArrives, Rfc9293Table, testing::ValuesIn(cases(segment_rows())),
                         test_name);
INSTANTIATE_TEST_SUITE_P(UserCall, Rfc9293Table, testing::ValuesIn(cases(call_rows())), test_name);
INSTANTIATE_TEST_SUITE_P(Timeout, Rfc9293Table, testing::ValuesIn(cases(timer_rows())), test_name);

}  // namespace
}  // namespace estab::conformance

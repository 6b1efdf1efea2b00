#include "conformance/table.hpp"

namespace estab::conformance {

using conversation::Begin;

namespace {

// 100 octets each way have been sent and acknowledged; our window ends at 10001.
#define ESTAB_ESTABLISHED       \
    "<- P. 1:101 ack 1\n"       \
    "-> . 1 ack 101\n"          \
    "app read 100\n"            \
    "app write 100\n"           \
    "-> P. 1:101 ack 101\n"     \
    "<- . 101 ack 101\n"
#define ESTAB_FIN_WAIT_1 ESTAB_ESTABLISHED "app shutdown\n-> F. 101 ack 101\n"
#define ESTAB_FIN_WAIT_2 ESTAB_FIN_WAIT_1 "<- . 101 ack 102\n"
#define ESTAB_CLOSE_WAIT ESTAB_ESTABLISHED "<- F. 101 ack 101\n-> . 101 ack 102\n"

constexpr Situation all[] = {
    {"CLOSED", Begin::closed, "", 0, 0, 0},
    {"SYN-SENT", Begin::closed, "app open\n-> S 0\n", 0, 1, 0},
    {"SYN-RECEIVED/passive", Begin::passive, "", 1, 1, 0},
    {"SYN-RECEIVED/active", Begin::closed, "app open\n-> S 0\n<- S 0 mss 1000\n-> S. 0 ack 1\n", 1,
     1, 0},
    {"ESTABLISHED", Begin::established, ESTAB_ESTABLISHED, 101, 101, 101},
    {"FIN-WAIT-1", Begin::established, ESTAB_FIN_WAIT_1, 101, 102, 101},
    {"FIN-WAIT-2", Begin::established, ESTAB_FIN_WAIT_2, 101, 102, 102},
    {"CLOSE-WAIT", Begin::established, ESTAB_CLOSE_WAIT, 102, 101, 101},
    {"CLOSING", Begin::established, ESTAB_FIN_WAIT_1 "<- F. 101 ack 101\n-> . 102 ack 102\n", 102,
     102, 101},
    {"LAST-ACK", Begin::established, ESTAB_CLOSE_WAIT "app shutdown\n-> F. 101 ack 102\n", 102, 102,
     101},
    {"TIME-WAIT", Begin::established, ESTAB_FIN_WAIT_2 "<- F. 101 ack 102\n-> . 102 ack 102\n", 102,
     102, 102},
};

#undef ESTAB_ESTABLISHED
#undef ESTAB_FIN_WAIT_1
#undef ESTAB_FIN_WAIT_2
#undef ESTAB_CLOSE_WAIT

}  // namespace

std::span<const Situation> situations() { return all; }

}  // namespace estab::conformance

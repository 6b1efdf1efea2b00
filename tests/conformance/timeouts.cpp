// RFC 9293 3.10.8: USER TIMEOUT, RETRANSMISSION TIMEOUT, TIME-WAIT TIMEOUT; and the timers that 3.8
// asks for. The round trips of the preludes took no time, so that the RTO is its minimum.
#include "conformance/table.hpp"

namespace estab::conformance {

namespace {

constexpr Row rows[] = {
    {"Retransmission", "SYN-SENT", "+1s -> S 0\n+2s -> S 0", "nothing"},
    {"Retransmission", "SYN-RECEIVED/active", "+1s -> S. 0 ack 1\n+2s -> S. 0 ack 1", "nothing"},
    {"Retransmission", "FIN-WAIT-1", "+200 -> F. 101 ack 101\n+400 -> F. 101 ack 101", "nothing"},
    {"Retransmission", "CLOSING LAST-ACK", "+200 -> F. 101 ack 102\n+400 -> F. 101 ack 102",
     "nothing"},
    {"Retransmission", "ESTABLISHED CLOSE-WAIT",
     "app write 10\n-> P. 101:111\n+200 -> P. 101:111\n+400 -> P. 101:111", "nothing"},
    {"NothingOutstanding", "CLOSED SYN-RECEIVED/passive ESTABLISHED FIN-WAIT-2 CLOSE-WAIT",
     "+7200s quiet", "nothing"},  // an owner may wait for ever
    {"GivesUp", "SYN-SENT",
     "+1s -> S\n+2s -> S\n+4s -> S\n+8s -> S\n+16s -> S\n+32s -> S\n+64s -> S\n+119.999s quiet\n"
     "state SYN-SENT\n+0.001s expect-error connection_timed_out",
     "nothing", "CLOSED"},
    {"ZeroWindow", "ESTABLISHED CLOSE-WAIT",
     "<- . $R ack $U win 0\napp write 10\ntimer persist\n+200 -> . $S-1 ack $R\n+400 -> . $S-1 ack "
     "$R",
     "nothing"},
    {"TimeWait", "TIME-WAIT", "timer timewait\n+59.999s state TIME-WAIT\n+0.001s expect-error none",
     "nothing", "CLOSED"},
    {"TimeWaitAfterAFinAgain", "TIME-WAIT",
     "+59s <- F. $R-1 ack $U\n-> . $S ack $R\n+59.999s state TIME-WAIT\n+0.001s expect-error none",
     "nothing", "CLOSED"},
    {"OrphansWait", "FIN-WAIT-2", "app close\n+59.999s state FIN-WAIT-2\n+0.001s expect-error none",
     "nothing", "CLOSED"},
};

}  // namespace

std::span<const Row> timer_rows() { return rows; }

}  // namespace estab::conformance

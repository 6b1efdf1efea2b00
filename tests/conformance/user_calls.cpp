// RFC 9293 3.10.2 to 3.10.6: SEND, RECEIVE, CLOSE, ABORT; and shutdown(SHUT_WR), which is a CLOSE
// whose caller stays.
#include "conformance/table.hpp"

namespace estab::conformance {

namespace {

constexpr Row rows[] = {
    // 3.10.2
    {"Send", "CLOSED", "app write 10 not_connected", "nothing"},
    {"Send", "SYN-SENT SYN-RECEIVED/passive SYN-RECEIVED/active", "app write 10 would_block",
     "nothing"},
    {"Send", "ESTABLISHED CLOSE-WAIT", "app write 10", "-> P. $S:$S+10 ack $R"},
    {"Send", "FIN-WAIT-1 FIN-WAIT-2 CLOSING LAST-ACK TIME-WAIT", "app write 10 broken_pipe",
     "nothing"},

    // 3.10.3
    {"Receive", "CLOSED", "app read not_connected", "nothing"},
    {"Receive",
     "SYN-SENT SYN-RECEIVED/passive SYN-RECEIVED/active ESTABLISHED FIN-WAIT-1 FIN-WAIT-2",
     "app read would_block", "nothing"},
    {"Receive", "CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT", "app read eof", "nothing"},
    {"ReceiveWhatCameBeforeTheFin", "ESTABLISHED",
     "<- FP. $R:$R+10 ack $U\n-> . $S ack $R+11\napp read 10\napp read eof", "nothing",
     "CLOSE-WAIT"},

    // 3.10.4
    {"Close", "CLOSED CLOSING LAST-ACK TIME-WAIT FIN-WAIT-1 FIN-WAIT-2", "app close", "nothing"},
    {"Close", "SYN-SENT", "app close", "expect-error none", "CLOSED"},
    {"Close", "SYN-RECEIVED/passive SYN-RECEIVED/active", "app close",
     "nothing"},  // the FIN follows later
    {"CloseAndThenTheAck", "SYN-RECEIVED/passive SYN-RECEIVED/active", "app close\n<- . $R ack 1",
     "-> F. $S ack $R", "FIN-WAIT-1"},
    {"Close", "ESTABLISHED", "app close", "-> F. $S ack $R", "FIN-WAIT-1"},
    {"Close", "CLOSE-WAIT", "app close", "-> F. $S ack $R", "LAST-ACK"},
    {"CloseWithUnreadText", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2",  // SHLD-3
     "<- P. $R:$R+10 ack $U\n-> . $S ack $R+10\napp close", "-> R. $S ack $R+10", "CLOSED"},
    {"TextAfterClose", "FIN-WAIT-1 FIN-WAIT-2", "app close\n<- P. $R:$R+10 ack $U",
     "-> R. $S",  // SHLD-3
     "CLOSED"},
    {"Shutdown", "CLOSED FIN-WAIT-1 FIN-WAIT-2 CLOSING LAST-ACK TIME-WAIT", "app shutdown",
     "nothing"},
    {"Shutdown", "ESTABLISHED", "app shutdown", "-> F. $S ack $R", "FIN-WAIT-1"},
    {"Shutdown", "CLOSE-WAIT", "app shutdown", "-> F. $S ack $R", "LAST-ACK"},

    // 3.10.5
    {"Abort", "CLOSED TIME-WAIT SYN-SENT CLOSING LAST-ACK", "app abort", "nothing", "CLOSED"},
    {"Abort",
     "SYN-RECEIVED/passive SYN-RECEIVED/active ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT",
     "app abort", "-> R. $S ack $R length 0", "CLOSED"},
    {"AbortForgetsWhatWasQueued", "ESTABLISHED CLOSE-WAIT",
     "app cork\napp write 10\nquiet\napp abort", "-> R. $S ack $R length 0", "CLOSED"},
};

}  // namespace

std::span<const Row> call_rows() { return rows; }

}  // namespace estab::conformance

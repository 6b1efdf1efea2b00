// RFC 9293 3.10.7, in its order, as RFC 5961 modifies it. LISTEN has no connection: it is
// the stack's.
#include "conformance/table.hpp"

namespace estab::conformance {

namespace {

constexpr Row rows[] = {
    // 3.10.7.1, CLOSED: whatever is not a RST draws one, in one of two forms.
    {"Syn", "CLOSED", "<- S 7", "-> R. 0 ack 8 length 0"},
    {"SynWithText", "CLOSED", "<- S 7:17", "-> R. 0 ack 18 length 0"},
    {"Fin", "CLOSED", "<- F 7", "-> R. 0 ack 8 length 0"},
    {"TextWithoutAck", "CLOSED", "<- P 7:17", "-> R. 0 ack 17 length 0"},
    {"Ack", "CLOSED", "<- . 7 ack 55", "-> R 55 length 0"},
    {"SynAck", "CLOSED", "<- S. 7 ack 55", "-> R 55 length 0"},
    {"Text", "CLOSED", "<- P. 7:17 ack 55", "-> R 55 length 0"},
    {"Rst", "CLOSED", "<- R 7", "nothing"},
    {"RstAck", "CLOSED", "<- R. 7 ack 55", "nothing"},

    // 3.10.7.3, SYN-SENT. First the ACK: ISS < SEG.ACK =< SND.NXT.
    {"AckTooLow", "SYN-SENT", "<- . 0 ack 0", "-> R 0 length 0"},
    {"AckTooHigh", "SYN-SENT", "<- . 0 ack 2", "-> R 2 length 0"},
    {"SynAckTooLow", "SYN-SENT", "<- S. 0 ack 0 mss 1000", "-> R 0 length 0"},
    {"SynAckTooHigh", "SYN-SENT", "<- S. 0 ack 2 mss 1000", "-> R 2 length 0"},
    {"RstAckTooLow", "SYN-SENT", "<- R. 0 ack 0", "nothing"},
    {"RstAckTooHigh", "SYN-SENT", "<- R. 0 ack 2", "nothing"},
    // Second the RST: one that acknowledges our SYN ends the attempt, one without an ACK proves
    // nothing.
    {"RstAck", "SYN-SENT", "<- R. 0 ack 1", "expect-error connection_refused", "CLOSED"},
    {"Rst", "SYN-SENT", "<- R 0", "nothing"},
    // Fourth the SYN: with our ACK, or the other half of a simultaneous open (MUST-10).
    {"SynAck", "SYN-SENT", "<- S. 0 ack 1 mss 1000", "-> . 1 ack 1 length 0", "ESTABLISHED"},
    {"SynAckWithText", "SYN-SENT", "<- S. 0:10 ack 1 mss 1000", "-> . 1 ack 11 length 0",
     "ESTABLISHED"},
    {"SynAckWithFin", "SYN-SENT", "<- SF. 0 ack 1 mss 1000", "-> . 1 ack 2 length 0", "CLOSE-WAIT"},
    {"Syn", "SYN-SENT", "<- S 0 mss 1000", "-> S. 0 ack 1", "SYN-RECEIVED"},
    // Fifth: neither.
    {"Ack", "SYN-SENT", "<- . 0 ack 1", "nothing"},
    {"FinAck", "SYN-SENT", "<- F. 0 ack 1", "nothing"},
    {"TextWithoutAck", "SYN-SENT", "<- P 0:10", "nothing"},

    // 3.10.7.4, first: the sequence number. What is not acceptable draws an ACK and does nothing
    // else.
    {"AckLeftOfWindow", "other", "<- . $R-1 ack $S", "ack"},
    {"AckRightOfWindow", "other", "<- . 70000 ack $S", "ack"},
    {"OldText", "synchronized", "<- P. $R-50:$R ack $S", "ack"},
    {"TextRightOfWindow", "other", "<- P. 70000:70100 ack $S", "ack"},
    {"FinRightOfWindow", "other", "<- F. 70000 ack $S", "ack"},
    {"FinAgain", "CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT", "<- F. $R-1 ack $U", "ack"},
    {"KeepaliveProbe", "other", "<- . $R-1:$R ack $U", "ack"},

    // Second: RST. RFC 5961 3.2: at RCV.NXT it counts (U-5), elsewhere in the window it is asked to
    // prove
    // itself (U-6), outside it is nothing (U-7).
    {"RstExact", "SYN-RECEIVED/passive", "<- R $R", "nothing",
     "CLOSED"},  // and LISTEN never heard of it
    {"RstExact", "SYN-RECEIVED/active", "<- R $R", "expect-error connection_refused", "CLOSED"},
    {"RstExact", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT", "<- R $R",
     "expect-error connection_reset_by_peer", "CLOSED"},
    {"RstExact", "CLOSING LAST-ACK TIME-WAIT", "<- R $R", "expect-error none", "CLOSED"},
    {"RstExactWithText", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- R $R:$R+20",  // SHLD-2
     "expect-error connection_reset_by_peer", "CLOSED"},
    {"RstExactWithAckOfTheFuture", "ESTABLISHED", "<- R. $R ack 5000",
     "expect-error connection_reset_by_peer", "CLOSED"},
    {"RstOneBehind", "other", "<- R $R+1", "ack"},
    {"RstAtTheEndOfTheWindow", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- R 10000", "ack"},
    {"RstOneBefore", "other", "<- R $R-1", "nothing"},
    {"RstRightOfWindow", "other", "<- R 70000", "nothing"},

    // Fourth: SYN. RFC 5961 4.2: whatever its number, a challenge ACK (U-8).
    {"SynInWindow", "SYN-RECEIVED/passive", "<- S $R", "nothing", "CLOSED"},  // back to LISTEN
    {"SynInWindow", "SYN-RECEIVED/active synchronized", "<- S $R", "ack"},
    {"SynLeftOfWindow", "other", "<- S 0", "ack"},
    {"SynRightOfWindow", "other", "<- S 70000", "ack"},
    {"SynAckInWindow", "synchronized", "<- S. $R ack $S", "ack"},
    {"SynAckAgain", "synchronized", "<- S. 0 ack 1", "ack"},
    {"SynAckOfSimultaneousOpen", "SYN-RECEIVED/active", "<- S. 0 ack 1 mss 1000", "nothing",
     "ESTABLISHED"},

    // Fifth: ACK. Without one, dropped.
    {"TextWithoutAck", "other", "<- P $R:$R+10", "nothing"},
    {"FinWithoutAck", "other", "<- F $R", "nothing"},
    {"NoFlags", "other", "<- none $R", "nothing"},
    {"AckTooLow", "SYN-RECEIVED/passive SYN-RECEIVED/active", "<- . $R ack 0", "-> R 0 length 0"},
    {"AckTooHigh", "SYN-RECEIVED/passive SYN-RECEIVED/active", "<- . $R ack 2", "-> R 2 length 0"},
    {"AckExact", "SYN-RECEIVED/passive SYN-RECEIVED/active", "<- . $R ack 1", "nothing",
     "ESTABLISHED"},
    {"AckWithText", "SYN-RECEIVED/passive SYN-RECEIVED/active", "<- P. $R:$R+10 ack 1",
     "-> . 1 ack $R+10 length 0", "ESTABLISHED"},
    {"AckWithFin", "SYN-RECEIVED/passive SYN-RECEIVED/active", "<- F. $R ack 1",
     "-> . 1 ack $R+1 length 0", "CLOSE-WAIT"},
    {"AckOfTheFuture", "synchronized", "<- . $R ack $S+1", "ack"},
    {"AckOfTheFutureWithText", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. $R:$R+10 ack $S+1",
     "ack"},
    {"AckOfTheDistantPast", "synchronized", "<- . $R ack -70000", "ack"},  // RFC 5961 5.2 (U-9)
    {"AckOld", "synchronized", "<- . $R ack 51", "nothing"},
    {"AckOldWithText", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. $R:$R+10 ack 51",
     "-> . $S ack $R+10 length 0"},
    {"AckCurrent", "synchronized", "<- . $R ack $U", "nothing"},
    {"AckOfFin", "FIN-WAIT-1", "<- . $R ack $S", "nothing", "FIN-WAIT-2"},
    {"AckOfFin", "CLOSING", "<- . $R ack $S", "nothing", "TIME-WAIT"},
    {"AckOfFin", "LAST-ACK", "<- . $R ack $S", "expect-error none", "CLOSED"},

    // Sixth: URG, where text may still come.
    {"Urgent", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- U. $R ack $U urg 5", "notice urgent"},
    {"Urgent", "CLOSE-WAIT CLOSING LAST-ACK TIME-WAIT", "<- U. $R ack $U urg 5",
     "no-notice urgent"},

    // Seventh: text.
    {"TextInOrder", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. $R:$R+10 ack $U",
     "-> . $S ack $R+10 length 0"},
    {"TextOutOfOrder", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. $R+10:$R+20 ack $U",
     "ack"},  // SHLD-31
    {"TextPartlyOld", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. $R-10:$R+10 ack $U",
     "-> . $S ack $R+10 length 0"},
    {"TextAcrossTheRightEdge", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- P. 9990:10090 ack $U",
     "ack"},
    {"TextBehindTheFin", "CLOSE-WAIT CLOSING LAST-ACK", "<- P. $R:$R+10 ack $U", "nothing"},
    {"TextAfterTheEnd", "TIME-WAIT", "<- P. $R:$R+10 ack $U", "ack"},

    // Eighth: FIN.
    {"Fin", "ESTABLISHED", "<- F. $R ack $U", "-> . $S ack $R+1 length 0", "CLOSE-WAIT"},
    {"Fin", "FIN-WAIT-1", "<- F. $R ack $U", "-> . $S ack $R+1 length 0", "CLOSING"},
    {"FinWithAckOfOurs", "FIN-WAIT-1", "<- F. $R ack $S", "-> . $S ack $R+1 length 0", "TIME-WAIT"},
    {"Fin", "FIN-WAIT-2", "<- F. $R ack $U", "-> . $S ack $R+1 length 0", "TIME-WAIT"},
    {"FinBehindAHole", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2", "<- F. $R+10 ack $U", "ack"},
    {"FinWithText", "ESTABLISHED", "<- FP. $R:$R+10 ack $U", "-> . $S ack $R+11 length 0",
     "CLOSE-WAIT"},
    {"FinBehindTheFin", "CLOSE-WAIT CLOSING LAST-ACK", "<- F. $R ack $U", "nothing"},
    {"FinAfterTheEnd", "TIME-WAIT", "<- F. $R ack $U", "ack"},
};

}  // namespace

std::span<const Row> segment_rows() { return rows; }

}  // namespace estab::conformance

// Counters of one stack, under the names that Linux's SNMP tables give them (/proc/net/snmp and
// /proc/net/netstat), so that people who read `nstat` can read these.
#pragma once

#include <cstdint>

namespace estab::event {

#define ESTAB_COUNTERS(X)                                                                       \
    X(Ip, InReceives) X(Ip, InHdrErrors) X(Ip, InAddrErrors) X(Ip, InUnknownProtos)             \
    X(Ip, InDelivers) X(Ip, OutRequests) X(Ip, OutDiscards) X(Ip, OutNoRoutes)                  \
    X(Ip, ReasmReqds) X(Ip, ReasmOKs) X(Ip, ReasmFails) X(Ip, ReasmTimeout)                     \
    X(Icmp, InMsgs) X(Icmp, InErrors) X(Icmp, InDestUnreachs) X(Icmp, InEchos)                  \
    X(Icmp, OutMsgs) X(Icmp, OutDestUnreachs) X(Icmp, OutEchoReps)                              \
    X(Udp, InDatagrams) X(Udp, NoPorts) X(Udp, InErrors) X(Udp, OutDatagrams)                   \
    X(Udp, RcvbufErrors)                                                                        \
    X(Tcp, ActiveOpens) X(Tcp, PassiveOpens) X(Tcp, AttemptFails) X(Tcp, EstabResets)           \
    X(Tcp, CurrEstab) X(Tcp, InSegs) X(Tcp, OutSegs) X(Tcp, RetransSegs) X(Tcp, InErrs)         \
    X(Tcp, OutRsts) X(Tcp, InCsumErrors)                                                        \
    X(TcpExt, SyncookiesSent) X(TcpExt, SyncookiesRecv) X(TcpExt, SyncookiesFailed)             \
    X(TcpExt, EmbryonicRsts) X(TcpExt, TW) X(TcpExt, TWRecycled) X(TcpExt, PAWSEstab)           \
    X(TcpExt, DelayedACKs) X(TcpExt, DelayedACKLost) X(TcpExt, ListenOverflows)                 \
    X(TcpExt, ListenDrops) X(TcpExt, TCPReqQFullDrop) X(TcpExt, TCPReqQFullDoCookies)           \
    X(TcpExt, TCPTimeouts) X(TcpExt, TCPRenoRecovery) X(TcpExt, TCPSackRecovery)                \
    X(TcpExt, TCPSACKReneging) X(TcpExt, TCPSACKReorder) X(TcpExt, TCPSACKDiscard)              \
    X(TcpExt, TCPFullUndo) X(TcpExt, TCPDSACKUndo) X(TcpExt, TCPLossUndo)                       \
    X(TcpExt, TCPSpuriousRTOs) X(TcpExt, TCPLossProbes) X(TcpExt, TCPLossProbeRecovery)         \
    X(TcpExt, TCPFastRetrans) X(TcpExt, TCPSlowStartRetrans) X(TcpExt, TCPSynRetrans)           \
    X(TcpExt, TCPDSACKOldSent) X(TcpExt, TCPDSACKOfoSent) X(TcpExt, TCPDSACKRecv)               \
    X(TcpExt, TCPOFOQueue) X(TcpExt, TCPOFODrop) X(TcpExt, TCPOFOMerge) X(TcpExt, OfoPruned)    \
    X(TcpExt, TCPRcvQDrop) X(TcpExt, TCPChallengeACK) X(TcpExt, TCPSYNChallenge)                \
    X(TcpExt, TCPACKSkippedSynRecv) X(TcpExt, TCPACKSkippedPAWS) X(TcpExt, TCPACKSkippedSeq)    \
    X(TcpExt, TCPACKSkippedChallenge) X(TcpExt, TCPACKSkippedTimeWait)                          \
    X(TcpExt, TCPAbortOnData) X(TcpExt, TCPAbortOnClose) X(TcpExt, TCPAbortOnMemory)            \
    X(TcpExt, TCPAbortOnTimeout) X(TcpExt, TCPAbortOnLinger) X(TcpExt, TCPAbortFailed)          \
    X(TcpExt, TCPKeepAlive) X(TcpExt, TCPWinProbe) X(TcpExt, TCPFromZeroWindowAdv)              \
    X(TcpExt, TCPToZeroWindowAdv) X(TcpExt, TCPPureAcks) X(TcpExt, TCPHPHits)                   \
    X(TcpExt, TCPMemoryPressures) X(TcpExt, OutOfWindowIcmps) X(TcpExt, TCPTimeWaitOverflow)    \
    X(TcpExt, TCPFastOpenActive) X(TcpExt, TCPFastOpenActiveFail) X(TcpExt, TCPFastOpenPassive) \
    X(TcpExt, TCPFastOpenPassiveFail) X(TcpExt, TCPFastOpenListenOverflow)                      \
    X(TcpExt, TCPFastOpenCookieReqd) X(TcpExt, TCPFastOpenBlackhole)                            \
    X(TcpExt, TCPFastOpenPassiveAltKey)                                                         \
    X(TcpExt, TCPDeliveredCE) X(TcpExt, TCPMTUPFail) X(TcpExt, TCPMTUPSuccess)                  \
    X(Estab, TCPHoldQueued) X(Estab, TCPHoldDropped) X(Estab, TCPHalfOpenEvicted)               \
    X(Estab, TCPUnknownOptions) X(Estab, TCPMalformedOptions) X(Estab, TCPSourceRouteDrops)

struct Counters {
#define ESTAB_COUNTER_FIELD(group, name) std::uint64_t group##_##name = 0;
    ESTAB_COUNTERS(ESTAB_COUNTER_FIELD)
#undef ESTAB_COUNTER_FIELD
};

}  // namespace estab::event

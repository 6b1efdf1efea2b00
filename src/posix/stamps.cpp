// SO_TIMESTAMPING for what goes out: when the last octet of a call left (handed over and sent are
// one here) and when it was acknowledged, told on the error queue.
#include <sys/socket.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
// (they need what the former defines)

#include <cerrno>
#include <cstring>

#include "posix/sockets.hpp"

namespace estab::posix {
namespace {

constexpr int whenever = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE |
                         SOF_TIMESTAMPING_TX_ACK;
// Calls that wait for their ACK, and answers that nobody fetches; those beyond are not told of.
constexpr std::size_t stamps_max = 4096;

std::uint64_t sent_octets(const tcp::Connection& c) {
    const auto& snd = c.tcb().snd;
    return snd.nxt > snd.iss ? tcp::distance(snd.iss + 1, snd.nxt) : 0;
}

std::uint64_t acknowledged_octets(const tcp::Connection& c) {
    const auto& snd = c.tcb().snd;
    return snd.una > snd.iss ? tcp::distance(snd.iss + 1, snd.una) : 0;
}

}  // namespace

std::uint64_t written_octets(const tcp::Connection& c, Instant now) {
    return sent_octets(c) + c.info(now).not_sent;
}

std::int64_t Sockets::set_timestamping(Socket& s, int flags) {
    const bool ids = (flags & SOF_TIMESTAMPING_OPT_ID) != 0;
    const tcp::Connection* c = live(s);
    if (ids && (s.timestamping & SOF_TIMESTAMPING_OPT_ID) == 0) {
        if (c == nullptr) return -EINVAL;  // there is no stream to count in
        s.stamp_base = acknowledged_octets(*c);
    }
    s.timestamping = flags;
    return 0;
}

void Sockets::note_stamp(Socket& s, int flags) {
    const tcp::Connection* c = live(s);
    if ((s.timestamping & whenever) == 0 || (flags & MSG_ERRQUEUE) != 0 || c == nullptr ||
        s.stamps.size() >= stamps_max)
        return;
    const std::uint64_t end = written_octets(*c, world_.now());
    const bool ids = (s.timestamping & SOF_TIMESTAMPING_OPT_ID) != 0;
    s.stamps.push_back({ids ? static_cast<std::uint32_t>(end - 1 - s.stamp_base) : 0, end, false});
    stamps_wait_ = true;
}

void Sockets::look_at_stamps() {
    if (!stamps_wait_) return;
    stamps_wait_ = false;
    for (const auto& file : files_) {
        if (file != nullptr && file->socket != nullptr && look_at_stamps(*file->socket))
            stamps_wait_ = true;
    }
}

// True: some still wait.
bool Sockets::look_at_stamps(Socket& s) {
    const tcp::Connection* c = live(s);
    if (c == nullptr) return false;
    const auto tell = [&](const Socket::Stamp& stamp, int asked, std::uint32_t what) {
        if ((s.timestamping & asked) != 0 && s.stamped.size() < stamps_max)
            s.stamped.push_back({stamp.key, what, world_.now()});
    };
    for (Socket::Stamp& stamp : s.stamps) {
        if (stamp.sent) continue;
        if (stamp.end > sent_octets(*c)) break;
        stamp.sent = true;
        tell(stamp, SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED);
        tell(stamp, SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND);
    }
    while (!s.stamps.empty() && s.stamps.front().end <= acknowledged_octets(*c)) {
        tell(s.stamps.front(), SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK);
        s.stamps.pop_front();
    }
    return !s.stamps.empty();
}

namespace {

template <class T>
cmsghdr* put_control(msghdr& message, cmsghdr* at, int level, int type, const T& value) {
    if (at == nullptr) return nullptr;
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(at), &value, sizeof value);
    return CMSG_NXTHDR(&message, at);
}

}  // namespace

// The packet that it was is not kept: no octets, unless nobody asked for them.
std::int64_t Sockets::read_stamp(Socket& s, std::size_t size, msghdr* message) {
    const Socket::Stamped told = s.stamped.front();
    s.stamped.pop_front();
    if (message == nullptr) return 0;
    message->msg_flags = MSG_ERRQUEUE;
    const bool alone = (s.timestamping & SOF_TIMESTAMPING_OPT_TSONLY) != 0;
    if (!alone && size == 0) message->msg_flags |= MSG_TRUNC;
    struct {
        timespec ts[3];
    } times{};
    const auto at = told.at.time_since_epoch();
    times.ts[0].tv_sec = static_cast<time_t>(at / 1s);
    times.ts[0].tv_nsec = static_cast<long>((at % 1s).count());
    sock_extended_err error{};
    error.ee_errno = ENOMSG;
    error.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
    error.ee_info = told.what;
    error.ee_data = told.key;
    const std::size_t needed = CMSG_SPACE(sizeof times) + CMSG_SPACE(sizeof error);
    if (message->msg_control == nullptr || message->msg_controllen < needed) {
        message->msg_flags |= MSG_CTRUNC;
        message->msg_controllen = 0;
        return 0;
    }
    std::memset(message->msg_control, 0, needed);
    message->msg_controllen = needed;
    const bool v6 = s.domain == AF_INET6;
    cmsghdr* head = CMSG_FIRSTHDR(message);
    if ((s.timestamping & SOF_TIMESTAMPING_SOFTWARE) != 0) {
        head = put_control(*message, head, SOL_SOCKET, SO_TIMESTAMPING, times);
    } else {
        message->msg_controllen = CMSG_SPACE(sizeof error);
    }
    put_control(*message, head, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR,
                error);
    return 0;
}

// What Linux looks up when it is needed, so that sockets there are see it change.
void Sockets::set_defaults(const tcp::Config& config) {
    const bool option = config.accecn_option != defaults_.accecn_option;
    defaults_ = config;
    if (!option) return;
    for (const auto& file : files_) {
        if (file == nullptr || file->socket == nullptr) continue;
        file->socket->config.accecn_option = config.accecn_option;
        apply(*file->socket);
    }
}

}  // namespace estab::posix

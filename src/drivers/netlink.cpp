#include "drivers/netlink.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/check.hpp"

namespace estab::drivers {

// A message under construction. Its room is fixed: nothing we ask for is longer.
class Netlink::Request {
public:
    template <class Body>
    Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
        nlmsghdr header{};
        header.nlmsg_type = type;
        header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
        append(&header, sizeof header);
        append(&body, sizeof body);
    }

    void add(int type, const void* data, std::size_t size) {
        rtattr header{};
        header.rta_type = static_cast<unsigned short>(type);
        header.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
        append(&header, sizeof header);
        append(data, size);
    }
    void add(int type, std::uint32_t value) { add(type, &value, sizeof value); }
    void add(int type, const std::string& text) { add(type, text.c_str(), text.size() + 1); }
    void add(int type, Bytes bytes) { add(type, bytes.data(), bytes.size()); }

    // A list inside: everything until close().
    std::size_t open(int type) {
        const std::size_t at = size_;
        add(type | NLA_F_NESTED, nullptr, 0);
        return at;
    }
    void close(std::size_t at) {
        const auto length = static_cast<unsigned short>(size_ - at);
        std::memcpy(room_.data() + at + offsetof(rtattr, rta_len), &length, sizeof length);
    }
    template <class Body>
    void append_body(const Body& body) {
        append(&body, sizeof body);
    }

    Bytes finish(std::uint32_t sequence) {
        const auto length = static_cast<std::uint32_t>(size_);
        std::memcpy(room_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
        std::memcpy(room_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
        return {room_.data(), size_};
    }

private:
    void append(const void* data, std::size_t size) {
        CHECK(size_ + NLMSG_ALIGN(size) <= room_.size());
        if (size != 0) std::memcpy(room_.data() + size_, data, size);
        size_ += NLMSG_ALIGN(size);
    }

    alignas(nlmsghdr) std::array<std::uint8_t, 512> room_{};
    std::size_t size_ = 0;
};

namespace {

ifinfomsg link_message(std::uint32_t index) {
    ifinfomsg message{};
    message.ifi_family = AF_UNSPEC;
    message.ifi_index = static_cast<int>(index);
    return message;
}

rtmsg route_message(const wire::Address& address, std::uint8_t length) {
    rtmsg message{};
    message.rtm_family = address.is_v4() ? AF_INET : AF_INET6;
    message.rtm_dst_len = length;
    message.rtm_table = RT_TABLE_MAIN;
    message.rtm_protocol = RTPROT_STATIC;
    message.rtm_scope = RT_SCOPE_UNIVERSE;
    message.rtm_type = RTN_UNICAST;
    return message;
}

// The kernel's own words about what was wrong, when it has any.
std::string extended_text(const nlmsghdr& header, Bytes message) {
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    nlmsghdr request;
    std::memcpy(&request, message.data() + NLMSG_HDRLEN + sizeof(int), sizeof request);
    std::size_t at = NLMSG_HDRLEN + sizeof(nlmsgerr);
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) at += request.nlmsg_len - sizeof request;
    while (at + sizeof(nlattr) <= message.size()) {
        nlattr attribute;
        std::memcpy(&attribute, message.data() + at, sizeof attribute);
        if (attribute.nla_len < sizeof attribute || at + attribute.nla_len > message.size())
            return {};
        const auto* text = reinterpret_cast<const char*>(message.data() + at + NLA_HDRLEN);
        if (attribute.nla_type == NLMSGERR_ATTR_MSG)
            return {text, strnlen(text, attribute.nla_len - std::size_t{NLA_HDRLEN})};
        at += static_cast<std::size_t>(NLA_ALIGN(attribute.nla_len));
    }
    return {};
}

}  // namespace

Netlink::Netlink() : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
    if (!socket_) throw_system("cannot open a netlink socket");
    const int on = 1;  // only for better words
    ::setsockopt(*socket_, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(*socket_, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

void Netlink::transact(Request& request, const std::string& purpose, int ignored_error) {
    const std::uint32_t sequence = ++sequence_;
    const Bytes bytes = request.finish(sequence);
    if (::send(*socket_, bytes.data(), bytes.size(), 0) < 0) throw_system(purpose);
    for (;;) {
        alignas(nlmsghdr) std::array<std::uint8_t, 8192> room;
        const ssize_t n = ::recv(*socket_, room.data(), room.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw_system(purpose);
        if (static_cast<std::size_t>(n) < NLMSG_HDRLEN + sizeof(int)) continue;
        nlmsghdr header;
        std::memcpy(&header, room.data(), sizeof header);
        if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq != sequence) continue;
        int negative_error;
        std::memcpy(&negative_error, room.data() + NLMSG_HDRLEN, sizeof negative_error);
        const int error = -negative_error;
        if (error == 0 || error == ignored_error) return;
        const std::string words = extended_text(header, {room.data(), static_cast<std::size_t>(n)});
        throw SystemError(
            purpose + ": " + error_text(error) + (words.empty() ? "" : " (" + words + ")"), error);
    }
}

std::uint32_t Netlink::index_of(const std::string& name, const std::string& purpose) {
    const unsigned index = ::if_nametoindex(name.c_str());
    if (index == 0) throw_system(purpose);
    return index;
}

void Netlink::create_veth(const VethPair& pair) {
    Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link_message(0));
    request.add(IFLA_IFNAME, pair.name);
    const std::size_t info = request.open(IFLA_LINKINFO);
    request.add(IFLA_INFO_KIND, std::string("veth"));
    const std::size_t data = request.open(IFLA_INFO_DATA);
    const std::size_t peer = request.open(VETH_INFO_PEER);
    request.append_body(link_message(0));
    request.add(IFLA_IFNAME, pair.peer);
    if (pair.peer_namespace >= 0)
        request.add(IFLA_NET_NS_FD, static_cast<std::uint32_t>(pair.peer_namespace));
    request.close(peer);
    request.close(data);
    request.close(info);
    transact(request, "cannot make the veth pair " + pair.name + ", " + pair.peer);
}

void Netlink::remove_link(const std::string& name) {
    const std::string purpose = "cannot remove " + name;
    Request request(RTM_DELLINK, 0, link_message(index_of(name, purpose)));
    transact(request, purpose);
}

void Netlink::set_up(const std::string& name) {
    const std::string purpose = "cannot set " + name + " up";
    ifinfomsg message = link_message(index_of(name, purpose));
    message.ifi_flags = IFF_UP;
    message.ifi_change = IFF_UP;
    Request request(RTM_NEWLINK, 0, message);
    transact(request, purpose);
}

void Netlink::set_mtu(const std::string& name, std::uint32_t mtu) {
    const std::string purpose = "cannot set the MTU of " + name + " to " + std::to_string(mtu);
    Request request(RTM_NEWLINK, 0, link_message(index_of(name, purpose)));
    request.add(IFLA_MTU, mtu);
    transact(request, purpose);
}

void Netlink::set_mac(const std::string& name, const wire::Mac& mac) {
    const std::string purpose = "cannot give " + name + " the address " + mac.text();
    Request request(RTM_NEWLINK, 0, link_message(index_of(name, purpose)));
    request.add(IFLA_ADDRESS, Bytes(mac.octets));
    transact(request, purpose);
}

void Netlink::no_link_local(const std::string& name) {
    const std::string purpose = "cannot turn off the link-local address of " + name;
    Request request(RTM_NEWLINK, 0, link_message(index_of(name, purpose)));
    const std::size_t families = request.open(IFLA_AF_SPEC);
    const std::size_t inet6 = request.open(AF_INET6);
    const std::uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
    request.add(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
    request.close(inet6);
    request.close(families);
    transact(request, purpose, EAFNOSUPPORT);  // a kernel without IPv6
}

void Netlink::add_address(const std::string& name, const wire::Prefix& prefix) {
    const std::string purpose = "cannot add " + prefix.text() + " to " + name;
    ifaddrmsg message{};
    message.ifa_family = prefix.address.is_v4() ? AF_INET : AF_INET6;
    message.ifa_prefixlen = prefix.length;
    message.ifa_flags = prefix.address.is_v4() ? 0 : IFA_F_NODAD;
    message.ifa_scope = RT_SCOPE_UNIVERSE;
    message.ifa_index = index_of(name, purpose);
    Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, message);
    request.add(IFA_LOCAL, prefix.address.bytes());
    request.add(IFA_ADDRESS, prefix.address.bytes());
    transact(request, purpose, EEXIST);
}

void Netlink::add_route(const std::string& name, const wire::Prefix& destination) {
    const std::string purpose = "cannot add a route to " + destination.text() + " over " + name;
    rtmsg message = route_message(destination.address, destination.length);
    message.rtm_scope = destination.address.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, message);
    request.add(RTA_DST, destination.address.bytes());
    request.add(RTA_OIF, index_of(name, purpose));
    transact(request, purpose);
}

void Netlink::add_default_route(const std::string& name, const wire::Address& gateway) {
    const std::string purpose = "cannot add a default route by " + gateway.text() + " over " + name;
    rtmsg message = route_message(gateway, 0);
    message.rtm_flags = RTNH_F_ONLINK;
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, message);
    request.add(RTA_GATEWAY, gateway.bytes());
    request.add(RTA_OIF, index_of(name, purpose));
    transact(request, purpose);
}

}  // namespace estab::drivers

#include "ip/neighbours.hpp"

#include <algorithm>

#include "base/check.hpp"
#include "wire/ethernet.hpp"
#include "wire/ip.hpp"

namespace estab::ip {
namespace {

// A group or nobody cannot be where one neighbour is. RFC 1812 3.3.2.
bool is_station(const wire::Mac& mac) { return (mac.octets[0] & 1) == 0 && mac != wire::Mac{}; }

wire::Address all_nodes() {
    std::array<std::uint8_t, 16> octets{0xff, 0x02};
    octets[15] = 1;
    return wire::Address::from_v6(octets.data());
}

std::size_t message_bytes(const wire::Address& about) {
    return wire::ethernet_header_bytes +
           (about.is_v4() ? wire::arp_bytes : wire::ip_header_bytes(false) + wire::ndp_bytes_max);
}

// Ethernet, IPv6 and ICMPv6 in one.
void write_ndp_frame(MutableBytes room, const wire::EthernetWrite& link,
                     const wire::NdpWrite& ndp) {
    CHECK(room.size() >= message_bytes(ndp.source));
    std::size_t at = wire::write_ethernet(room, link);
    at += wire::write_ip(room.subspan(at), {.source = ndp.source,
                                            .destination = ndp.destination,
                                            .protocol = wire::protocol_icmpv6,
                                            .hop_limit = wire::ndp_hop_limit,
                                            .payload_bytes = wire::ndp_bytes_max});
    const std::size_t written = wire::write_ndp(room.subspan(at), ndp);
    CHECK(written == wire::ndp_bytes_max);
}

}  // namespace

Result<void> Neighbours::answer_for(const wire::Prefix& prefix) {
    if (proxied_.size() == proxied_max) return fail(Error::no_memory);
    proxied_.push_back(prefix);
    return {};
}

Result<void> Neighbours::add_static(const wire::Address& address, const wire::Mac& mac) {
    if (!is_station(mac)) return fail(Error::invalid_argument);
    Entry* entry = lookup(address);
    if (entry == nullptr) entry = make(Instant{}, address, true);
    if (entry == nullptr) return fail(Error::no_memory);
    entry->mac = mac;
    entry->is_static = true;
    entry->state = State::reachable;
    entry->asks = false;
    entry->due = never;
    may_owe_ = true;
    return {};
}

std::optional<wire::Mac> Neighbours::find(Instant now, const wire::Address& next_hop) {
    if (next_hop.is_multicast()) return wire::multicast_mac(next_hop);
    if (routes_.is_broadcast(next_hop)) return wire::broadcast_mac;
    Entry* entry = lookup(next_hop);
    if (entry == nullptr) return std::nullopt;
    entry->used = now;
    if (entry->state == State::incomplete) return std::nullopt;
    if (entry->is_static) return entry->mac;
    if (entry->state == State::reachable && now >= after(entry->confirmed, limits_.reachable)) {
        entry->state = State::stale;
    }
    if (entry->state == State::stale) {
        // It is used as it is, and most likely TCP confirms it before we have to ask.
        // RFC 4861 7.3.3.
        entry->state = State::probe;
        entry->questions = 0;
        entry->due = after(now, limits_.probe_delay);
        due_ = std::min(due_, entry->due);
    }
    return entry->mac;
}

bool Neighbours::hold(Instant now, const Held& held) {
    CHECK(held.next_hop.is_v4() == held.source.is_v4());
    CHECK(held.frame.size() >= wire::ethernet_header_bytes);
    Entry* entry = lookup(held.next_hop);
    if (entry == nullptr) {
        entry = make(now, held.next_hop, true);
        if (entry == nullptr) return false;
        entry->source = held.source;
        ask(now, *entry);
    }
    entry->used = now;
    if (held.frame.size() > limits_.held_bytes_max) return false;
    entry->held.assign(held.frame.begin(), held.frame.end());  // the latest: RFC 1122 2.3.2.2
    entry->offload = held.offload;
    may_owe_ = true;
    return true;
}

void Neighbours::confirm(Instant now, const wire::Address& next_hop) {
    Entry* entry = lookup(next_hop);
    if (entry == nullptr || entry->is_static || entry->state == State::incomplete) return;
    set(now, *entry, entry->mac, true);
}

void Neighbours::on_arp(Instant now, const wire::Arp& arp) {
    // Our own address from another station is a conflict or a forgery: nothing to learn.
    // RFC 5227 2.4.
    if (!is_station(arp.sender_mac) || arp.sender_mac == own_ || routes_.is_own(arp.sender)) return;
    const bool is_request = arp.operation == wire::ArpOperation::request;
    if (!arp.sender.is_unspecified()) {
        if (!routes_.is_unicast(arp.sender)) return;
        Entry* entry = lookup(arp.sender);
        if (entry != nullptr && !entry->is_static) {
            const bool told_us = !is_request && arp.target_mac == own_;
            if (told_us || entry->state == State::incomplete || arp.sender_mac != entry->mac) {
                set(now, *entry, arp.sender_mac, told_us);
            }
        }
    }
    if (!is_request || !answers(arp.target, arp.sender)) return;
    learn(now, arp.sender, arp.sender_mac, arp.target);
    answer({.to_mac = arp.sender_mac, .to = arp.sender, .target = arp.target});
}

void Neighbours::on_ndp(Instant now, const wire::IpPacket& packet, const wire::NdpMessage& message,
                        const wire::Mac& from) {
    if (!is_station(from) || from == own_) return;
    if (const auto* ns = std::get_if<wire::NeighbourSolicitation>(&message)) {
        on_solicitation(now, packet, *ns, from);
    } else {
        on_advertisement(now, std::get<wire::NeighbourAdvertisement>(message));
    }
}

void Neighbours::on_solicitation(Instant now, const wire::IpPacket& packet,
                                 const wire::NeighbourSolicitation& ns, const wire::Mac& from) {
    if (routes_.is_own(packet.source) || (ns.source && !is_station(*ns.source))) return;
    const bool is_probe = packet.source.is_unspecified();
    if ((!is_probe && packet.source.is_multicast()) || !answers(ns.target, packet.source)) return;
    if (!is_probe && ns.source) {
        Entry* entry = lookup(packet.source);
        if (entry == nullptr) {
            learn(now, packet.source, *ns.source, ns.target);
        } else if (!entry->is_static &&
                   (entry->state == State::incomplete || *ns.source != entry->mac)) {
            set(now, *entry, *ns.source, false);  // RFC 4861 7.2.3
        }
    }
    const wire::Address to = is_probe ? all_nodes() : packet.source;
    answer({.to_mac = is_probe ? wire::multicast_mac(to) : ns.source.value_or(from),
            .to = to,
            .target = ns.target,
            .solicited = !is_probe,
            .overrides = routes_.is_own(ns.target)});  // not for others: RFC 4861 7.2.8
}

void Neighbours::on_advertisement(Instant now, const wire::NeighbourAdvertisement& na) {
    Entry* entry = lookup(na.target);
    if (entry == nullptr || entry->is_static) return;  // RFC 4861 7.2.5: nothing new is made of it
    if (na.mac && !is_station(*na.mac)) return;
    if (entry->state == State::incomplete) {
        if (na.mac) set(now, *entry, *na.mac, na.solicited);
        return;
    }
    const bool differs = na.mac && *na.mac != entry->mac;
    if (differs && !na.overrides) {
        if (entry->state == State::reachable) entry->state = State::stale;
        return;
    }
    if (differs || na.solicited) set(now, *entry, na.mac.value_or(entry->mac), na.solicited);
}

void Neighbours::on_time(Instant now) {
    if (now < due_) return;
    const auto is_given_up = [&](Entry& entry) {
        if (entry.due > now) return false;
        if (entry.questions < limits_.questions_max) {
            ask(now, entry);
            return false;
        }
        if (entry.state == State::incomplete && unreachable_.size() < unreachable_max) {
            unreachable_.push_back(entry.address);
        }
        return true;
    };
    std::erase_if(entries_, is_given_up);
    due_ = never;
    for (const Entry& entry : entries_) due_ = std::min(due_, entry.due);
}

std::size_t Neighbours::next_bytes() {
    if (!answers_.empty()) return message_bytes(answers_.front().target);
    if (!may_owe_) return 0;
    for (const Entry& entry : entries_) {
        if (entry.asks) return message_bytes(entry.address);
        if (entry.can_release()) return entry.held.size();
    }
    may_owe_ = false;
    return 0;
}

device::Offload Neighbours::write_next(MutableBytes room) {
    if (!answers_.empty()) {
        write_answer(room, answers_.front());
        answers_.erase(answers_.begin());
        return {};
    }
    for (Entry& entry : entries_) {
        if (entry.asks) {
            write_question(room, entry);
            entry.asks = false;
            return {};
        }
        if (!entry.can_release()) continue;
        CHECK(room.size() >= entry.held.size());
        std::copy(entry.held.begin(), entry.held.end(), room.begin());
        std::copy(entry.mac.octets.begin(), entry.mac.octets.end(), room.begin());
        entry.held = {};
        return entry.offload;
    }
    CHECK(false);  // next_bytes() said that there is one
    return {};
}

std::optional<wire::Address> Neighbours::take_unreachable() {
    if (unreachable_.empty()) return std::nullopt;
    const wire::Address first = unreachable_.front();
    unreachable_.erase(unreachable_.begin());
    return first;
}

std::vector<Neighbours::Entry>::iterator Neighbours::place(const wire::Address& address) {
    return std::lower_bound(
        entries_.begin(), entries_.end(), address,
        [](const Entry& entry, const wire::Address& a) { return entry.address < a; });
}

Neighbours::Entry* Neighbours::lookup(const wire::Address& address) {
    const auto at = place(address);
    return at != entries_.end() && at->address == address ? &*at : nullptr;
}

Neighbours::Entry* Neighbours::make(Instant now, const wire::Address& address, bool may_evict) {
    if (entries_.size() >= limits_.entries_max) {
        const auto oldest =
            std::min_element(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
                return a.is_static != b.is_static ? b.is_static : a.used < b.used;
            });
        if (!may_evict || oldest == entries_.end() || oldest->is_static) return nullptr;
        entries_.erase(oldest);
    }
    Entry entry;
    entry.address = address;
    entry.used = now;
    return &*entries_.insert(place(address), std::move(entry));
}

// Who asks for us is likely to be spoken to next. RFC 826, RFC 4861 7.2.3.
void Neighbours::learn(Instant now, const wire::Address& address, const wire::Mac& mac,
                       const wire::Address& asked) {
    if (!routes_.is_unicast(address) || lookup(address) != nullptr) return;
    Entry* entry = make(now, address, false);
    if (entry == nullptr) return;
    entry->source = asked;
    set(now, *entry, mac, false);
}

void Neighbours::set(Instant now, Entry& entry, const wire::Mac& mac, bool is_confirmed) {
    entry.mac = mac;
    entry.state = is_confirmed ? State::reachable : State::stale;
    if (is_confirmed) entry.confirmed = now;
    entry.asks = false;
    entry.questions = 0;
    entry.due = never;
    if (!entry.held.empty()) may_owe_ = true;
}

void Neighbours::ask(Instant now, Entry& entry) {
    entry.asks = true;
    ++entry.questions;
    entry.due = after(now, limits_.question_interval);
    due_ = std::min(due_, entry.due);
    may_owe_ = true;
}

bool Neighbours::answers(const wire::Address& target, const wire::Address& asker) {
    if (routes_.is_own(target)) return true;
    // For others only: a gratuitous message, a check for duplicates (RFC 5227 2.1.1,
    // RFC 4862 5.4.3) and a question for a neighbour that we know must stay unanswered.
    if (asker.is_unspecified() || target == asker || !routes_.is_unicast(target)) return false;
    const Entry* known = lookup(target);
    if (known != nullptr && known->state != State::incomplete) return false;
    return std::ranges::any_of(proxied_,
                               [&](const wire::Prefix& prefix) { return prefix.contains(target); });
}

void Neighbours::answer(const Answer& what) {
    if (answers_.size() < answers_max) answers_.push_back(what);
}

void Neighbours::write_answer(MutableBytes room, const Answer& what) const {
    if (what.target.is_v4()) {
        const std::size_t at = wire::write_ethernet(room, {what.to_mac, own_, wire::ethertype_arp});
        wire::write_arp(room.subspan(at), {.operation = wire::ArpOperation::reply,
                                           .sender_mac = own_,
                                           .sender = what.target,
                                           .target_mac = what.to_mac,
                                           .target = what.to});
        return;
    }
    write_ndp_frame(room, {what.to_mac, own_, wire::ethertype_ipv6},
                    {.source = what.target,
                     .destination = what.to,
                     .message = wire::NeighbourAdvertisement{.target = what.target,
                                                             .mac = own_,
                                                             .solicited = what.solicited,
                                                             .overrides = what.overrides}});
}

// To all while nothing is known, to the one who was there when we only check.
// RFC 4861 7.2.2, 7.3.3.
void Neighbours::write_question(MutableBytes room, const Entry& entry) const {
    const bool to_all = entry.state == State::incomplete;
    if (entry.address.is_v4()) {
        const wire::Mac to = to_all ? wire::broadcast_mac : entry.mac;
        const std::size_t at = wire::write_ethernet(room, {to, own_, wire::ethertype_arp});
        wire::write_arp(room.subspan(at), {.operation = wire::ArpOperation::request,
                                           .sender_mac = own_,
                                           .sender = entry.source,
                                           .target_mac = {},
                                           .target = entry.address});
        return;
    }
    const wire::Address to = to_all ? wire::solicited_node(entry.address) : entry.address;
    write_ndp_frame(
        room, {to_all ? wire::multicast_mac(to) : entry.mac, own_, wire::ethertype_ipv6},
        {.source = entry.source,
         .destination = to,
         .message = wire::NeighbourSolicitation{.target = entry.address, .source = own_}});
}

}  // namespace estab::ip

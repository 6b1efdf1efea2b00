// Who is where on an Ethernet link: one cache for ARP (RFC 826, RFC 1122 2.3.2) and neighbour
// discovery (RFC 4861 7). It never waits: a packet for a neighbour not yet known is held, the
// question goes out, and the packet follows as soon as the answer is there. Frames are pulled, so a
// full device loses none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "device/device.hpp"
#include "ip/routes.hpp"
#include "wire/arp.hpp"
#include "wire/ndp.hpp"

namespace estab::ip {

class Neighbours {
public:
    struct Limits {
        // Policy when full: for a packet of ours, the entry not used for longest goes, unless it is
        // static. Who merely asks for us is not learnt then, so that a flood pushes nobody out.
        std::size_t entries_max = 256;
        std::size_t held_bytes_max = 2048;   // per entry: one frame, the newer replaces the older
        std::uint8_t questions_max = 3;      // RFC 4861 10, as for ARP
        Duration question_interval = 1s;     // RFC 4861 10 RetransTimer; RFC 1122 2.3.2.1
        Duration reachable = 30s;            // after a confirmation
        Duration probe_delay = 5s;  // an old entry is used for this long before we ask again
    };

    // `own` is our station; `routes` says which addresses are ours, and must outlive this.
    Neighbours(const wire::Mac& own, const Routes& routes) : Neighbours(own, routes, Limits{}) {}
    Neighbours(const wire::Mac& own, const Routes& routes, const Limits& limits)
        : own_(own), routes_(routes), limits_(limits) {}

    // Questions for addresses in `prefix` are answered as if they were ours (a gateway for
    // everything: 0.0.0.0/0): but not where somebody checks whether an address is free, or asks for
    // himself, or where we know the real one. Questions for our own addresses always are. no_memory
    // past 64 of them.
    Result<void> answer_for(const wire::Prefix& prefix);
    // An entry that no message changes. no_memory when only static ones are left.
    Result<void> add_static(const wire::Address& address, const wire::Mac& mac);

    // Where a frame for `next_hop` goes, at once also for broadcast and multicast. Nothing: hold()
    // it.
    std::optional<wire::Mac> find(Instant now, const wire::Address& next_hop);

    struct Held {
        wire::Address next_hop;
        wire::Address source;                // of ours, who asks; of the same family
        Bytes frame;  // from its Ethernet header on; the destination is yet to be filled in
        device::Offload offload;
    };
    // Keeps a copy of the frame and asks for `next_hop`. False when the frame is dropped, because
    // it is too long or every entry is static; the question goes out all the same where it can.
    bool hold(Instant now, const Held& held);

    // The peer must have received what we sent (TCP: an acknowledgment that is new), so its
    // neighbour entry is right. RFC 4861 7.3.1.
    void confirm(Instant now, const wire::Address& next_hop);

    void on_arp(Instant now, const wire::Arp& arp);
    // `from` is the station that the frame came from.
    void on_ndp(Instant now, const wire::IpPacket& packet, const wire::NdpMessage& message,
                const wire::Mac& from);

    // When on_time() is due, or `never`.
    Instant deadline() const { return due_; }
    void on_time(Instant now);

    // How long the next frame to send is; 0: there is none. Then write_next() fills that much of
    // `room`.
    std::size_t next_bytes();
    device::Offload write_next(MutableBytes room);

    // Nobody answered for this address: a soft error for who sends there (RFC 1122 2.4). Call until
    // there is nothing. Policy past 8 that nobody took: the newest is forgotten.
    std::optional<wire::Address> take_unreachable();

    std::size_t size() const { return entries_.size(); }

private:
    enum class State : std::uint8_t { incomplete, reachable, stale, probe };  // RFC 4861 7.3.2
    struct Entry {
        wire::Address address;
        wire::Address source;                // who asks, of ours
        wire::Mac mac;
        State state = State::incomplete;
        bool is_static = false;
        bool asks = false;                   // a question is to be sent
        std::uint8_t questions = 0;          // asked already
        Instant used;
        Instant confirmed;
        Instant due = never;
        std::vector<std::uint8_t> held;
        device::Offload offload;
        bool can_release() const { return state != State::incomplete && !held.empty(); }
    };
    struct Answer {
        wire::Mac to_mac;
        wire::Address to;                    // who asked; ff02::1 for one that has no address yet
        wire::Address target;
        bool solicited = false;              // RFC 4861 7.2.4
        bool overrides = false;
    };
    static constexpr std::size_t answers_max = 16;  // policy when full: the newest is dropped
    static constexpr std::size_t unreachable_max = 8;
    static constexpr std::size_t proxied_max = 64;

    std::vector<Entry>::iterator place(const wire::Address& address);
    Entry* lookup(const wire::Address& address);
    Entry* make(Instant now, const wire::Address& address, bool may_evict);
    void learn(Instant now, const wire::Address& address, const wire::Mac& mac,
               const wire::Address& asked);
    void set(Instant now, Entry& entry, const wire::Mac& mac, bool is_confirmed);
    void ask(Instant now, Entry& entry);
    bool answers(const wire::Address& target, const wire::Address& asker);
    void answer(const Answer& what);
    void on_solicitation(Instant now, const wire::IpPacket& packet,
                         const wire::NeighbourSolicitation& ns, const wire::Mac& from);
    void on_advertisement(Instant now, const wire::NeighbourAdvertisement& na);
    void write_answer(MutableBytes room, const Answer& what) const;
    void write_question(MutableBytes room, const Entry& entry) const;

    wire::Mac own_;
    const Routes& routes_;
    Limits limits_;
    std::vector<wire::Prefix> proxied_;
    std::vector<Entry> entries_;             // by address; at most entries_max
    std::vector<Answer> answers_;            // oldest first
    std::vector<wire::Address> unreachable_;
    Instant due_ = never;                    // not later than any entry's
    bool may_owe_ = false;                   // an entry may have a frame to send
};

}  // namespace estab::ip

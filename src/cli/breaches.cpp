#include "cli/breaches.hpp"

#include <algorithm>
#include <string_view>

#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::cli {
namespace {

using analysis::Label;
using analysis::Verdict;

// What must hold for a reproach to be proven by one capture.
enum class Proof : std::uint8_t {
    itself,  // the segment alone shows it, or it with both SYNs
    text,    // … if all of its octets were captured
    stamps,  // … if it sends timestamps again later
    order,   // its sender made it after all that was seen of it
    window,  // … and windows are of this connection alone, not of several (RFC 8684 3.3.1)
    place,   // the capture is where its sender is
};

struct Reproach {
    std::string_view words;  // in the referee's sentence
    Proof proof;
};

constexpr Reproach told[] = {
    {"malformed list of options", Proof::itself},
    {"offers a window scale of", Proof::itself},
    {"SACK blocks on a SYN", Proof::itself},
    {"MSS option on a segment without SYN", Proof::itself},
    {"window scale on a segment without SYN", Proof::itself},
    {"permits SACK on a segment without SYN", Proof::itself},
    {"SYN and FIN in one segment", Proof::itself},
    {"a reset with SYN or FIN", Proof::itself},
    {"a segment without ACK", Proof::itself},
    {"an empty SACK block", Proof::itself},
    {"is not above its acknowledgment", Proof::itself},
    {"SACK blocks that were not agreed on", Proof::itself},
    {"timestamps that were not agreed on", Proof::itself},
    {"without the timestamps that were agreed on", Proof::stamps},
    {"although the peer's SYN did not offer", Proof::itself},
    {"ECN-capable packets without an agreement", Proof::itself},
    {"past its FIN", Proof::itself},
    {"moves its FIN", Proof::itself},
    {"changes octet", Proof::text},
    {"takes back its acknowledgment", Proof::order},
    {"right edge of its window back", Proof::window},
    {"timestamp clock go back", Proof::order},
    {"acknowledges what arrived", Proof::place},
};

// Nearer than this to an end, a capture sees what the end does when it does it.
constexpr std::int64_t near_ns = 2'000'000;

bool is_proven(Proof proof, const Verdict& v, bool whole) {
    const analysis::Side& from = v.connection->sides[v.side];
    const analysis::Side& to = v.connection->sides[1 - v.side];
    switch (proof) {
    case Proof::itself: return true;
    case Proof::text: return whole;
    case Proof::stamps: return true;
    case Proof::order: return v.surely_later;
    case Proof::window: return v.surely_later && !v.connection->multipath;
    case Proof::place:
        return v.surely_later && to.rtt_min_ns > 0 && to.rtt_min_ns < near_ns &&
               from.rtt_min_ns > 2 * to.rtt_min_ns;
    }
    return false;
}

std::uint32_t whole_size(Bytes packet) {
    if (packet.size() >= 20 && packet[0] >> 4 == 4) return load_be16(packet.data() + 2);
    if (packet.size() >= 40 && packet[0] >> 4 == 6) return load_be16(packet.data() + 4) + 40U;
    return 0;
}

// Notes of the same kind by the same side are one. Numbers in the sentence differ each time: the
// clause and the words before them tell what it is.
void add_note(std::vector<analysis::Note>& notes, const analysis::Note& note) {
    const auto kind = [](std::string_view said) {
        return said.substr(0, said.find_first_of("0123456789"));
    };
    for (analysis::Note& known : notes) {
        if (known.side != note.side || std::string_view(known.clause) != note.clause) continue;
        if (kind(known.said) != kind(note.said)) continue;
        for (std::size_t i = 0; i < note.count && i < analysis::Note::frames_max; ++i) {
            if (known.count + i < analysis::Note::frames_max)
                known.frames[known.count + i] = note.frames[i];
        }
        known.count += note.count;
        return;
    }
    if (notes.size() < Breaches::notes_max) notes.push_back(note);
}

}  // namespace

class Breaches::Collector final : public sim::Side::Report {
public:
    Collector(Breaches& to, Watched& both, const Verdict& verdict)
        : to_(to), both_(both), verdict_(verdict) {}
    void blame(sim::Violation violation) override {
        const auto reproach = std::ranges::find_if(told, [&](const Reproach& r) {
            return violation.sentence.find(r.words) != std::string::npos;
        });
        if (reproach == std::end(told)) return;
        const std::size_t side = verdict_.side;
        if (!is_proven(reproach->proof, verdict_, !both_.cut[side])) return;
        analysis::Note note{};
        note.finding = analysis::Finding::breach;
        note.side = verdict_.side;
        note.count = 1;
        note.frames[0] = verdict_.segment->frame;
        note.clause = violation.clause;
        note.said = std::move(violation.sentence);
        if (reproach->proof == Proof::stamps) {
            add_note(both_.unstamped[side], note);
        } else {
            to_.tell(verdict_.connection->number, note);
        }
    }

private:
    Breaches& to_;
    Watched& both_;
    const Verdict& verdict_;
};

Breaches::Watched* Breaches::watched(const Verdict& v, const wire::FourTuple& from_client) {
    const auto found = watched_.find(v.connection->number);
    if (found != watched_.end()) return found->second.get();
    if (watched_.size() >= watched_max || v.connection->closed) return nullptr;
    const sim::Side::Settings settings{.kept_bytes_max = kept_bytes_max,
                                       .window_retreat_by_scale = true};
    const wire::FourTuple from_server{from_client.remote, from_client.local};
    auto fresh = std::make_unique<Watched>(
        Watched{.sides = {{from_client, settings}, {from_server, settings}}, .unstamped = {}});
    return watched_.emplace(v.connection->number, std::move(fresh)).first->second.get();
}

void Breaches::on_packet(const Verdict& v, const observe::NetworkPacket& packet) {
    if (v.labels.has(Label::network_copy)) return;
    Bytes bytes = packet.bytes;
    const std::uint32_t size = whole_size(bytes);
    const bool whole = bytes.size() >= size;
    if (!whole) {
        whole_.assign(bytes.begin(), bytes.end());
        whole_.resize(size);
        bytes = whole_;
    }
    const auto ip = wire::IpPacket::parse(bytes);
    if (!ip || ip->protocol != wire::protocol_tcp || ip->fragment || v.segment->header_cut) return;
    const auto tcp = wire::TcpView::parse(ip->payload);
    if (!tcp) return;
    const wire::Endpoint source{ip->source, tcp->source_port()};
    const wire::Endpoint destination{ip->destination, tcp->destination_port()};
    const bool from_client = v.side == 0;
    Watched* both = watched(v, from_client ? wire::FourTuple{source, destination}
                                           : wire::FourTuple{destination, source});
    if (both == nullptr) return;
    both->fast_open |= v.segment->has(analysis::flag::syn) && v.segment->text_bytes > 0;
    if (both->fast_open) return;
    both->cut[v.side] |= !whole;
    // What was damaged on the way says nothing of its sender. Where none was ever right, a card
    // fills them in behind the capture.
    if (whole) {
        const bool right = tcp->checksum_is_valid(ip->source, ip->destination);
        if (!right && both->summed[v.side]) return;
        both->summed[v.side] |= right;
    }
    const wire::TcpOptions options = tcp->options();
    const sim::Side::Seen seen{
        .at = v.segment->time, .packet = *ip, .tcp = *tcp, .options = options, .is_sound = true};
    Collector report(*this, *both, v);
    if (v.segment->has_timestamps) {
        for (const analysis::Note& note : both->unstamped[v.side]) tell(v.connection->number, note);
        both->unstamped[v.side].clear();
    }
    report.may_grow = kept_total_ < kept_total_max;
    sim::Side& from = both->sides[v.side];
    const std::size_t before = from.kept_bytes();
    from.on_leaving(seen, report);
    kept_total_ += from.kept_bytes() - before;
    both->sides[1 - v.side].on_arriving(seen);
    if (v.connection->closed) forget(v.connection->number);
}

void Breaches::tell(std::uint32_t connection, const analysis::Note& note) {
    if (notes_.size() >= told_max && !notes_.contains(connection)) return;
    add_note(notes_[connection], note);
}

std::span<const analysis::Note> Breaches::of(const analysis::Connection& c) const {
    const auto found = notes_.find(c.number);
    if (found == notes_.end()) return {};
    return found->second;
}

void Breaches::forget(std::uint32_t connection) {
    const auto found = watched_.find(connection);
    if (found == watched_.end()) return;
    for (const sim::Side& side : found->second->sides) kept_total_ -= side.kept_bytes();
    watched_.erase(found);
}

void Breaches::ended(const analysis::Connection& c) {
    forget(c.number);
    notes_.erase(c.number);
}

}  // namespace estab::cli

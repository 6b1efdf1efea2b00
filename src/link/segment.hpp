// What a device does for us when it has TSO and checksum offload, done in software at the last
// step: one big TCP frame becomes wire-size frames, each with its own headers and a complete
// checksum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "device/device.hpp"
#include "wire/checksum.hpp"

namespace estab::link {

constexpr std::size_t link_header_bytes(device::LinkType link) {
    return link == device::LinkType::ethernet ? 14 : 0;
}

// The largest frame there is: an IP packet of 65,535 bytes behind its link header.
constexpr std::uint32_t big_frame_bytes(device::LinkType link) {
    return static_cast<std::uint32_t>(65'535 + link_header_bytes(link));
}

// A partial checksum becomes a complete one. False, and nothing changed, if the offsets do not lie
// in the frame. A frame that is not partial stays as it is.
bool complete_checksum(MutableBytes frame, device::Offload& offload);

// A frame seen as the pieces that go on the wire. A frame without GSO is one piece. Each piece
// repeats the headers: lengths, IPv4 id (+1 each) and header checksum are its own, the sequence
// number advances, FIN and PSH are only on the last one, CWR (with gso_ecn) only on the first, URG
// where its pointer says.
class Cuts {
public:
    struct How {
        device::LinkType link = device::LinkType::ip;
        std::size_t frame_max = 1500;  // no piece of a GSO frame is larger, whatever gso_size says
    };

    // The frame must stay where it is as long as pieces are written from it. Error: the headers do
    // not agree with the offload (it may come from outside).
    static Result<Cuts> plan(Bytes frame, const device::Offload& offload, const How& how);

    std::size_t count() const { return count_; }
    std::size_t bytes(std::size_t piece) const {
        if (!is_gso_) return frame_.size();
        return header_ + (piece + 1 < count_ ? piece_payload_
                                             : frame_.size() - header_ - piece * piece_payload_);
    }
    // Writes the piece to the front of `room`, which holds bytes(piece).
    void write(std::size_t piece, MutableBytes room) const;

private:
    Cuts(Bytes frame, const device::Offload& offload) : frame_(frame), offload_(offload) {}
    bool plan_gso(const How& how);
    void write_ip_header(std::size_t piece, MutableBytes out) const;
    void write_tcp_header(std::size_t piece, MutableBytes out) const;

    Bytes frame_;
    device::Offload offload_;
    bool is_gso_ = false;
    bool is_v4_ = false;
    std::size_t count_ = 1;
    std::size_t piece_payload_ = 0;
    std::size_t ip_ = 0;      // where the IP header begins
    std::size_t tcp_ = 0;     // where the TCP header begins
    std::size_t header_ = 0;  // where the payload begins
    wire::Sum addresses_;     // the constant part of the pseudo-header
};

// Writes each piece of the frame in turn to `scratch` (frame_max bytes at least) and hands it over.
// Error: nothing was emitted.
template <class Emit>
Result<std::size_t> cut(Bytes frame, const device::Offload& offload, const Cuts::How& how,
                        MutableBytes scratch, Emit&& emit) {
    const Result<Cuts> cuts = Cuts::plan(frame, offload, how);
    if (!cuts) return fail(cuts.error());
    for (std::size_t i = 0; i < cuts->count(); ++i) {
        const std::size_t size = cuts->bytes(i);
        if (size > scratch.size()) return fail(Error::message_too_long);
        cuts->write(i, scratch.first(size));
        emit(Bytes{scratch.first(size)});
    }
    return cuts->count();
}

}  // namespace estab::link

// What stands in the middle of a path and touches what passes: strips options, clamps the MSS,
// rewrites sequence numbers, caps windows, bleaches ECN, swallows ICMP, forgets flows, splits and
// merges segments. It sits on a link; its inside is the link's first node. Behind it checksums are
// right again, but for what was damaged before.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/siphash.hpp"
#include "device/device.hpp"
#include "wire/ip.hpp"
#include "wire/tcp.hpp"

namespace estab::sim {

class Middlebox {
public:
    struct Settings {
        // Options of SYNs in both directions, replaced by NOPs.
        bool strip_sack = false, strip_timestamps = false, strip_scaling = false;
        bool bleach_ecn = false;          // every packet leaves as not-ECT
        std::uint16_t mss_max = 0;        // 0: untouched
        bool rewrite_numbers = false;     // other ISNs, in both directions, SACK blocks with them
        std::uint16_t window_max = 0;     // of the field, unscaled; 0: untouched
        bool drop_icmp = false;
        // What comes from outside for a flow that was silent so long is dropped, until the inside
        // speaks again. 0: never.
        Duration forget_after{};
        std::uint32_t split_over = 0;     // segments with more octets become two; 0: none do
        bool merge = false;               // those that arrive together become one
    };
    struct Counters {
        std::uint64_t rewritten = 0, dropped_icmp = 0, dropped_forgotten = 0;
        std::uint64_t split = 0, merged = 0;
    };
    static constexpr std::size_t flows_max = 65'536;  // remembered; beyond, all are forgotten

    Middlebox(const Settings& settings, std::uint64_t seed, std::uint32_t mtu);

    // The packets that go on in place of these; valid until the next call.
    std::span<const device::Frame> pass(Instant now, std::span<const device::Frame> frames,
                                        bool from_inside);
    const Counters& counters() const { return counters_; }
    void change(const Settings& settings) { settings_ = settings; }

private:
    struct Segment {                      // a TCP packet under its hands
        std::vector<std::uint8_t> bytes;
        std::size_t tcp = 0, text = 0;    // where its TCP header and its text begin
        Instant arrived{};
        bool is_tcp = false;
    };
    bool take(Instant now, const device::Frame& frame, bool from_inside, Segment& out);
    bool is_forgotten(Instant now, const wire::IpPacket& packet, bool from_inside);
    void touch(Segment& segment, const wire::IpPacket& packet);
    void touch_options(Segment& segment, bool is_syn, std::uint32_t sack_offset);
    void finish(Segment& segment);
    bool merge_into(Segment& first, const Segment& second);
    void emit(Segment&& segment);
    std::uint32_t offset_of(const wire::FourTuple& flow) const;

    Settings settings_;
    SipKey key_;
    std::uint32_t mtu_;
    Counters counters_;
    std::map<wire::FourTuple, Instant> heard_;  // from inside to outside
    std::vector<Segment> out_;
    std::vector<device::Frame> frames_;
};

}  // namespace estab::sim

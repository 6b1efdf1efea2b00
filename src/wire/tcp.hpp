// TCP on the wire (RFC 9293 3.1): a checked view for reading, one function for writing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "wire/address.hpp"
#include "wire/checksum.hpp"

namespace estab::wire {

inline constexpr std::uint8_t protocol_tcp = 6;

// 32 raw bits. Order has no meaning here; tcp::Seq is what can be compared.
struct SeqNum {
    std::uint32_t raw = 0;
    friend constexpr bool operator==(SeqNum, SeqNum) = default;
};

// Bits 8..0 of the flags: AE CWR ECE URG ACK PSH RST SYN FIN (AE: RFC 9768).
struct Flags {
    static constexpr std::uint16_t fin = 0x001, syn = 0x002, rst = 0x004, psh = 0x008, ack = 0x010,
                                   urg = 0x020, ece = 0x040, cwr = 0x080, ae = 0x100;
    std::uint16_t bits = 0;
    constexpr bool has(std::uint16_t which) const { return (bits & which) != 0; }
    friend constexpr bool operator==(Flags, Flags) = default;
};

struct Timestamps {  // RFC 7323
    std::uint32_t val = 0;
    std::uint32_t ecr = 0;
    friend constexpr bool operator==(const Timestamps&, const Timestamps&) = default;
};

struct SackBlock {  // RFC 2018
    SeqNum begin, end;
    friend constexpr bool operator==(SackBlock, SackBlock) = default;
};

// RFC 9768 3.2.3: octets that arrived with each mark, 24 bits of each. The option may end early.
struct AccEcnOption {
    std::uint8_t fields = 0;      // how many of the three are there, in the order of the wire
    bool order1 = false;          // kind 174: ECT(1), CE, ECT(0); else 172: ECT(0), CE, ECT(1)
    std::uint32_t e0b = 0, ceb = 0, e1b = 0;
    bool has_ect0() const { return fields >= (order1 ? 3 : 1); }
    bool has_ce() const { return fields >= 2; }
    bool has_ect1() const { return fields >= (order1 ? 1 : 3); }
    friend constexpr bool operator==(const AccEcnOption&, const AccEcnOption&) = default;
};

// What the options say, in any order, on any segment (MUST-4, MUST-5). An option that is unknown,
// or known but not of a length it may have, is skipped by its length and counted in unknown_count
// (MUST-6). A length of 0 or 1, or one past the header, ends the list: malformed (MUST-7); what
// came before it stands. Where an option is there twice the first counts.
struct TcpOptions {
    std::optional<std::uint16_t> mss;
    std::optional<std::uint8_t>
        window_scale;  // as sent; above 14: receiver's affair (RFC 7323 2.3)
    bool sack_permitted = false;
    std::optional<Timestamps> timestamps;
    std::uint8_t sack_count = 0;
    std::array<SackBlock, 4> sack{};
    std::optional<Bytes> fast_open;  // cookie, may be empty (RFC 7413); points into what was read
    bool fast_open_experimental = false;  // as kind 254 with 0xF989 instead of kind 34
    std::optional<AccEcnOption> accecn;
    std::uint8_t unknown_count = 0;
    bool malformed = false;

    std::span<const SackBlock> sack_blocks() const { return {sack.data(), sack_count}; }
    // Says nothing again. What is not looked at without its flag or its count is left as it is: an
    // assignment would write all of it, and every segment begins with this.
    void clear() {
        mss.reset();
        window_scale.reset();
        sack_permitted = false;
        timestamps.reset();
        sack_count = 0;
        fast_open.reset();
        fast_open_experimental = false;
        accecn.reset();
        unknown_count = 0;
        malformed = false;
    }
    // Nothing but perhaps timestamps: nearly every segment of an established connection.
    bool at_most_timestamps() const {
        return !mss && !window_scale && !sack_permitted && sack_count == 0 && !fast_open &&
               !accecn;
    }
};

enum class OptionOrder : std::uint8_t {
    linux_,   // mss, sackOK, TS, nop, wscale (sackOK absent: nop,nop,TS)
    freebsd,  // mss, nop, wscale, sackOK, TS
};

struct TcpFields {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    SeqNum seq, ack;
    Flags flags;
    std::uint16_t window = 0;  // as on the wire, unscaled
    std::uint16_t urgent = 0;
};
struct TcpHeader {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    SeqNum seq, ack;
    Flags flags;
    std::uint16_t window = 0;
    std::uint16_t urgent = 0;
    TcpOptions options;

    TcpFields fields() const {
        return {source_port, destination_port, seq, ack, flags, window, urgent};
    }
};

// Exists only if the data offset is legal and inside the bytes (20..60).
class TcpView {
public:
    static Result<TcpView> parse(Bytes segment);

    std::uint16_t source_port() const { return load_be16(bytes_.data()); }
    std::uint16_t destination_port() const { return load_be16(bytes_.data() + 2); }
    SeqNum seq() const { return {load_be32(bytes_.data() + 4)}; }
    SeqNum ack() const { return {load_be32(bytes_.data() + 8)}; }
    Flags flags() const {
        return {static_cast<std::uint16_t>(load_be16(bytes_.data() + 12) & 0x1ff)};
    }
    std::uint16_t window() const { return load_be16(bytes_.data() + 14); }
    std::uint16_t checksum() const { return load_be16(bytes_.data() + 16); }
    std::uint16_t urgent() const { return load_be16(bytes_.data() + 18); }
    std::size_t header_bytes() const { return header_bytes_; }
    Bytes option_bytes() const { return bytes_.subspan(20, header_bytes_ - 20); }
    Bytes payload() const { return bytes_.subspan(header_bytes_); }
    Bytes all() const { return bytes_; }
    TcpOptions options() const;  // parses; cheap for the common forms
    void read_options(TcpOptions& out) const;  // the same, in place
    bool checksum_is_valid(const Address& source, const Address& destination) const;

private:
    TcpView(Bytes bytes, std::size_t header_bytes) : bytes_(bytes), header_bytes_(header_bytes) {}
    Bytes bytes_;
    std::size_t header_bytes_;
};

TcpOptions parse_tcp_options(Bytes options);
void parse_tcp_options(Bytes options, TcpOptions& out);  // `out` says nothing yet

// Header bytes that these options will take, padded to 4: 20..60. SACK blocks that do not fit
// beside the rest are left off by the writer (RFC 2018: as many as fit), so the result never
// exceeds 60.
std::size_t tcp_header_bytes_of_list(const TcpOptions& options, OptionOrder order);
inline std::size_t tcp_header_bytes(const TcpOptions& options,
                                    OptionOrder order = OptionOrder::linux_) {
    if (options.at_most_timestamps()) return options.timestamps ? 32 : 20;
    return tcp_header_bytes_of_list(options, order);
}

struct TcpWrite {
    Address source, destination;     // for the pseudo-header
    std::span<const Bytes> payload;  // copied after the header
    OptionOrder order = OptionOrder::linux_;
    bool partial_checksum =
        false;  // leave the folded pseudo-header sum in the field, for the device
    bool payload_apart = false;  // counted, not copied: it goes from where it is; with
                                 // partial_checksum
};

// Writes header, options, payload and checksum in one pass; how many bytes, those apart included.
// `room` must hold tcp_header_bytes() + payload.
std::size_t write_tcp(MutableBytes room, const TcpFields& fields, const TcpOptions& options,
                      const TcpWrite& what);
inline std::size_t write_tcp(MutableBytes room, const TcpHeader& header, const TcpWrite& what) {
    return write_tcp(room, header.fields(), header.options, what);
}

}  // namespace estab::wire

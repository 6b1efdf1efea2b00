// Writes a pcapng file (draft-ietf-opsawg-pcapng) as bytes; where they go is the owner's affair.
// docs/formats/pcapng.md says what is in the file and which programs read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "device/device.hpp"
#include "link/tap.hpp"

namespace estab::observe {

// Where bytes go: a file, a socket, a test's buffer.
class ByteSink {
public:
    virtual ~ByteSink() = default;
    virtual void write(Bytes) = 0;  // a whole block at a time
};

// How the packets of an IP device are written. Frames of an Ethernet device are written as they
// are.
enum class IpFraming : std::uint8_t {
    by_family,  // LINKTYPE_IPV4 and LINKTYPE_IPV6; the second only if a packet of its family
                // appears
    raw,  // LINKTYPE_RAW for both families; tcpdump reads it only if it is the only interface
    ethernet,  // behind a made-up Ethernet header; every program reads it
};

class PcapngWriter {
public:
    struct Settings {
        std::string comment{};            // about the whole file: the seed, the command
        std::int64_t origin_unix_ns = 0;  // what Instant 0 is in the file
        std::uint32_t snaplen = 262'144;  // of every interface; longer packets are cut
        IpFraming ip_framing = IpFraming::by_family;
    };
    struct Packet {
        std::size_t interface = 0;  // as add_interface() said
        Instant at{};
        link::Way way = link::Way::received;
        Bytes bytes{};
        std::string_view comment{};  // UTF-8; cut at 65,535 bytes
    };

    PcapngWriter(ByteSink& sink, const Settings& settings);

    std::size_t add_interface(std::string_view name, device::LinkType link);
    void write(const Packet& packet);
    // Makes a file without any packet readable; the writer may be used on.
    void finish();

    std::uint64_t packets() const { return packets_; }
    std::uint64_t unwritable() const {
        return unwritable_;
    }  // of an IP device, but neither IPv4 nor IPv6

private:
    static constexpr std::uint32_t undeclared = UINT32_MAX;
    struct Interface {
        std::string name;
        device::LinkType link;
        std::uint32_t ids[2] = {undeclared,
                                undeclared};  // in the file; [1] for IPv6 with by_family
    };

    void write_section();
    std::uint32_t declare(Interface& interface, bool v6);
    std::uint16_t link_type(const Interface& interface, bool v6) const;

    void begin_block(std::uint32_t type);
    void add_option(std::uint16_t code, Bytes value);
    void add_option(std::uint16_t code, std::string_view text);
    void end_options();
    void end_block();
    void add_u16(std::uint16_t value);
    void add_u32(std::uint32_t value);
    void add_bytes(Bytes bytes);
    void pad();

    ByteSink& sink_;
    Settings settings_;
    std::vector<Interface> interfaces_;
    std::uint32_t declared_ = 0;
    std::uint64_t packets_ = 0;
    std::uint64_t unwritable_ = 0;
    std::vector<std::uint8_t> block_;  // the block being made; its memory is kept
};

// One interface of a writer, as the sink of a link::Tap.
class PcapngTap {
public:
    PcapngTap(PcapngWriter& writer, std::size_t interface)
        : writer_(writer), interface_(interface) {}
    void record(const link::Tapped& frame) {
        writer_.write({.interface = interface_,
                       .at = frame.at,
                       .way = frame.way,
                       .bytes = frame.bytes,
                       .comment = frame.comment});
    }

private:
    PcapngWriter& writer_;
    std::size_t interface_;
};

struct CommentField {
    std::string_view key;
    std::string_view value;
};
// `estab: key=value key="two words" · sentence`, what all packet comments look like.
std::string packet_comment(std::initializer_list<CommentField> fields, std::string_view sentence);

}  // namespace estab::observe

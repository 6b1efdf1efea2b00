// Reads capture files that somebody else holds in memory or brings piece by piece: classic pcap
// (microseconds and nanoseconds, both byte orders) and pcapng (several sections and interfaces, any
// resolution, comments). Of a damaged file it gives what is whole, then one error that says where.
//
//   CaptureReader reader;
//   reader.feed(bytes);                      // as often as there is more
//   while (const CapturedFrame* f = reader.next()) ...
//   reader.finish();                         // nothing more comes
//   if (reader.error()) ...
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/time.hpp"
#include "observe/link_layer.hpp"

namespace estab::observe {

struct CaptureError {
    std::uint64_t offset = 0;  // where the record that could not be read begins
    std::string what;          // one sentence, without the offset
};

struct CaptureInterface {
    LinkType link = LinkType::ethernet;
    std::uint32_t snap_bytes = 0;  // 0: no limit
    std::uint8_t resolution = 6;   // if_tsresol: 10^-n, or 2^-n with the highest bit set
    std::int64_t offset_s = 0;     // if_tsoffset
    std::string name;              // if_name, at most name_bytes_max
};

struct CapturedFrame {
    std::uint64_t number = 0;        // from 1, over the whole file
    std::uint64_t offset = 0;        // of its record in the file
    Instant time{};                  // since 1970-01-01 UTC; zero where the file has none (SPB)
    LinkType link = LinkType::ethernet;
    std::uint32_t interface = 0;     // within the section
    std::uint32_t original_bytes = 0;
    Bytes bytes;  // what was captured; valid until the next next(), feed() or finish()
    std::vector<std::string_view> comments;  // pcapng; as long as bytes; at most comments_max
};

class CaptureReader {
public:
    // A record or block that claims more is taken for damage: nothing above it can be told from
    // garbage.
    static constexpr std::uint32_t frame_bytes_max = 262'144;
    static constexpr std::uint32_t block_bytes_max =
        1U << 20;  // blocks that we do not read may be longer
    static constexpr std::size_t interfaces_max = 4096;         // of one section; more is an error
    static constexpr std::size_t comments_max = 16;             // of one packet; more are left out
    static constexpr std::size_t name_bytes_max = 256;

    // The next bytes of the file. They must stay where they are until next() has returned nullptr:
    // then the beginning of an unfinished record, at most block_bytes_max, has been copied.
    void feed(Bytes bytes);
    // No more bytes come. A record that is still unfinished becomes the error.
    void finish();
    // The next packet, or nothing: feed more, or see error(). Whole frames come without a copy.
    const CapturedFrame* next();

    const std::optional<CaptureError>& error() const { return error_; }
    const std::vector<CaptureInterface>& interfaces() const {
        return interfaces_;
    }  // of this section
    std::uint32_t sections() const { return sections_; }  // 1 for classic pcap
    const std::string& comment() const { return comment_; }  // of this section
    std::uint64_t packets() const { return frame_.number; }

private:
    enum class Format : std::uint8_t { unknown, pcap, pcapng };
    // What one look at the bytes gave.
    enum class Step : std::uint8_t { packet, skipped, more, failed };

    void hold();
    Step step();
    Step need(std::size_t bytes, const char* what);
    Step fail(std::string what);
    void consume(std::uint64_t bytes);
    Step read_file_header();
    Step read_record();
    Step read_block();
    Step read_section(Bytes block);
    Step read_interface(Bytes block);
    Step read_enhanced(Bytes block);
    Step read_simple(Bytes block);
    Step read_old_packet(Bytes block);
    Step read_body(std::uint32_t type, Bytes block);
    struct TimedPacket {
        std::uint32_t interface;
        std::uint64_t ticks;
        std::uint32_t captured, original;
        std::uint32_t header_bytes;
    };
    Step finish_packet(Bytes block, const TimedPacket& packet);

    std::uint16_t u16(const std::uint8_t* p) const {
        return big_ ? load_be16(p) : __builtin_bswap16(load_be16(p));
    }
    std::uint32_t u32(const std::uint8_t* p) const {
        return big_ ? load_be32(p) : __builtin_bswap32(load_be32(p));
    }
    template <class Visit>
    void for_each_option(Bytes options, Visit visit) const;

    Format format_ = Format::unknown;
    bool big_ = false;
    bool nanoseconds_ = false;  // classic
    bool finished_ = false;
    std::vector<std::uint8_t> held_;  // the unfinished record, when bytes come in pieces
    Bytes rest_;                      // not read yet: the end of held_, or of what feed() brought
    bool is_held_ = false;            // the former
    std::uint64_t offset_ = 0;        // of rest_ in the file
    std::uint64_t skip_ = 0;          // bytes of a block that nobody reads
    std::size_t missing_ = 0;         // why the last step stopped
    const char* unfinished_ = "";
    CapturedFrame frame_;
    std::vector<CaptureInterface> interfaces_;
    std::uint32_t sections_ = 0;
    std::string comment_;
    std::optional<CaptureError> error_;
};

}  // namespace estab::observe

// A packetdrill script as a tree: what the parser makes and the runner follows.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"

namespace estab::packetdrill {

struct Position {
    int line = 1, column = 1;
};

// What is wrong with a script's text, and where.
class ScriptError : public std::runtime_error {
public:
    ScriptError(Position at, const std::string& what) : std::runtime_error(what), at_(at) {}
    Position at() const { return at_; }

private:
    Position at_;
};

// --- When

struct When {
    enum class Kind : std::uint8_t { absolute, relative, any } kind = Kind::relative;
    Duration at{};                       // since the start, or since what came before
    std::optional<Duration> until{};     // of a range
    std::optional<Duration> ends{};      // a blocking call's end, of the same kind
};

// --- Packets

struct IpInfo {
    std::optional<std::uint8_t> ecn{};   // two bits
    bool any_ect = false;                // [ect01]: either
    std::optional<std::uint8_t> tos{};   // the whole octet
    std::optional<std::uint8_t> dscp{};
    std::optional<std::uint8_t> ttl{};
    std::optional<std::uint32_t> flow_label{};
};

struct Range {
    std::uint32_t begin = 0, end = 0;
    friend constexpr bool operator==(Range, Range) = default;
};

struct Option {                          // of TCP, in the script's order
    enum class Kind : std::uint8_t {
        mss, nop, eol, wscale, sack_ok, sack, ts, md5, fast_open, fast_open_exp, acc_ecn0, acc_ecn1
    } kind{};
    std::uint32_t value = 0, second = 0; // mss, wscale; ts: val and ecr
    std::vector<Range> ranges{};         // sack
    std::vector<std::uint32_t> counts{}; // acc_ecn: as many as there are
    std::vector<std::uint8_t> bytes{};   // md5, fast_open
    bool any_value = false;              // md5 valid; TS val ...
};

struct Ports {
    std::uint16_t source = 0, destination = 0;
};

struct TcpLine {
    std::uint16_t flags = 0;             // as wire::Flags
    std::uint32_t seq = 0, length = 0;
    std::optional<std::uint32_t> ack{}, window{}, urgent{};
    bool any_options = false;            // <...>
    bool any_seq = false;                // ...(0)
    bool absolute_seq = false;           // 0:0(0)!: the number as it is on the wire
    std::optional<Ports> udp{};          // of the datagram that it is the text of
    std::vector<Option> options{};
    std::optional<Ports> ports{};
};

struct UdpLine {
    std::uint32_t length = 0;
    std::optional<Ports> ports{};
};

struct IcmpLine {
    std::uint8_t type = 0, code = 0;
    std::optional<std::uint32_t> mtu{}, id{};
    enum class Quotes : std::uint8_t { tcp, udp, raw, nothing } quotes = Quotes::nothing;
    std::uint32_t seq = 0, length = 0;
    std::optional<std::uint32_t> ack{};
    std::optional<Ports> udp{};          // of the datagram that carried it
};

struct Packet {
    bool inbound = false;
    IpInfo ip{};
    std::variant<TcpLine, UdpLine, IcmpLine> layer{};
    std::string unsupported{};           // the name of a layer that estab does not have
};

// --- Values

struct Value {
    enum class Kind : std::uint8_t { integer, text, ellipsis, list, structure, function } kind{};
    std::int64_t number = 0;
    std::string text{};                  // of a string; the name of a function or symbol
    std::vector<Value> items{};          // of a list, arguments, or of `{…, 1000}`
    std::vector<std::pair<std::string, Value>> fields{};
    Position at{};

    bool is_ellipsis() const { return kind == Kind::ellipsis; }
    bool is_integer() const { return kind == Kind::integer; }
    const Value* field(std::string_view name) const {
        for (const auto& [key, value] : fields)
            if (key == name) return &value;
        return nullptr;
    }
};

// --- Events

struct CallLine {
    std::string name{};
    std::vector<Value> arguments{};
    std::optional<Value> result{};
    std::string error{};                 // the errno's name, if one was written
};
struct CommandLine {
    std::string text{};
};
struct CodeLine {
    std::string text{};
};

struct Event {
    Position at{};
    When when{};
    std::variant<Packet, CallLine, CommandLine, CodeLine> what{};
    std::string source{};                // its text, on one line
};

struct ScriptOption {
    std::string name{}, value{};
    Position at{};
};

struct Script {
    std::vector<ScriptOption> options{};
    std::optional<CommandLine> before{};
    Position before_at{};
    std::vector<Event> events{};
    std::optional<CommandLine> after{};
};

struct Define {
    std::string name{}, value{};
};

// Throws ScriptError. `defines` are the command line's -D and what #ifdef asks for; the script's
// own come on top.
Script parse(std::string_view text, const std::vector<Define>& defines = {});

// The number behind a name of Linux's headers: SO_RCVBUF, EAGAIN, …
std::optional<std::int64_t> find_symbol(std::string_view name);
// "EAGAIN"; empty: unknown.
std::string_view errno_name(int number);

}  // namespace estab::packetdrill

// One connection with everything that it borrows, and the wire in front of it: what the two
// harnesses share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conversation/notation.hpp"
#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"

namespace estab::conversation {

struct Frame {                      // a segment as octets
    Instant at{};                   // when it was sent
    std::vector<std::uint8_t> octets;
    wire::Ecn ecn{};
    wire::TcpView view() const { return *wire::TcpView::parse(octets); }
};

// Octet n of every stream.
constexpr std::uint8_t pattern(std::uint64_t n) {
    return static_cast<std::uint8_t>(n * 31 + (n >> 8));
}
std::vector<std::uint8_t> pattern_run(std::uint64_t from, std::size_t octets);

Frame write_frame(Instant at, const tcp::Segment& segment, const wire::FourTuple& tuple,
                  wire::OptionOrder order);

class Machine {
public:
    // Keeps at most `events` events.
    Machine(const tcp::Config& config, const wire::FourTuple& tuple, std::uint16_t mtu,
            std::size_t events);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    tcp::Config config;
    tcp::Connection connection;
    event::Counters counters;
    tcp::Environment& env() { return env_; }
    event::Log& log() { return log_; }

    // A frame off the wire; a RST that it earns is put into `out`.
    void receive(Instant now, const Frame& frame, std::vector<Frame>& out);
    // Everything that the connection has to say now.
    void pull(Instant now, std::vector<Frame>& out);

    // Of the pattern, from where the last call ended; how many octets went or came.
    Result<std::size_t> write(Instant now, std::size_t octets, bool urgent = false);
    Result<std::size_t> read(Instant now, std::size_t octets);  // CHECKs the octets
    std::uint64_t written() const { return written_; }
    std::uint64_t has_read() const { return read_; }

private:
    Memory memory_{64 * 1024 * 1024};
    tcp::ChunkPool chunks_{memory_};
    tcp::SentPool sent_{memory_};
    Pool<tcp::Active> actives_{memory_};
    Pool<tcp::Config> configs_{memory_};
    Pool<tcp::Extras> extras_{memory_};
    Pool<tcp::History> histories_{memory_};
    std::vector<event::Event> room_;
    event::Log log_{room_};
    tcp::ChallengeLimit challenges_{1};
    tcp::Environment env_{chunks_,    sent_, actives_, configs_,   extras_,
                          histories_, log_,  counters, challenges_};
    std::uint64_t written_ = 0, read_ = 0;
};

}  // namespace estab::conversation

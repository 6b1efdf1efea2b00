// Applications as small state machines: who says how much to whom, how slowly, and how it ends.
// Bulk, request and response, on and off, echo, slow readers, half-closers and those who abort are
// all values of one Order; every octet is checked by whoever gets it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.hpp"

namespace estab::sim {

struct Pace {                        // at most `octets`, then a pause; 0: as fast as it goes
    std::uint32_t octets = 0;
    Duration pause{};
};

struct Order {
    std::uint64_t up = 0, down = 0;  // octets, in each round
    std::uint32_t rounds = 1;        // the next begins when the reply to the last is there
    bool concurrent = false;         // both ways at once, instead of a reply after each request
    bool echo = false;               // the server sends back what it gets; `down` does not count
    enum class End : std::uint8_t {
        client_first,  // the client's FIN when it has everything
        half_close,  // the client's FIN as soon as it has sent everything
        server_first,
        close_at_once,  // the client lets go after its last write; only without replies
    } end = End::client_first;
    Pace client_writes{}, client_reads{}, server_writes{}, server_reads{};
    static constexpr std::uint64_t not_at_all = UINT64_MAX;
    std::uint64_t client_aborts_after = not_at_all;  // octets in both directions
    std::uint64_t server_aborts_after = not_at_all;
    Duration patience = 3600s;       // without progress for so long: gives up
    bool nodelay = false;
    // The server answers with cookies alone: an ACK that overtakes the text before it is nobody's,
    // and is answered with a reset (RFC 4987 3.6).
    bool server_forgets = false;

    bool aborts() const {
        return client_aborts_after != not_at_all || server_aborts_after != not_at_all;
    }
};

struct Outcome {
    enum class State : std::uint8_t { not_begun, talking, done, failed, aborted, gave_up } state{};
    Error error{};                   // of `failed`
    std::uint64_t in = 0, out = 0;   // octets of the order, without the header
    Instant began{}, connected{}, last_progress{}, ended{};
    std::array<Duration, tcp::limits> limited{};  // by tcp::Limit, until it ended
    std::string complaint;           // what cannot be, whatever the network did
    bool is_over() const { return state > State::talking; }
};

// All talks of a world, and what became of them.
class Ledger {
public:
    explicit Ledger(std::uint64_t seed);
    struct Entry {
        Order order;
        Outcome client, server;
    };
    std::uint32_t add(const Order& order);
    Entry& operator[](std::uint32_t number) { return entries_[number]; }
    const std::vector<Entry>& entries() const { return entries_; }
    bool is_over() const;            // no client talks any more, and no server
    // What is wrong, one sentence each; errors are no complaints when something explains them.
    std::vector<std::string> complaints() const;

    static constexpr std::size_t period =
        65'521;  // a prime: no shift of a power of two looks right
    // Octets of a stream from `offset` on; at most 65,536 at a time.
    Bytes pattern(std::uint64_t key, std::uint64_t offset) const {
        return Bytes(pattern_).subspan((key * 7919 + offset) % period, 65'536);
    }

private:
    std::vector<Entry> entries_;
    std::vector<std::uint8_t> pattern_;
};

// One end of a conversation.
class Talk final : public Owner, public Actor {
public:
    struct Client {
        Host& host;
        wire::Endpoint server;
        std::uint32_t number = 0;    // in the ledger
        Instant begin{};
        std::uint16_t local_port = 0;
        const tcp::Config* config = nullptr;
    };
    Talk(Ledger& ledger, const Client& client);
    Talk(Ledger& ledger, Host& host,
         stack::ConnectionId accepted);  // learns its number from the client

    void on_notice(Instant now, const stack::Notification& what) override;
    Instant deadline() const override;
    void act(Instant now) override;
    stack::ConnectionId id() const { return id_; }
    Host& host() const { return host_; }
    std::optional<std::uint32_t> number() const { return number_; }
    const Outcome& outcome() const { return outcome_; }

private:
    static constexpr std::size_t header_bytes = 8;

    void connect(Instant now);
    void pump(Instant now);
    bool read(Instant now);
    bool read_header(Instant now);
    bool write(Instant now);
    void check(Bytes octets);
    void finish(Instant now);
    void fail(Instant now, Error error);
    void end(Instant now, Outcome::State state);
    void complain(std::string what);
    void progress(Instant now);
    const Order& order() const { return ledger_.entries()[*number_].order; }
    std::uint64_t to_send() const;      // in all
    std::uint64_t to_receive() const;
    std::uint64_t may_send() const;     // until now
    bool is_aborting() const;
    void publish();

    Ledger& ledger_;
    Host& host_;
    bool is_client_;
    std::optional<std::uint32_t> number_;
    wire::Endpoint server_;
    Instant begin_{};
    std::uint16_t local_port_ = 0;
    const tcp::Config* config_ = nullptr;
    stack::ConnectionId id_{};
    Outcome outcome_;
    std::uint64_t header_left_ = header_bytes;  // to write or to read
    std::uint8_t header_[header_bytes]{};
    bool is_shut_ = false, has_eof_ = false;
    std::uint32_t read_budget_ = 0, write_budget_ = 0;
    Instant read_next_{}, write_next_{};        // when the budgets are filled again
};

// Listens and answers everybody.
class Server final : public Owner {
public:
    Server(Ledger& ledger, Host& host, const stack::ListenOptions& options);
    void on_notice(Instant now, const stack::Notification& what) override;
    const std::vector<std::unique_ptr<Talk>>& talks() const { return talks_; }

private:
    Ledger& ledger_;
    Host& host_;
    stack::ListenerId id_{};
    std::vector<std::unique_ptr<Talk>> talks_;
};

// Exponentially distributed with this mean, from integers alone (von Neumann's comparisons), so the
// same on every compiler.
Duration exponential(Rng& rng, Duration mean);

}  // namespace estab::sim

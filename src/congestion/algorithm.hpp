// Congestion control behind one concept. An algorithm is told what happened, in values, and answers
// with numbers; it never sees a segment, a buffer or a timer. It is checked at compile time against
// the concept and lowered to a table of functions over a slot of fixed size, so that a connection
// can change algorithms while it lives and a user's own is as good as ours. Loss recovery decides
// *what* is lost; this decides *how much* may be in flight.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/time.hpp"

namespace estab::congestion {

inline constexpr std::uint64_t infinite = std::uint64_t{1} << 62;

// All sizes are octets of TCP payload; an MSS is at least 1. `now` never goes backwards.
struct Start {               // a new connection, or one whose algorithm is exchanged
    Instant now{};
    std::uint32_t mss = 0;
    std::uint64_t cwnd = 0;      // the initial window, or where the last algorithm stood
    std::uint64_t ssthresh = infinite;
    Duration srtt{0};            // 0: not known yet
};
// How fast the network delivered the latest of what an acknowledgment covers; made by
// tcp/delivery_rate.hpp.
struct RateSample {
    std::uint64_t delivered = 0;        // octets, in `interval`
    Duration interval{0};               // 0: no sample of the rate
    std::uint64_t prior_delivered = 0;  // `Acked::delivered` when it was sent
    std::uint64_t sent_in_flight = 0;   // octets in flight when it was sent, it included
    std::uint32_t lost = 0;             // octets found lost since then
    bool app_limited = false;           // the application had nothing to send meanwhile

    std::uint64_t rate() const {        // octets per second; 0: no sample
        if (interval <= Duration{0}) return 0;
        constexpr std::uint64_t most = std::uint64_t{1} << 34;  // far beyond any window
        return std::min(delivered, most) * 1'000'000'000 /
               static_cast<std::uint64_t>(to_ns(interval));
    }
};
struct Acked {               // new data was acknowledged
    Instant now{};
    std::uint64_t bytes = 0;         // newly acknowledged or selectively acknowledged
    std::uint64_t in_flight = 0;     // before this acknowledgment
    Duration rtt{-1};                // this acknowledgment's sample, negative: none
    Duration srtt{0};
    Duration rtt_min{0};             // of the connection so far; 0: none yet
    std::uint64_t delivered = 0;  // octets in all, this acknowledgment's included; 0: not counted
    std::uint64_t ce_bytes = 0;  // of `bytes`, those that met congestion on their way (RFC 8257)
    std::uint64_t pipe = 0;  // in flight now: after it, without what is known to be lost; told only
                             // to those with `rules_recovery`
    RateSample rate{};
    std::uint32_t mss = 0;
    bool cwnd_limited = true;        // the sender had more to send than cwnd let it (RFC 7661)
    bool in_recovery = false;        // or a loss is suspected: no reason to grow
};
struct Congested {           // a loss episode or an ECN signal, at most once a window of data
    Instant now{};
    std::uint64_t in_flight = 0;     // FlightSize (RFC 5681 2)
    std::uint32_t mss = 0;
    bool ecn = false;
    bool gentle = false;     // a mark may cost less than a loss (RFC 8511)
};
struct TimedOut {            // the retransmission timer ran out
    Instant now{};
    std::uint64_t in_flight = 0;
    std::uint32_t mss = 0;
    bool repeated = false;  // the same data timed out before: ssthresh stays (RFC 5681 3.1)
};
struct Recovered {           // fast recovery is over; after a time-out there is nothing to say
    Instant now{};
    std::uint64_t in_flight = 0;
    std::uint32_t mss = 0;
};
struct Undone {              // the episode was spurious: what was in force before it
    Instant now{};
    std::uint64_t cwnd = 0;
    std::uint64_t ssthresh = 0;
};
struct Restarted {           // cwnd has not been used for long (RFC 5681 4.1, RFC 7661)
    Instant now{};
    std::uint64_t restart_window = 0;
    std::uint64_t ssthresh_least = 0;  // what slow start may reach again
};
struct MssChanged {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
};
// Told only to those who ask by having on(Lost) or on(Resumed):
struct Lost {                // a run of octets was found lost; before the Acked of the same news
    Instant now{};
    std::uint64_t bytes = 0;
    std::uint64_t delivered = 0;        // as in Acked, by now
    std::uint64_t sent_in_flight = 0;   // as in RateSample, of what was lost
    std::uint32_t lost = 0;             // octets found lost since it was sent, it included
    bool app_limited = false;
    bool continues = false;             // the run told last ends where this one begins
};
struct Resumed {             // data goes out after a pause of the application: the path is empty
    Instant now{};
};

template <class A>
concept Algorithm = std::is_trivially_copyable_v<A> && requires(A a, const A& c) {
    { A::name } -> std::convertible_to<std::string_view>;
    a.on(Start{});
    a.on(Acked{});
    a.on(Congested{});
    a.on(TimedOut{});
    a.on(Recovered{});
    a.on(Undone{});
    a.on(Restarted{});
    a.on(MssChanged{});
    { c.cwnd() } -> std::same_as<std::uint64_t>;          // at least one MSS, whatever happens
    { c.ssthresh() } -> std::same_as<std::uint64_t>;
    { c.pacing_rate() } -> std::same_as<std::uint64_t>;   // octets per second; 0: not paced
    // Optional: bool c.has_memory(), true if there is more to lose than cwnd and ssthresh;
    // A::rules_recovery, true if cwnd() is what may be in flight also while losses are repaired,
    // where RFC 9937 would rule; A::is_l4s, true if data goes out as ECT(1) and each mark has to be
    // reported (RFC 9331, RFC 9768); Duration A::burst, how much line time may go out at once where
    // it paces, else 1 ms; Phase c.phase(), what it is about; a.on(Lost{}), a.on(Resumed{}).
};

// What an algorithm with a model of the path is doing, for whoever asks why its numbers move.
enum class Phase : std::uint8_t {
    none, startup, drain, probe_down, probe_cruise, probe_refill, probe_up, probe_rtt,
    classic_queue  // what marks is no queue for low latency: a mark costs what it costs Reno
};

// The slot that holds an algorithm's state inside a connection.
struct Slot {
    static constexpr std::size_t size = 352;
    alignas(16) std::array<std::byte, size> room;
};

struct Table {
    std::string_view name;
    void (*start)(Slot&, const Start&);
    void (*acked)(Slot&, const Acked&);
    void (*congested)(Slot&, const Congested&);
    void (*timed_out)(Slot&, const TimedOut&);
    void (*recovered)(Slot&, const Recovered&);
    void (*undone)(Slot&, const Undone&);
    void (*restarted)(Slot&, const Restarted&);
    void (*mss_changed)(Slot&, const MssChanged&);
    void (*lost)(Slot&, const Lost&);        // nullptr: does not ask
    void (*resumed)(Slot&, const Resumed&);  // nullptr: does not ask
    bool rules_recovery = false;
    bool is_l4s = false;
    Duration burst{};
    std::uint64_t (*cwnd)(const Slot&);
    std::uint64_t (*ssthresh)(const Slot&);
    std::uint64_t (*pacing_rate)(const Slot&);
    bool (*has_memory)(const Slot&);
    Phase (*phase)(const Slot&);
};

template <Algorithm A>
    requires(sizeof(A) <= Slot::size)
struct Lowered {
    static A& of(Slot& s) { return *std::launder(reinterpret_cast<A*>(s.room.data())); }
    static const A& of(const Slot& s) {
        return *std::launder(reinterpret_cast<const A*>(s.room.data()));
    }
    static void start(Slot& s, const Start& e) { (::new (s.room.data()) A())->on(e); }
    template <class E>
    static void on(Slot& s, const E& e) {
        of(s).on(e);
    }
    static std::uint64_t cwnd(const Slot& s) { return of(s).cwnd(); }
    static std::uint64_t ssthresh(const Slot& s) { return of(s).ssthresh(); }
    static std::uint64_t pacing_rate(const Slot& s) { return of(s).pacing_rate(); }
    static bool has_memory(const Slot& s) {
        if constexpr (requires(const A& a) { a.has_memory(); }) return of(s).has_memory();
        return false;
    }
    static Phase phase(const Slot& s) {
        if constexpr (requires(const A& a) { a.phase(); }) return of(s).phase();
        return Phase::none;
    }
    template <class E>
    static constexpr auto on_if_asked() -> void (*)(Slot&, const E&) {
        if constexpr (requires(A& a) { a.on(E{}); }) return on<E>;
        return nullptr;
    }
    static constexpr bool rules_recovery() {
        if constexpr (requires { A::rules_recovery; }) return A::rules_recovery;
        return false;
    }

    static constexpr bool is_l4s() {
        if constexpr (requires { A::is_l4s; }) return A::is_l4s;
        return false;
    }
    static constexpr Duration burst() {
        if constexpr (requires { A::burst; }) return A::burst;
        return 1ms;
    }

    static constexpr Table table{
        .name = A::name,
        .start = start,
        .acked = on<Acked>,
        .congested = on<Congested>,
        .timed_out = on<TimedOut>,
        .recovered = on<Recovered>,
        .undone = on<Undone>,
        .restarted = on<Restarted>,
        .mss_changed = on<MssChanged>,
        .lost = on_if_asked<Lost>(),
        .resumed = on_if_asked<Resumed>(),
        .rules_recovery = rules_recovery(),
        .is_l4s = is_l4s(),
        .burst = burst(),
        .cwnd = cwnd,
        .ssthresh = ssthresh,
        .pacing_rate = pacing_rate,
        .has_memory = has_memory,
        .phase = phase,
    };
};
template <Algorithm A>
inline constexpr Table table_of = Lowered<A>::table;

// An algorithm at work.
class Control {
public:
    Control(const Table& table, const Start& start) : table_(&table) {
        table_->start(slot_, start);
    }

    void on(const Acked& e) { table_->acked(slot_, e); }
    void on(const Congested& e) { table_->congested(slot_, e); }
    void on(const TimedOut& e) { table_->timed_out(slot_, e); }
    void on(const Recovered& e) { table_->recovered(slot_, e); }
    void on(const Undone& e) { table_->undone(slot_, e); }
    void on(const Restarted& e) { table_->restarted(slot_, e); }
    void on(const MssChanged& e) { table_->mss_changed(slot_, e); }
    bool hears_losses() const { return table_->lost != nullptr; }
    void on(const Lost& e) {
        if (table_->lost != nullptr) table_->lost(slot_, e);
    }
    void on(const Resumed& e) {
        if (table_->resumed != nullptr) table_->resumed(slot_, e);
    }
    bool rules_recovery() const { return table_->rules_recovery; }
    bool is_l4s() const { return table_->is_l4s; }
    Duration burst() const { return table_->burst; }
    Phase phase() const { return table_->phase(slot_); }
    std::uint64_t cwnd() const { return table_->cwnd(slot_); }
    std::uint64_t ssthresh() const { return table_->ssthresh(slot_); }
    std::uint64_t pacing_rate() const { return table_->pacing_rate(slot_); }
    // It knows more about the path than cwnd and ssthresh tell: worth keeping while idle.
    bool has_memory() const { return table_->has_memory(slot_); }
    std::string_view name() const { return table_->name; }

    // Goes on with another algorithm from the same window.
    void exchange(const Table& table, Instant now, std::uint32_t mss, Duration srtt = {}) {
        const Start from{
            .now = now, .mss = mss, .cwnd = cwnd(), .ssthresh = ssthresh(), .srtt = srtt};
        table_ = &table;
        table_->start(slot_, from);
    }

private:
    const Table* table_;
    Slot slot_;
};

// The built-in ones: all of them, and by name ("cubic", "reno", ...) or nullptr.
std::span<const Table* const> built_in();
const Table* find(std::string_view name);
// "cubic, reno, ...": for help texts.
std::string_view names();

}  // namespace estab::congestion

#include "congestion/harness.hpp"

#include <algorithm>
#include <array>

#include "base/math.hpp"
#include "base/rng.hpp"

namespace estab::congestion {
namespace {

// The kinds of path that a story may be about.
struct Scene {
    std::uint32_t mss;
    std::uint64_t cwnd;
    Duration rtt;
};
constexpr std::array scenes{
    Scene{1460, 14'600, 40ms},          Scene{1460, 14'600, 1ns},
    Scene{1460, 14'600, 0ns},           Scene{536, 536, 3h},
    Scene{1, 1, 1ms},                   Scene{65'495, 0x7fff'ffff, 300ms},
    Scene{1448, 0x8000'0001, 100us},    Scene{9000, 0xffff'ffff, 10s},
};

class Story {
public:
    Story(const Table& algorithm, const Trial& trial)
        : table_(algorithm),
          trial_(trial),
          rng_(trial.seed),
          scene_(scenes[rng_.below(scenes.size())]),
          mss_(scene_.mss),
          control_(algorithm, {.now = now_, .mss = mss_, .cwnd = scene_.cwnd}),
          budget_(std::max<std::uint64_t>(control_.cwnd(), 4 * std::uint64_t{mss_})) {}

    std::optional<Violation> tell() {
        for (event_ = 0; event_ < trial_.events && !broken_; ++event_) {
            before_ = control_.cwnd();
            let_time_pass();
            happen();
            require(Rule::at_least_one_segment, control_.cwnd() >= mss_);
            require(Rule::bounded, control_.cwnd() <= std::min(budget_, infinite));
        }
        return broken_;
    }

private:
    enum class Episode : std::uint8_t { none, loss, time_out };

    void require(Rule rule, bool holds) {
        if (holds || broken_) return;
        broken_ = Violation{.rule = rule, .seed = trial_.seed, .event = event_, .mss = mss_,
                            .before = before_, .after = control_.cwnd()};
    }
    void require_no_growth(std::uint64_t most) {
        require(Rule::grows_with_acks_only, control_.cwnd() <= most);
    }

    void let_time_pass() {
        if (rng_.chance(2'000)) {
            now_ = after(now_,
                         Duration(static_cast<std::int64_t>(rng_.below(std::uint64_t{1} << 48))));
        } else {
            const auto most = static_cast<std::uint64_t>(scene_.rtt.count() / 8 + 2);
            now_ = after(now_, Duration(static_cast<std::int64_t>(rng_.below(most))));
        }
    }

    void happen() {
        const std::uint64_t dice = rng_.below(1000);
        if (dice < 900) return acknowledge();
        if (dice < 920) return episode_ == Episode::none ? lose(false) : recover();
        if (dice < 930) return lose(true);
        if (dice < 940) return time_out();
        if (dice < 975) return recover();
        if (dice < 980) return undo();
        if (dice < 990) return restart();
        if (dice < 995) return change_mss();
        control_.exchange(table_, now_, mss_);
        episode_ = Episode::none;
        require_no_growth(before_);
    }

    // Mostly a full window; sometimes less, a little more (RFC 3042) or nothing.
    std::uint64_t flight() {
        if (rng_.chance(800'000)) return before_;
        return rng_.below(before_ + 2 * std::uint64_t{mss_} + 1);
    }

    void acknowledge() {
        Acked e{.now = now_, .in_flight = std::max<std::uint64_t>(flight(), 1), .mss = mss_};
        const std::uint64_t most = rng_.chance(20'000) ? e.in_flight : 44 * std::uint64_t{mss_};
        e.bytes = 1 + rng_.below(std::min(e.in_flight, most));
        e.ce_bytes = rng_.chance(50'000) ? rng_.below(e.bytes + 1) : 0;
        e.srtt = scene_.rtt;
        e.rtt_min = scene_.rtt;
        if (rng_.chance(950'000)) {
            const auto jitter = static_cast<std::uint64_t>(scene_.rtt.count() / 4 + 2);
            e.rtt = scene_.rtt + Duration(static_cast<std::int64_t>(rng_.below(jitter)));
        }
        delivered_ += e.bytes;
        e.delivered = delivered_;
        e.pipe = e.in_flight - e.bytes;
        e.rate = {.delivered = e.in_flight,
                  .interval = rng_.chance(900'000) ? std::max<Duration>(e.rtt, 0ns) : Duration{0},
                  .prior_delivered = delivered_ > e.in_flight ? delivered_ - e.in_flight : 0,
                  .sent_in_flight = e.in_flight,
                  .lost = static_cast<std::uint32_t>(rng_.below(e.in_flight / 16 + 1)),
                  .app_limited = rng_.chance(100'000)};
        e.cwnd_limited = !rng_.chance(100'000);
        e.in_recovery = episode_ == Episode::loss;
        budget_ += e.bytes + mss_;
        control_.on(e);
        if (!trial_.validates_window || e.cwnd_limited) return;
        require(Rule::unused_window_stays, control_.cwnd() <= before_);
    }

    void begin(Episode episode) {
        if (episode_ == Episode::none) {
            undo_ = {.now = now_, .cwnd = before_, .ssthresh = control_.ssthresh()};
        }
        episode_ = episode;
    }

    void fell(std::uint64_t in_flight) {
        require_no_growth(std::max<std::uint64_t>(before_, mss_));
        require(Rule::keeps_two_segments, control_.ssthresh() >= 2 * std::uint64_t{mss_});
        if (!trial_.reacts_to_loss || before_ <= 4 * std::uint64_t{mss_} || in_flight > before_)
            return;
        require(Rule::falls_with_loss, control_.cwnd() < before_);
    }

    // A run of octets of the flight; an episode follows or goes on.
    void tell_losses() {
        for (std::uint64_t runs = rng_.below(8); runs != 0; --runs) {
            const std::uint64_t sent = std::max<std::uint64_t>(flight(), mss_);
            const std::uint64_t bytes = 1 + rng_.below(sent);
            control_.on(Lost{.now = now_,
                             .bytes = bytes,
                             .delivered = delivered_,
                             .sent_in_flight = sent,
                             .lost = static_cast<std::uint32_t>(bytes + rng_.below(sent)),
                             .app_limited = rng_.chance(100'000),
                             .continues = rng_.chance(300'000)});
            require_no_growth(before_);
        }
    }

    void lose(bool marked) {
        if (!marked) tell_losses();
        if (episode_ != Episode::none) return;
        const Congested e{.now = now_, .in_flight = flight(), .mss = mss_, .ecn = marked};
        if (!marked) begin(Episode::loss);
        control_.on(e);
        // How much a mark costs is the algorithm's own affair (RFC 8257).
        if (marked) return require_no_growth(std::max<std::uint64_t>(before_, mss_));
        fell(e.in_flight);
    }

    void time_out() {
        const bool repeated = episode_ == Episode::time_out && rng_.chance(500'000);
        begin(Episode::time_out);
        const std::uint64_t in_flight = flight();
        control_.on(
            TimedOut{.now = now_, .in_flight = in_flight, .mss = mss_, .repeated = repeated});
        if (repeated) return require_no_growth(before_);
        fell(in_flight);
    }

    void recover() {
        if (episode_ == Episode::none) return;
        episode_ = Episode::none;
        control_.on(Recovered{now_, flight(), mss_});
        require_no_growth(before_);
    }

    void undo() {
        if (episode_ == Episode::none) return;
        episode_ = Episode::none;
        undo_.now = now_;
        control_.on(undo_);
        require_no_growth(std::max(before_, undo_.cwnd));
    }

    void restart() {
        control_.on(Resumed{now_});
        before_ = control_.cwnd();  // one that was cut only to measure may be back
        if (episode_ != Episode::none) return;
        control_.on(Restarted{now_, 10 * std::uint64_t{mss_}});
        require_no_growth(before_);
    }

    void change_mss() {
        const std::uint32_t to = 1 + static_cast<std::uint32_t>(rng_.below(65'495));
        control_.on(MssChanged{mss_, to});
        mss_ = to;
        const std::uint64_t most = std::max<std::uint64_t>(before_, 4 * std::uint64_t{to});
        budget_ = std::max(budget_, most);
        require_no_growth(most);
    }

    const Table& table_;
    const Trial trial_;
    Rng rng_;
    const Scene scene_;
    Instant now_{1h};
    std::uint32_t mss_;
    Control control_;
    std::uint64_t budget_;
    std::uint64_t delivered_ = 0;
    std::uint64_t before_ = 0;
    std::uint32_t event_ = 0;
    Episode episode_ = Episode::none;
    Undone undo_;
    std::optional<Violation> broken_;
};

}  // namespace

std::optional<Violation> try_out(const Table& algorithm, const Trial& trial) {
    return Story(algorithm, trial).tell();
}

}  // namespace estab::congestion

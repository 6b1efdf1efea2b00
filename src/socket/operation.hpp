// Something that can be tried again until it is not `would_block`: the same attempt serves the
// blocking face (wait_for) and the coroutine face (Operation).
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "socket/reactor.hpp"

namespace estab::socket {

template <class R>
bool is_pending(const R& result) {
    return !result && result.error() == Error::would_block;
}

// Drives the reactor until the attempt is done, has failed, or `deadline` has come (timed_out).
template <class Attempt>
std::invoke_result_t<Attempt&> wait_for(const Source& source, Instant deadline, Attempt attempt) {
    for (;;) {
        auto result = attempt();
        if (!is_pending(result)) return result;
        if (!source.is_open()) return fail(Error::not_found);
        if (const auto turn = source.reactor()->wait(deadline); !turn) return fail(turn.error());
    }
}

// What `co_await stream.async_read(...)` waits with. It lives in the coroutine's frame, and may be
// destroyed with it at any time. If the source dies first, the result is Error::aborted.
template <class Attempt>
class [[nodiscard]] Operation final : public Waiter {
public:
    using Outcome = std::invoke_result_t<Attempt&>;

    Operation(std::shared_ptr<Source> source, Instant deadline, Attempt attempt)
        : source_(std::move(source)), deadline_(deadline), attempt_(std::move(attempt)) {}
    ~Operation() {
        if (timer_.serial != 0 && source_->is_open()) source_->reactor()->cancel(timer_);
    }

    bool await_ready() { return attempt() || !source_->is_open(); }
    void await_suspend(std::coroutine_handle<> who) {
        handle = who;
        source_->add(*this);
        if (deadline_ == never) return;
        timer_ = source_->reactor()->at(deadline_, [this] {
            timer_ = {};
            if (outcome_) return;
            give_up(Error::timed_out);
            source_->reactor()->resume_later(*this);
        });
    }
    Outcome await_resume() {
        return outcome_ ? std::move(*outcome_) : Outcome(fail(Error::not_found));
    }

    bool attempt() override {
        Outcome now = attempt_();
        if (is_pending(now)) return false;
        outcome_.emplace(std::move(now));
        return true;
    }
    void give_up(Error why) override {
        outcome_.emplace(fail(why));
        // Whoever detaches the source can no longer be asked to cancel.
        if (timer_.serial != 0) source_->reactor()->cancel(std::exchange(timer_, {}));
    }

private:
    std::shared_ptr<Source> source_;
    Instant deadline_;
    Attempt attempt_;
    std::optional<Outcome> outcome_;
    TimerId timer_;
};

}  // namespace estab::socket

// A call that may have to wait, as a value: try_now() until it is over. Sockets::wait() does that
// and lets the world go on in between; a script's runner parks the call instead.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/time.hpp"

namespace estab::posix {

class Call {
public:
    // One try. A value >= 0, or -errno; nothing: not yet.
    using Attempt = std::function<std::optional<std::int64_t>(Instant now)>;

    Call() = default;
    explicit Call(std::int64_t result) : result_(result) {}
    // `at_deadline` is the result when the time is up, unless `progress` has grown above 0: then
    // that much was done.
    Call(Attempt attempt, Instant deadline, std::int64_t at_deadline,
         std::shared_ptr<const std::size_t> progress = {})
        : attempt_(std::move(attempt)),
          deadline_(deadline),
          at_deadline_(at_deadline),
          progress_(std::move(progress)) {}

    // True: it is over.
    bool try_now(Instant now) {
        if (result_) return true;
        result_ = attempt_(now);
        if (!result_ && now >= deadline_) {
            const bool some = progress_ != nullptr && *progress_ != 0;
            result_ = some ? static_cast<std::int64_t>(*progress_) : at_deadline_;
        }
        return result_.has_value();
    }
    void end(std::int64_t result) { result_ = result; }
    Instant deadline() const { return deadline_; }
    std::int64_t result() const { return result_.value_or(-1); }  // >= 0, or -errno
    // As a system call has it: -1 and errno().
    std::int64_t value() const { return result() < 0 ? -1 : result(); }
    int error() const { return result() < 0 ? static_cast<int>(-result()) : 0; }

private:
    Attempt attempt_;
    std::optional<std::int64_t> result_;
    Instant deadline_ = never;
    std::int64_t at_deadline_ = 0;
    std::shared_ptr<const std::size_t> progress_;
};

}  // namespace estab::posix

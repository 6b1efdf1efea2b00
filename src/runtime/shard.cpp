#include "runtime/shard.hpp"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

namespace estab::runtime {
namespace {

void raise_flag(const drivers::Fd& fd) {
    const std::uint64_t one = 1;
    (void)!::write(*fd, &one, sizeof one);
}

// Signals are the main thread's, but for those that are the fault of the thread that gets them.
class SignalsOff {
public:
    SignalsOff() {
        sigset_t off;
        ::sigfillset(&off);
        for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
            ::sigdelset(&off, own);
        ::pthread_sigmask(SIG_SETMASK, &off, &before_);
    }
    ~SignalsOff() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

}  // namespace

void Shard::start(std::function<void()> body) {
    stop_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    ended_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!stop_ || !ended_) drivers::throw_system("cannot make an event descriptor");
    std::future<void> ready = ready_.get_future();
    {
        const SignalsOff inherited;
        thread_ = std::thread([this, body = std::move(body)] {
            try {
                body();
            } catch (...) {
                trouble_ = std::current_exception();
                if (!is_ready_) ready_.set_exception(trouble_);
            }
            raise_flag(ended_);
        });
    }
    try {
        ready.get();
    } catch (...) {
        thread_.join();
        throw;
    }
}

void Shard::run(Reactor& reactor) {
    reactor.loop().watch(*stop_, {.read = true, .write = false},
                         [&reactor](Instant, Ready) { reactor.stop(); });
    is_ready_ = true;
    ready_.set_value();
    reactor.run();
}

void Shard::add_addresses(stack::Stack& stack, const std::vector<wire::Prefix>& own) {
    for (const wire::Prefix& prefix : own)
        if (const auto added = stack.routes().add_address(prefix); !added)
            throw std::runtime_error(prefix.text() + ": " + to_string(added.error()));
}

void Shard::stop() { raise_flag(stop_); }

void Shard::join() {
    if (thread_.joinable()) thread_.join();
    if (trouble_) std::rethrow_exception(std::exchange(trouble_, nullptr));
}

Shard::~Shard() {
    stop();
    if (thread_.joinable()) thread_.join();
}

}  // namespace estab::runtime

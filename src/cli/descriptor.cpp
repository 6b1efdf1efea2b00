#include "cli/descriptor.hpp"

namespace estab::cli {

// A hang-up is reported whether one wants it or not, so only what somebody waits for is watched.
void Descriptor::update() {
    runtime::Loop& loop = reactor_.loop();
    const runtime::Interest interest{.read = reader_ != nullptr, .write = writer_ != nullptr};
    if (!interest.read && !interest.write) {
        if (watched_) loop.forget(fd_);
        watched_ = false;
    } else if (watched_) {
        loop.change(fd_, interest);
    } else {
        loop.watch(fd_, interest, [this](Instant, runtime::Ready ready) { on_ready(ready); });
        watched_ = true;
    }
}

void Descriptor::on_ready(runtime::Ready ready) {
    if (reader_ != nullptr && (ready.readable || ready.failed)) reader_->finish(true);
    if (writer_ != nullptr && (ready.writable || ready.failed)) writer_->finish(true);
}

Descriptor::~Descriptor() {
    if (watched_) reactor_.loop().forget(fd_);
    for (Wait* wait : {reader_, writer_})
        if (wait != nullptr) wait->on_ = nullptr;
}

void Descriptor::Wait::await_suspend(std::coroutine_handle<> who) {
    handle = who;
    slot() = this;
    on_->update();
    if (deadline_ == never) return;
    timer_ = reactor_.at(deadline_, [this] {
        timer_ = {};
        finish(false);
    });
}

void Descriptor::Wait::finish(bool ready) {
    ready_ = ready;
    if (timer_.serial != 0) reactor_.cancel(std::exchange(timer_, {}));
    slot() = nullptr;
    on_->update();
    reactor_.resume_later(*this);
}

Descriptor::Wait::~Wait() {
    if (timer_.serial != 0) reactor_.cancel(timer_);
    if (on_ == nullptr || slot() != this) return;
    slot() = nullptr;
    on_->update();
}

}  // namespace estab::cli

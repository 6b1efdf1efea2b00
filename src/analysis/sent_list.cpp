#include "analysis/sent_list.hpp"

#include <utility>

namespace estab::analysis {

std::size_t SentList::find(std::int64_t seq) const {
    std::size_t low = 0, high = count_;
    if (count_ != 0 && (*this)[count_ - 1].end() <= seq) return count_;  // what is new
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        if ((*this)[middle].end() > seq) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void SentList::insert(const Sent& run) {
    if (count_ == runs_max) drop_front();
    if (count_ == runs_.size()) grow();
    std::size_t at = count_;
    if (count_ != 0 && (*this)[count_ - 1].begin > run.begin) at = find(run.begin);
    ++count_;
    for (std::size_t i = count_ - 1; i > at; --i) (*this)[i] = (*this)[i - 1];
    (*this)[at] = run;
    if (at < acknowledged_) ++acknowledged_;
}

void SentList::acknowledge(std::int64_t una) {
    while (acknowledged_ < count_ && (*this)[acknowledged_].end() <= una) ++acknowledged_;
    while (acknowledged_ > kept_below_una) drop_front();
}

void SentList::drop_front() {
    first_ = (first_ + 1) & (runs_.size() - 1);
    --count_;
    if (acknowledged_ > 0) --acknowledged_;
}

void SentList::grow() {
    std::vector<Sent> bigger(runs_.empty() ? 8 : runs_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) bigger[i] = (*this)[i];
    runs_ = std::move(bigger);
    first_ = 0;
}

}  // namespace estab::analysis

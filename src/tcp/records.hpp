// Ends that the user gave to what it wrote (MSG_EOR): no segment goes across one.
#pragma once

#include <array>
#include <cstdint>

#include "tcp/seq.hpp"

namespace estab::tcp {

// Of text that has not been sent. When it is full, the next record runs on into the one after it.
class RecordEnds {
public:
    static constexpr std::uint8_t most = 32;

    bool empty() const { return count_ == 0; }
    Seq first() const { return ends_[head_]; }
    void pop() {
        head_ = static_cast<std::uint8_t>((head_ + 1) % most);
        --count_;
    }
    void push(Seq end) {
        if (count_ == most) return;
        ends_[(head_ + count_) % most] = end;
        ++count_;
    }

private:
    std::array<Seq, most> ends_{};
    std::uint8_t head_ = 0, count_ = 0;
};

}  // namespace estab::tcp

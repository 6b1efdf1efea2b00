// Opening, closing and the eleven states: RFC 9293 3.5, 3.6, 3.10.
#include <gtest/gtest.h>

#include "conversation/harness.hpp"

namespace estab::conversation {
namespace {

TEST(FastRetransmit, OnTheThirdDuplicate) {  // RFC 5681 3.2
    Conversation{established({.mss = 1000, .cwnd = 10'000, .sack = true})}.run(R"(
        +0    app write 4000
        +0    ->  1:1001 ack 1
        +0    ->  1001:2001 ack 1
        +0    ->  2001:3001 ack 1
        +0    ->  3001:4001 ack 1
        +50   <-  1:1 ack 1  sack 1001:2001
        +0    <-  1:1 ack 1  sack 1001:3001
        +0    quiet
        +0    <-  1:1 ack 1  sack 1001:4001
        +0    ->  1:1001 ack 1
        +0    event retransmit
    )");
}

}  // namespace
}  // namespace estab::conversation

// Memory to receive into that TCP then keeps until the peer has acknowledged it: what comes from
// one descriptor and goes out on a connection is copied once less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace estab::runtime {

class LentBlocks {
public:
    static constexpr std::size_t block_bytes = 128u << 10;
    // Of all connections together; policy when all are lent: take() gives none, and the caller
    // copies.
    static constexpr std::size_t blocks_max = 128;
    // Less than this is better copied: a block is kept whole for however little is in it.
    static constexpr std::size_t worth_bytes = 32u << 10;

    class Block {
    public:
        MutableBytes room() { return {octets_.get(), block_bytes}; }

    private:
        friend class LentBlocks;
        std::unique_ptr<std::uint8_t[]> octets_;
        std::shared_ptr<void> owner_;  // while it is lent, which may be longer than LentBlocks
    };

    // A connection's tcp::SendBuffer::Release; its context is the Block.
    static void give_back(void* block);
    struct GiveBack {
        void operator()(Block* block) const { give_back(block); }
    };
    using Taken = std::unique_ptr<Block, GiveBack>;
    Taken take();  // none: all are lent

private:
    struct Pool {
        std::vector<std::unique_ptr<Block>> free;  // the one that came last goes first
        std::size_t made = 0;
    };
    std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
};

}  // namespace estab::runtime

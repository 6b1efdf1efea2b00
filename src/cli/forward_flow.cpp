#include "cli/forward_flow.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "cli/relay.hpp"

namespace estab::cli {
namespace {

using Blocks = runtime::LentBlocks;

constexpr std::size_t turn_bytes = 1 << 20;   // of one direction, before others have a turn
constexpr std::size_t surplus_bytes = 4096;   // read beyond a stream's room, to wait with
constexpr Duration memory_patience = 10ms;    // before a full budget is asked again

}  // namespace

void TcpForwarder::Flow::start() {
    stream.on_ready([weak = weak_from_this()](socket::Ready) { turn(weak); });
    owner.reactor_.loop().watch(*host, {.read = true, .write = false, .changes = true},
                                [weak = weak_from_this()](Instant, runtime::Ready ready) {
                                    const std::shared_ptr<Flow> flow = weak.lock();
                                    if (!flow) return;
                                    flow->hear_of(ready);
                                    flow->turn();
                                });
}

void TcpForwarder::Flow::hear_of(runtime::Ready ready) {
    if (ready.readable || ready.ending) host_has_more = true;
    if (ready.ending) host_is_ending = true;
    if (ready.writable || ready.failed) host_takes_more = true;
}

void TcpForwarder::Flow::turn() {
    if (ended) return;
    const bool more_down = move_down();
    const bool more_up = move_up();
    if (down_done && up_done) return owner.finish(shared_from_this());
    if (more_down || more_up) turn_later({});
}

void TcpForwarder::Flow::turn_later(Duration wait) {
    if (std::exchange(is_turn_due, true)) return;
    owner.reactor_.after(wait, [weak = weak_from_this()] {
        const std::shared_ptr<Flow> flow = weak.lock();
        if (!flow) return;
        flow->is_turn_due = false;
        flow->turn();
    });
}

bool TcpForwarder::Flow::move_down() {
    if (!surplus.empty()) {
        const std::vector<std::uint8_t> rest = std::exchange(surplus, {});
        write_down(rest);
    }
    for (std::size_t moved = 0; moved < turn_bytes;) {
        if (down_done || !surplus.empty() || !host_has_more) return false;
        const tcp::Connection* connection = stream.connection();
        if (connection == nullptr || connection->has_failed()) {
            break_off();
            return false;
        }
        const std::uint64_t room = connection->write_room();
        runtime::LentBlocks::Taken block;
        if (brings_much && room >= Blocks::worth_bytes) block = owner.blocks_.take();
        const MutableBytes into = block ? block->room() : MutableBytes(owner.scratch_);
        const std::size_t wanted =
            std::min<std::uint64_t>(into.size(), room + (block ? 0 : surplus_bytes));
        const ssize_t n = ::recv(*host, into.data(), wanted, 0);
        if (n < 0 && errno == EINTR) continue;
        brings_much = n >= static_cast<ssize_t>(Blocks::worth_bytes);
        // All of it has come, unless something else waits behind it.
        if (n < 0 ? errno == EAGAIN : static_cast<std::size_t>(n) < wanted && !host_is_ending)
            host_has_more = false;
        if (n < 0 && errno == EAGAIN) return false;
        if (n < 0) {
            break_off();
        } else if (n == 0) {
            (void)stream.shutdown_write();
            down_done = true;
        } else {
            const auto octets = static_cast<std::size_t>(n);
            record.down += octets;
            owner.totals_.down += octets;
            moved += octets;
            write_down(into.first(octets), std::move(block));
        }
    }
    return !down_done && surplus.empty() && host_has_more;
}

void TcpForwarder::Flow::write_down(Bytes octets, Blocks::Taken block) {
    const bool is_lent = block && octets.size() >= Blocks::worth_bytes;
    const auto taken =
        is_lent ? stream.try_write_external(octets, Blocks::give_back, block.get())
                : stream.try_write(octets);
    if (!taken && taken.error() != Error::would_block && taken.error() != Error::no_memory)
        return break_off();
    const Bytes rest = octets.subspan(taken ? *taken : 0);
    surplus.assign(rest.begin(), rest.end());
    if (is_lent && taken) (void)block.release();
    if (!taken && taken.error() == Error::no_memory) turn_later(memory_patience);
}

bool TcpForwarder::Flow::move_up() {
    for (std::size_t moved = 0; moved < turn_bytes && !up_done;) {
        if (!host_takes_more) return false;
        const tcp::Connection* connection = stream.connection();
        const auto there = connection == nullptr ? Result<std::size_t>(fail(Error::not_found))
                                                 : connection->peek(0, owner.scratch_);
        if (!there && there.error() == Error::would_block) return false;
        if (!there) {
            break_off();
            return false;
        }
        const Bytes octets = Bytes(owner.scratch_).first(*there);
        if (decision.check_greeting && !hear(octets, octets.empty())) return false;
        if (octets.empty()) {
            if (!down_done) ::shutdown(*host, SHUT_WR);  // else it is about to be closed
            up_done = true;
            return false;
        }
        const ssize_t n = ::send(*host, octets.data(), octets.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        const Instant now = owner.reactor_.now();
        if (blocked_since != never) record.host_is_slow += now - blocked_since;
        blocked_since = never;
        if (n < 0 && errno != EAGAIN) {
            break_off();
            return false;
        }
        const std::size_t taken = n < 0 ? 0 : static_cast<std::size_t>(n);
        stream.consume(taken);
        record.up += taken;
        owner.totals_.up += taken;
        moved += taken;
        if (taken < octets.size()) {
            blocked_since = now;
            host_takes_more = false;
            if (!std::exchange(is_write_watched, true))
                owner.reactor_.loop().change(*host,
                                             {.read = true, .write = true, .changes = true});
            return false;
        }
    }
    return !up_done;
}

// Whom it asks for, before anything of it goes out; it stays unread until that is clear.
bool TcpForwarder::Flow::hear(Bytes first_octets, bool is_all) {
    egress::Addressee whom = egress::read_greeting(first_octets);
    if (whom.greeting == egress::Greeting::incomplete) {
        if (!is_all) return false;
        whom.greeting = egress::Greeting::nameless;
    }
    decision = owner.gate_.policy().on_greeting(record.wanted, whom);
    if (!decision.allowed) break_off();
    return decision.allowed;
}

// Both sides learn that it did not end well.
void TcpForwarder::Flow::break_off() {
    record.is_broken = true;
    if (stream.is_open()) record.info = stream.info();
    stream.abort();
    reset_when_closed(*host);
    surplus.clear();
    down_done = up_done = true;
}

}  // namespace estab::cli

// What the owner of a connection asks of it: RFC 9293 3.9.1 and 3.10.1 to 3.10.5.
#include <algorithm>

#include "tcp/connection.hpp"
#include "tcp/plant.hpp"

namespace estab::tcp {

Result<void> Connection::may_add() const {
    if (has_error_) return fail(error_);
    const bool opening = state_ == State::syn_sent || state_ == State::syn_received;
    if (opening && !serves_early() && write_room() == 0) return fail(Error::would_block);
    if (!opening && (!can_send(state_) || fin_queued_)) {
        return fail(state_ == State::closed ? Error::not_connected : Error::broken_pipe);
    }
    return {};
}

// How much there is room for, at least 1; the connection is active then.
Result<std::uint64_t> Connection::begin_write(Environment& env, Instant now) {
    const std::uint64_t room = write_room();
    if (room == 0) {
        write_blocked_ = true;
        return fail(Error::would_block);
    }
    if (!activate(env)) return fail(Error::no_memory);
    if (active_->send.size() == 0) {
        const bool opening = state_ == State::syn_sent || state_ == State::syn_received;
        if (!opening) restart_after_idle(env, now);
        active_->rate.on_application_limit(delivered_, 0);
    } else {
        note_application_limit(in_flight());
    }
    return room;
}

Result<std::size_t> Connection::write(Environment& env, Instant now, Bytes octets) {
    if (const auto may = may_add(); !may) return fail(may.error());
    if (octets.empty()) return std::size_t{0};
    const auto room = begin_write(env, now);
    if (!room) return fail(room.error());
    const std::size_t taken =
        active_->send.append(octets.first(std::min<std::uint64_t>(octets.size(), *room)));
    if (taken < octets.size()) write_blocked_ = true;
    if (taken == 0) {
        deactivate_if_idle(env, now);
        return fail(Error::no_memory);
    }
    return taken;
}

Result<std::size_t> Connection::write_external(Environment& env, Instant now, Bytes octets,
                                               SendBuffer::Release done, void* context) {
    if (const auto may = may_add(); !may) return fail(may.error());
    if (octets.empty()) return fail(Error::invalid_argument);
    const auto room = begin_write(env, now);
    if (!room) return fail(room.error());
    const Bytes taken = octets.first(std::min<std::uint64_t>(octets.size(), *room));
    if (!active_->send.append_external(taken, done, context)) {
        deactivate_if_idle(env, now);
        return fail(Error::no_memory);
    }
    if (taken.size() < octets.size()) write_blocked_ = true;
    return taken.size();
}

Result<MutableBytes> Connection::reserve(Environment& env, Instant now) {
    if (const auto may = may_add(); !may) return fail(may.error());
    const auto room = begin_write(env, now);
    if (!room) return fail(room.error());
    const MutableBytes lent = active_->send.reserve();
    if (lent.empty()) {
        deactivate_if_idle(env, now);
        return fail(Error::no_memory);
    }
    return lent.first(std::min<std::uint64_t>(lent.size(), *room));
}

Result<void> Connection::commit(Environment& env, Instant now, std::size_t octets) {
    if (active_ == nullptr || octets > active_->send.reserved())
        return fail(Error::invalid_argument);
    // The end of the connection may have come in between.
    const auto may = may_add();
    active_->send.commit(may ? octets : 0);
    if (!may || octets == 0) deactivate_if_idle(env, now);
    if (!may) return fail(may.error());
    return {};
}

Result<std::size_t> Connection::write_urgent(Environment& env, Instant now, Bytes octets) {
    const auto taken = write(env, now, octets);
    // The pointer is to the octet behind the urgent data (MUST-62, RFC 6093 3).
    if (taken && !octets.empty() && *taken == octets.size()) tcb_.snd.up = active_->send.end();
    return taken;
}

Result<std::size_t> Connection::read(Environment& env, Instant now, MutableBytes into) {
    const bool opening = state_ == State::syn_received && !serves_early();
    if (unread() != 0 && !opening) {
        const std::size_t octets = active_->recv.read(into);
        after_read(env, now, octets);
        return octets;
    }
    if (fin_received_) return std::size_t{0};
    if (has_error_) return fail(error_);
    switch (state_) {
    case State::closed: return fail(Error::not_connected);
    case State::listen:
    case State::syn_sent:
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2: return fail(Error::would_block);
    case State::close_wait:
    case State::closing:
    case State::last_ack:
    case State::time_wait: return std::size_t{0};
    }
    return fail(Error::would_block);
}

Result<std::size_t> Connection::peek(std::size_t offset, MutableBytes into) const {
    if (offset < unread()) return active_->recv.peek(offset, into);
    if (fin_received_) return std::size_t{0};
    if (has_error_) return fail(error_);
    return fail(Error::would_block);
}

Bytes Connection::peek() const { return active_ != nullptr ? active_->recv.peek() : Bytes{}; }

void Connection::consume(Environment& env, Instant now, std::size_t octets) {
    if (octets == 0) return;
    CHECK(octets <= unread());
    active_->recv.consume(octets);
    after_read(env, now, octets);
}

// RFC 9293 3.10.4 CLOSE, and shutdown(SHUT_WR).
Result<void> Connection::shutdown_write(Environment& env, Instant now) {
    switch (state_) {
    case State::closed:
    case State::listen: return fail(Error::not_connected);
    case State::syn_sent:
        finish(env, now, std::nullopt);
        return {};
    case State::syn_received:
    case State::established:
        fin_queued_ = true;
        if (state_ == State::established) enter(env, now, State::fin_wait_1);
        return {};
    case State::close_wait:
        fin_queued_ = true;
        enter(env, now, State::last_ack);
        return {};
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::closing:
    case State::last_ack:
    case State::time_wait: return {};
    }
    return {};
}

void Connection::close(Environment& env, Instant now) {
    if (orphan_) return;
    if (state_ != State::closed && !planted(Bug::close_ignores_unread) &&
        (unread() != 0 || (active_ != nullptr && !active_->recv.empty()))) {
        // Octets that nobody will read: the peer must learn that they are lost (SHLD-3).
        ++env.counters.TcpExt_TCPAbortOnClose;
        orphan_ = true;
        abort(env, now);
        return;
    }
    orphan_ = true;
    (void)shutdown_write(env, now);
    if (state_ == State::fin_wait_2 && misc_at_ == never)
        misc_at_ = after(now, config_->fin_wait_2);
    if (state_ == State::closed) deactivate_if_idle(env, now);
}

// RFC 9293 3.10.5 ABORT.
void Connection::abort(Environment& env, Instant now) {
    switch (state_) {
    case State::syn_received:
    case State::established:
    case State::fin_wait_1:
    case State::fin_wait_2:
    case State::close_wait: owed_.reset = true; break;
    case State::closing:
    case State::last_ack: owed_.reset = orphan_; break;
    case State::closed:
    case State::listen:
    case State::syn_sent:
    case State::time_wait: break;
    }
    finish(env, now, Error::aborted);
}

Config* Connection::own_config(Environment& env) {
    if (!own_config_) {
        Config* copy = env.configs.make(*config_);
        if (copy == nullptr) return nullptr;
        config_ = copy;
        own_config_ = true;
    }
    return const_cast<Config*>(config_);
}

void Connection::set_congestion_control(Environment& env, Instant now,
                                        const congestion::Table& to) {
    Config* config = own_config(env);
    if (config != nullptr) config->congestion_control = &to;
    if (active_ != nullptr) {
        active_->control.exchange(usable(to), now, send_mss(), rtt_.srtt());
        active_->paced = is_paced();
        note_window(env, now, event::Cause::set);
        if (active_->paced) note_pacing(env, now);
    }
}

}  // namespace estab::tcp

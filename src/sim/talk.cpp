#include "sim/talk.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace estab::sim {
namespace {

constexpr std::uint64_t header_magic = 0x6573'7461'0000'0000;

std::uint64_t key_of(std::uint32_t number, bool from_client, bool echo) {
    return 2 * std::uint64_t{number} + (from_client || echo ? 0 : 1);
}

}  // namespace

Talk::Talk(Ledger& ledger, const Client& client)
    : Actor(client.host.world()),
      ledger_(ledger),
      host_(client.host),
      is_client_(true),
      number_(client.number),
      server_(client.server),
      begin_(client.begin),
      local_port_(client.local_port),
      config_(client.config) {
    store_be64(header_, header_magic + client.number);
    reschedule();
}

Talk::Talk(Ledger& ledger, Host& host, stack::ConnectionId accepted)
    : Actor(host.world()), ledger_(ledger), host_(host), is_client_(false), id_(accepted) {
    host_.own(id_, this);
    outcome_.state = Outcome::State::talking;
    outcome_.began = outcome_.connected = outcome_.last_progress = host.world().now();
}

void Talk::on_notice(Instant now, const stack::Notification& what) {
    if (what.what.connected && outcome_.connected == Instant{}) outcome_.connected = now;
    pump(now);
}

Instant Talk::deadline() const {
    if (outcome_.state == Outcome::State::not_begun) return host_.when_clock_reads(begin_);
    if (outcome_.is_over()) return never;
    Instant at = after(outcome_.last_progress, number_ ? order().patience : Duration(3600s));
    if (read_next_ != Instant{}) at = std::min(at, read_next_);
    if (write_next_ != Instant{}) at = std::min(at, write_next_);
    return host_.when_clock_reads(at);
}

void Talk::act(Instant now) {
    now = host_.clock(now);
    if (outcome_.state == Outcome::State::not_begun) {
        connect(now);
    } else if (now >= after(outcome_.last_progress, number_ ? order().patience : Duration(3600s))) {
        host_.stack().abort(now, id_);
        end(now, Outcome::State::gave_up);
    } else {
        pump(now);
    }
    reschedule();
    host_.pump(now);
}

void Talk::connect(Instant now) {
    outcome_.state = Outcome::State::talking;
    outcome_.began = outcome_.last_progress = now;
    stack::ConnectOptions options;
    options.local_port = local_port_;
    options.config = config_;
    options.fast_open = true;  // if the config says so, too
    const auto id = host_.stack().connect(now, server_, options);
    if (!id) return fail(now, id.error());
    id_ = *id;
    host_.own(id_, this);
    if (order().nodelay) host_.stack().find(id_)->set_nodelay(true);
    write(now);
    publish();
}

void Talk::pump(Instant now) {
    while (!outcome_.is_over()) {
        const bool has_read = read(now);
        if (outcome_.is_over()) break;
        const bool has_written = write(now);
        if (outcome_.is_over() || (!has_read && !has_written)) break;
    }
    if (!outcome_.is_over()) finish(now);
    publish();
    reschedule();
}

// --- Reading

bool Talk::read(Instant now) {
    if (!is_client_ && !number_) return read_header(now);
    if (read_next_ != Instant{} && now < read_next_) return false;
    const Pace& pace = is_client_ ? order().client_reads : order().server_reads;
    if (pace.octets != 0 && read_next_ != Instant{}) read_budget_ = 0;
    read_next_ = Instant{};
    bool any = false;
    for (;;) {
        Bytes octets = host_.stack().peek(id_);
        if (octets.empty()) break;
        if (pace.octets != 0) {
            if (read_budget_ >= pace.octets) {
                read_next_ = after(now, pace.pause);
                return any;
            }
            octets = octets.first(std::min<std::size_t>(octets.size(), pace.octets - read_budget_));
            read_budget_ += static_cast<std::uint32_t>(octets.size());
        }
        check(octets);
        host_.stack().consume(now, id_, octets.size());
        progress(now);
        any = true;
        if (is_aborting()) {
            end(now, Outcome::State::aborted);
            return true;
        }
    }
    if (has_eof_) return any;
    std::uint8_t octet = 0;
    const auto result = host_.stack().read(now, id_, {&octet, 1});
    if (result && *result == 0) {
        has_eof_ = true;
        progress(now);
        return true;
    }
    if (!result && result.error() != Error::would_block && result.error() != Error::in_progress &&
        result.error() != Error::not_connected) {
        fail(now, result.error());
    }
    return any;
}

bool Talk::read_header(Instant now) {
    const auto result = host_.stack().read(
        now, id_, MutableBytes(header_).last(static_cast<std::size_t>(header_left_)));
    if (!result) {
        if (result.error() != Error::would_block) fail(now, result.error());
        return false;
    }
    if (*result == 0) {
        complain("the stream ended inside the header");
        end(now, Outcome::State::failed);
        return false;
    }
    header_left_ -= *result;
    progress(now);
    if (header_left_ != 0) return true;
    const std::uint64_t word = load_be64(header_);
    if (word - header_magic >= ledger_.entries().size()) {
        complain("a header that nobody wrote arrived");
        end(now, Outcome::State::failed);
        return false;
    }
    number_ = static_cast<std::uint32_t>(word - header_magic);
    if (ledger_[*number_].server.state != Outcome::State::not_begun) {
        // With cookies a listener remembers nothing: an old ACK that comes late opens once more.
        // So does a copy of a SYN with text (RFC 7413 6.1).
        const tcp::Config& config = host_.stack().config();
        if (!config.syn_cookies_always && config.fast_open == 0) {
            ledger_[*number_].server.complaint = "a second connection for one order";
        }
        number_.reset();
        end(now, Outcome::State::aborted);
        return false;
    }
    if (order().nodelay) host_.stack().find(id_)->set_nodelay(true);
    return true;
}

void Talk::check(Bytes octets) {
    const std::uint64_t key = key_of(*number_, !is_client_, order().echo);
    while (!octets.empty()) {
        const std::size_t run = std::min<std::size_t>(octets.size(), 65'536);
        const Bytes wanted = ledger_.pattern(key, outcome_.in).first(run);
        if (!std::equal(wanted.begin(), wanted.end(), octets.begin())) {
            complain("wrong octets between " + std::to_string(outcome_.in) + " and " +
                     std::to_string(outcome_.in + run));
        }
        outcome_.in += run;
        octets = octets.subspan(run);
    }
    if (outcome_.in > to_receive()) complain("more octets than were sent");
}

// --- Writing

std::uint64_t Talk::to_send() const {
    const Order& o = order();
    return (is_client_ || o.echo ? o.up : o.down) * o.rounds;
}

std::uint64_t Talk::to_receive() const {
    const Order& o = order();
    return (is_client_ && !o.echo ? o.down : o.up) * o.rounds;
}

std::uint64_t Talk::may_send() const {
    const Order& o = order();
    if (o.echo) return is_client_ ? to_send() : outcome_.in;
    if (o.concurrent) return to_send();
    const std::uint64_t theirs = is_client_ ? o.down : o.up, ours = is_client_ ? o.up : o.down;
    const std::uint64_t heard = theirs == 0 ? o.rounds : outcome_.in / theirs;
    return ours * std::min<std::uint64_t>(o.rounds, heard + (is_client_ ? 1 : 0));
}

bool Talk::write(Instant now) {
    if (is_shut_ || !number_) return false;
    bool any = false;
    if (is_client_ && header_left_ != 0) {
        const auto result = host_.stack().write(
            now, id_, Bytes(header_).last(static_cast<std::size_t>(header_left_)));
        if (!result) {
            if (result.error() != Error::would_block && result.error() != Error::no_memory)
                fail(now, result.error());
            return false;
        }
        header_left_ -= *result;
        any = true;
        if (header_left_ != 0) return any;
    }
    if (write_next_ != Instant{} && now < write_next_) return any;
    const Pace& pace = is_client_ ? order().client_writes : order().server_writes;
    if (write_next_ != Instant{}) write_budget_ = 0;
    write_next_ = Instant{};
    const std::uint64_t key = key_of(*number_, is_client_, order().echo);
    while (outcome_.out < may_send()) {
        std::uint64_t most = std::min<std::uint64_t>(may_send() - outcome_.out, 65'536);
        if (pace.octets != 0) {
            if (write_budget_ >= pace.octets) {
                write_next_ = after(now, pace.pause);
                break;
            }
            most = std::min<std::uint64_t>(most, pace.octets - write_budget_);
        }
        const auto result = host_.stack().write(
            now, id_, ledger_.pattern(key, outcome_.out).first(static_cast<std::size_t>(most)));
        if (!result) {
            if (result.error() == Error::no_memory) write_next_ = after(now, 100ms);  // asks again
            else if (result.error() != Error::would_block) fail(now, result.error());
            break;
        }
        outcome_.out += *result;
        write_budget_ += static_cast<std::uint32_t>(*result);
        progress(now);
        any = true;
        if (is_aborting()) {
            end(now, Outcome::State::aborted);
            return true;
        }
        if (*result < most) break;
    }
    return any;
}

// --- Ends

bool Talk::is_aborting() const {
    const std::uint64_t limit =
        is_client_ ? order().client_aborts_after : order().server_aborts_after;
    return outcome_.in + outcome_.out >= limit;
}

void Talk::finish(Instant now) {
    const tcp::Connection* connection = host_.stack().find(id_);
    if (connection == nullptr) {
        complain("the connection has gone while it was owned");
        return end(now, Outcome::State::failed);
    }
    if (connection->has_failed() && connection->unread() == 0)
        return fail(now, connection->error());
    if (!number_) return;
    const bool has_sent = outcome_.out == to_send() && (!is_client_ || header_left_ == 0);
    const bool has_received = outcome_.in == to_receive();
    if (has_eof_ && !has_received) {
        complain("the stream ended after " + std::to_string(outcome_.in) + " of " +
                 std::to_string(to_receive()) + " octets");
    }
    const Order::End how = order().end;
    if (is_client_ && has_sent && how == Order::End::close_at_once && to_receive() == 0) {
        return end(now, Outcome::State::done);
    }
    const bool is_first =
        is_client_ ? how != Order::End::server_first : how == Order::End::server_first;
    const bool may_shut =
        is_client_ && how == Order::End::half_close ? has_sent : has_sent && has_received;
    if (!is_shut_ && may_shut && (is_first || has_eof_)) {
        is_shut_ = true;
        progress(now);
        const auto result = host_.stack().shutdown_write(now, id_);
        if (!result) return fail(now, result.error());
    }
    if (is_shut_ && has_eof_) end(now, Outcome::State::done);
}

void Talk::fail(Instant now, Error error) {
    outcome_.error = error;
    end(now, Outcome::State::failed);
}

void Talk::end(Instant now, Outcome::State state) {
    if (outcome_.is_over()) return;
    outcome_.state = state;
    outcome_.ended = now;
    world().note(static_cast<std::uint64_t>(state) << 32 | number_.value_or(0));
    world().note(outcome_.in);
    if (id_.valid()) {
        if (const tcp::Connection* connection = host_.stack().find(id_))
            outcome_.limited = connection->info(now).limited;
        host_.own(id_, nullptr);
        if (state == Outcome::State::aborted) {
            host_.stack().abort(now, id_);
        } else if (state != Outcome::State::gave_up) {
            host_.stack().close(now, id_);
        }
    }
    publish();
}

void Talk::complain(std::string what) {
    if (outcome_.complaint.empty()) outcome_.complaint = std::move(what);
}

void Talk::progress(Instant now) { outcome_.last_progress = now; }

void Talk::publish() {
    if (!number_) return;
    Ledger::Entry& entry = ledger_[*number_];
    (is_client_ ? entry.client : entry.server) = outcome_;
}

// --- Servers

Server::Server(Ledger& ledger, Host& host, const stack::ListenOptions& options)
    : ledger_(ledger), host_(host) {
    const auto id = host.stack().listen(options);
    CHECK(id.has_value());
    id_ = *id;
    host.own(id_, this);
}

void Server::on_notice(Instant now, const stack::Notification&) {
    for (auto id = host_.stack().accept(id_); id; id = host_.stack().accept(id_)) {
        talks_.push_back(std::make_unique<Talk>(ledger_, host_, *id));
        talks_.back()->on_notice(now, {});
    }
}

}  // namespace estab::sim

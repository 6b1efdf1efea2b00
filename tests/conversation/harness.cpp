#include "conversation/harness.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "observe/event_text.hpp"

namespace estab::conversation {

namespace {

wire::FourTuple tuple_of(const Terms& s) {
    using wire::Address;
    if (s.v6) {
        return {{*Address::parse("2001:db8::1"), 8080}, {*Address::parse("2001:db8::2"), 40'000}};
    }
    return {{Address::v4(192, 0, 2, 1), 8080}, {Address::v4(192, 0, 2, 2), 40'000}};
}

tcp::Config config_of(const Terms& s) {
    tcp::Config c = s.config;
    if (s.cwnd != 0) c.initial_window = static_cast<std::uint32_t>(s.cwnd / s.mss);
    return c;
}

std::string name_of(Error error) {
    std::string name = to_string(error);
    std::replace(name.begin(), name.end(), ' ', '_');
    return name;
}

std::string ms_text(Duration d) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", static_cast<double>(to_us(d)) / 1000);
    return text;
}

std::string trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return std::string(text.substr(begin, text.find_last_not_of(" \t") + 1 - begin));
}

}  // namespace

Conversation::Conversation(Opening opening)
    : terms_(std::move(opening.terms)),
      machine_(config_of(terms_), tuple_of(terms_), terms_.mtu, 4096) {
    const auto ticks =
        static_cast<std::uint32_t>(start_.time_since_epoch() / machine_.config.timestamp_tick);
    ts_offset_ = terms_.ts_start - ticks;
    peer_next_ = terms_.irs;
    if (opening.begin == Begin::closed) return;
    peer_next_ = terms_.irs + 1;
    const std::uint32_t window = terms_.our_window != 0 ? terms_.our_window : 65'535;
    machine_.connection.resume(machine_.env(), now_,
                               {.iss = tcp::Seq::initial({terms_.iss}),
                                .irs = tcp::Seq::initial({terms_.irs}),
                                .peer_mss = terms_.mss,
                                .snd_shift = terms_.window_scale,
                                .rcv_shift = terms_.our_scale,
                                .scaling = terms_.window_scale != 0,
                                .sack = terms_.sack,
                                .timestamps = terms_.timestamps,
                                .ecn = terms_.ecn,
                                .ts_recent = terms_.peer_ts_start,
                                .ts_offset = ts_offset_,
                                .syn_window = std::min<std::uint32_t>(terms_.window, 65'535),
                                .rcv_window = std::min<std::uint32_t>(window, 65'535),
                                .syn_ack_sent = terms_.rtt != 0ms ? now_ - terms_.rtt : Instant{}});
    last_ts_val_ = terms_.ts_start;
    if (opening.begin == Begin::passive) return;
    line_ = "(the handshake's last ACK)";
    inject(". seq " + std::to_string(terms_.irs + 1 - theirs().seq) + " ack " +
           std::to_string(terms_.iss + 1 - ours().seq));
    after_step();
    (void)machine_.connection.take_notice();
    notice_ = {};
    while (machine_.log().front() != nullptr) machine_.log().pop();
}

Base Conversation::ours() const {
    const auto order = machine_.config.option_order;
    return terms_.absolute ? Base{0, 0, order} : Base{terms_.iss, terms_.irs, order};
}

Base Conversation::theirs() const {
    const auto order = machine_.config.option_order;
    return terms_.absolute ? Base{0, 0, order} : Base{terms_.irs, terms_.iss, order};
}

Conversation& Conversation::run(std::string_view script) {
    std::istringstream lines{std::string(script)};
    for (std::string line; !failed_ && std::getline(lines, line);) {
        line = trim(line.substr(0, line.find("//")));
        if (line.empty()) continue;
        line_ = line;
        try {
            step(line);
        } catch (const std::invalid_argument& problem) {
            complain(problem.what());
        }
    }
    line_ = "(the end of the script)";
    if (!failed_ && !outbox_.empty()) complain("was sent, and nobody expected it");
    return *this;
}

Instant Conversation::when(std::string_view word) const {
    std::size_t used = 0;
    const double value = std::stod(std::string(word.substr(1)), &used);
    const std::string_view unit = word.substr(1 + used);
    const double ns = unit == "s" ? 1e9 : unit == "us" ? 1e3 : 1e6;
    if (!unit.empty() && unit != "s" && unit != "ms" && unit != "us") {
        throw std::invalid_argument("a time is in us, ms or s");
    }
    const Duration d{static_cast<std::int64_t>(value * ns + 0.5)};
    return (word.front() == '+' ? now_ : start_) + d;
}

void Conversation::step(const std::string& line) {
    const std::size_t space = line.front() == '+' || line.front() == '@' ? line.find(' ') : 0;
    if (space == std::string::npos) throw std::invalid_argument("a time, and then?");
    if (space != 0) advance(when(std::string_view(line).substr(0, space)));
    if (failed_) return;
    const std::string rest = trim(std::string_view(line).substr(space));
    if (rest.starts_with("->")) return expect_segment(rest.substr(2));
    const std::vector<std::string> w = words(rest);
    if (w[0] == "drain") return outbox_.clear();
    const bool looks = w[0] == "state" || w[0] == "event" || w[0] == "no-event" || w[0] == "notice";
    if (!looks && !outbox_.empty()) return complain("was sent, and nobody expected it");
    if (rest.starts_with("<-")) {
        inject(rest.substr(2));
    } else if (w[0] == "app") {
        app(w);
    } else if (w[0] == "icmp") {
        icmp(w);
    } else if (w[0] == "event" || w[0] == "no-event") {
        return expect_event(w, w[0] == "event");
    } else if (w[0] == "path-mtu") {
        machine_.connection.on_path_mtu(machine_.env(), now_,
                                        static_cast<std::uint32_t>(std::stoul(w.at(1))));
    } else if (w[0] != "quiet") {
        return expect_word(w);
    }
    if (!failed_) after_step();
}

// Deadlines on the way fire when they are due, not earlier and not later.
void Conversation::advance(Instant to) {
    if (to < now_) throw std::invalid_argument("time does not go back");
    for (int turns = 0; machine_.connection.deadline() <= to; ++turns) {
        if (turns == 100'000) return complain("a deadline that never goes away");
        now_ = std::max(now_, machine_.connection.deadline());
        machine_.connection.on_deadline(machine_.env(), now_);
        after_step();
    }
    now_ = to;
}

void Conversation::after_step() {
    machine_.connection.check_invariants();
    const std::size_t before = outbox_.size();
    machine_.pull(now_, outbox_);
    for (std::size_t i = before; i < outbox_.size(); ++i) record("->", outbox_[i], ours(), now_);
    const tcp::Notice n = machine_.connection.take_notice();
    notice_.connected |= n.connected;
    notice_.readable |= n.readable;
    notice_.writable |= n.writable;
    notice_.urgent |= n.urgent;
    notice_.trouble |= n.trouble;
    notice_.closed |= n.closed;
}

void Conversation::record(const char* arrow, const Frame& frame, Base base, Instant at) {
    tcp::Segment s;
    tcp::Tcb{}.read(frame.view(), frame.ecn, s);
    s.window_field = frame.view().window();
    trace_.push_back("@" + ms_text(at - start_) + " " + arrow + " " + segment_text(s, base));
}

void Conversation::expect_segment(const std::string& text) {
    const SegmentLine wanted = SegmentLine::parse(text);
    if (outbox_.empty()) return complain("nothing was sent");
    const Frame frame = outbox_.front();
    outbox_.erase(outbox_.begin());
    tcp::Segment s;
    tcp::Tcb{}.read(frame.view(), frame.ecn, s);
    s.window_field = frame.view().window();
    if (s.options.timestamps) last_ts_val_ = s.options.timestamps->val;
    const std::string came = segment_text(s, ours());
    if (const auto difference = wanted.differs_from(s, ours()))
        return complain(*difference + " in\n  " + came);
    if (frame.at != now_) {
        return complain("it came " + ms_text(now_ - frame.at) + " ms earlier: " + came);
    }
    const std::uint32_t first = s.seq.wire().raw - terms_.iss - 1;
    const Bytes octets = frame.view().payload();
    for (std::size_t i = 0; i < octets.size(); ++i) {
        if (octets[i] != pattern(first + i))
            return complain("not the octets that were written: " + came);
    }
}

void Conversation::inject(const std::string& text) {
    SegmentLine line = SegmentLine::parse(text);
    const Base base = theirs();
    tcp::Segment s;
    const std::uint32_t from = line.seq ? *line.seq + base.seq : peer_next_;
    std::uint16_t flags = line.flags.value_or(wire::Flags::ack);
    if (line.flags && line.ack) flags |= wire::Flags::ack;
    s.flags = {flags};
    s.seq = tcp::Seq(from);
    s.ack = line.ack ? tcp::Seq(std::uint64_t{*line.ack} + base.ack)
                     : tcp::Seq(machine_.connection.tcb().snd.nxt.wire().raw);
    const bool syn = (flags & wire::Flags::syn) != 0;
    s.window_field = line.window.value_or(static_cast<std::uint16_t>(
        std::min<std::uint32_t>(terms_.window >> (syn ? 0 : terms_.window_scale), 65'535)));
    s.urgent = line.urgent.value_or(0);
    s.ecn = line.ecn.value_or(wire::Ecn::not_ect);
    s.options = line.options;
    for (std::uint8_t i = 0; i < s.options.sack_count; ++i) {
        s.options.sack[i].begin.raw += base.ack;
        s.options.sack[i].end.raw += base.ack;
    }
    const bool plain =
        !line.option_text && !s.options.timestamps && (flags & wire::Flags::rst) == 0;
    if (plain && !syn && machine_.connection.has_timestamps()) {
        s.options.timestamps = wire::Timestamps{
            terms_.peer_ts_start + static_cast<std::uint32_t>(to_ms(now_ - start_)), last_ts_val_};
    }
    const auto octets = pattern_run(from + (syn ? 1 : 0) - (terms_.irs + 1), line.payload_octets());
    s.payload.add(octets);
    const std::uint32_t end = from + static_cast<std::uint32_t>(s.length());
    if (static_cast<std::int32_t>(end - peer_next_) > 0 || syn) peer_next_ = end;
    const wire::FourTuple& t = machine_.connection.tuple();
    const Frame frame = write_frame(now_, s, {t.remote, t.local}, machine_.config.option_order);
    record("<-", frame, base, now_);
    const std::size_t before = outbox_.size();
    machine_.receive(now_, frame, outbox_);
    for (std::size_t i = before; i < outbox_.size(); ++i) record("->", outbox_[i], ours(), now_);
}

void Conversation::app(const std::vector<std::string>& w) {
    tcp::Connection& c = machine_.connection;
    tcp::Environment& env = machine_.env();
    const std::string& what = w.at(1);
    const bool on = w.size() < 3 || w[2] != "off";
    if (what == "write") {
        const std::size_t octets = std::stoul(w.at(2));
        const bool urgent = w.size() > 3 && w[3] == "urgent";
        const auto taken = machine_.write(now_, octets, urgent);
        const std::string wanted =
            w.size() > 3 && !urgent ? w.back() : w[2];  // "takes N", or an error
        const std::string came = taken ? std::to_string(*taken) : name_of(taken.error());
        if (came != wanted) complain("write: " + came);
    } else if (what == "read") {
        app_read(w);
    } else if (what == "open") {
        c.open(env, now_, {terms_.iss}, ts_offset_);
    } else if (what == "close") {
        c.close(env, now_);
    } else if (what == "shutdown") {
        (void)c.shutdown_write(env, now_);
    } else if (what == "abort") {
        c.abort(env, now_);
    } else if (what == "nodelay") {
        c.set_nodelay(on);
    } else if (what == "cork") {
        c.set_cork(on, now_);
    } else {
        throw std::invalid_argument("an application cannot '" + what + "'");
    }
}

void Conversation::app_read(const std::vector<std::string>& w) {
    const std::string& wanted = w.at(2);  // a count, "all", "eof" or an error
    const bool is_count = wanted.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t most = is_count ? std::stoul(wanted) : 1 << 20;
    std::size_t total = 0;
    Result<std::size_t> got = machine_.read(now_, most);
    while (got && *got != 0 && (total += *got) < most) got = machine_.read(now_, most - total);
    const bool good = is_count          ? total == most
                      : wanted == "all" ? total != 0
                      : wanted == "eof" ? total == 0 && got && *got == 0
                                        : total == 0 && !got && name_of(got.error()) == wanted;
    if (good) return;
    complain("read " + std::to_string(total) + " octets" +
             (got ? (*got == 0 ? ", then the end" : "") : ", then " + name_of(got.error())));
}

// icmp too_big|soft|hard seq N [mtu N]
void Conversation::icmp(const std::vector<std::string>& w) {
    using Kind = tcp::IcmpError::Kind;
    tcp::IcmpError e;
    e.kind = w.at(1) == "too_big" ? Kind::too_big : w[1] == "hard" ? Kind::hard : Kind::soft;
    e.type = 3;
    e.code = e.kind == Kind::too_big ? 4 : e.kind == Kind::hard ? 3 : 1;
    if (e.kind == Kind::hard) e.error = Error::refused;
    for (std::size_t i = 2; i + 1 < w.size(); i += 2) {
        const auto value = static_cast<std::uint32_t>(std::stoul(w[i + 1]));
        if (w[i] == "seq") e.seq.raw = value + ours().seq;
        if (w[i] == "mtu") e.mtu = value;
    }
    machine_.connection.on_icmp(machine_.env(), now_, e);
}

// The next event of that name, with those fields; what came before it is passed over.
void Conversation::expect_event(const std::vector<std::string>& w, bool wanted) {
    observe::TextBuffer text;
    std::string seen;
    for (; machine_.log().front() != nullptr; machine_.log().pop()) {
        text.clear();
        observe::add_event_text(text, *machine_.log().front());
        const std::vector<std::string> fields = words(text.view());
        seen += "\n  " + std::string(text.view());
        const bool same = std::all_of(w.begin() + 1, w.end(), [&fields](const std::string& word) {
            return std::find(fields.begin(), fields.end(), word) != fields.end();
        });
        if (!same) continue;
        machine_.log().pop();
        if (!wanted) complain("it happened:" + seen);
        return;
    }
    if (wanted) complain("it has not happened, but this:" + seen);
}

void Conversation::expect_number(const std::string& what, std::uint64_t wanted) {
    const tcp::Info i = info();
    const std::uint64_t came = what == "cwnd"        ? i.cwnd
                               : what == "ssthresh"  ? i.ssthresh
                               : what == "in-flight" ? i.in_flight
                               : what == "unread"    ? i.unread
                               : what == "rto"       ? i.rto_us / 1000
                               : what == "srtt"      ? i.rtt_us / 1000
                               : what == "mss"
                                   ? i.snd_mss
                                   : throw std::invalid_argument("what is '" + what + "'?");
    if (came != wanted) complain(what + " is " + std::to_string(came));
}

void Conversation::expect_word(const std::vector<std::string>& w) {
    const std::string& what = w[0];
    const tcp::Connection& c = machine_.connection;
    const std::string wanted = w.at(1);
    if (what == "state") {
        if (to_string(c.state()) != wanted) complain(std::string("it is ") + to_string(c.state()));
    } else if (what == "expect-error") {
        const std::string came = c.has_failed() ? name_of(c.error()) : "none";
        if (came.find(wanted) == std::string::npos) complain("the error is " + came);
    } else if (what == "timer") {
        static constexpr const char* names[] = {"off", "on", "keepalive", "timewait", "persist"};
        const std::string came = names[static_cast<std::size_t>(info().timer)];
        if (came != wanted) complain("the timer is " + came);
    } else if (what == "notice" || what == "no-notice") {
        const bool is =
            (wanted == "connected" && notice_.connected) ||
            (wanted == "readable" && notice_.readable) ||
            (wanted == "writable" && notice_.writable) || (wanted == "urgent" && notice_.urgent) ||
            (wanted == "trouble" && notice_.trouble) || (wanted == "closed" && notice_.closed);
        if (is != (what == "notice")) complain(is ? "it was told" : "it was not told");
        notice_ = {};
    } else {
        expect_number(what, std::stoull(wanted));
    }
}

void Conversation::complain(const std::string& what) {
    failed_ = true;
    std::string recent;
    for (std::size_t i = trace_.size() - std::min<std::size_t>(trace_.size(), 10);
         i < trace_.size(); ++i) {
        recent += "\n  " + trace_[i];
    }
    std::string waiting;
    for (const Frame& f : outbox_) {
        tcp::Segment s;
        tcp::Tcb{}.read(f.view(), f.ecn, s);
        s.window_field = f.view().window();
        waiting += "\n  " + segment_text(s, ours());
    }
    ADD_FAILURE() << "line:     " << line_ << "\ncame:     " << what
                  << (waiting.empty() ? "" : "\nsent and not expected:") << waiting
                  << "\nnow:      @" << ms_text(now_ - start_) << " ms, "
                  << to_string(machine_.connection.state()) << "\nlast segments:" << recent;
}

}  // namespace estab::conversation

#include "packetdrill/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <list>

#include "observe/dump.hpp"
#include "packetdrill/calls.hpp"
#include "packetdrill/flow.hpp"
#include "packetdrill/info_names.hpp"
#include "packetdrill/python.hpp"
#include "posix/tcp_info.hpp"
#include "tcp/config_fields.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace estab::packetdrill {
namespace {

// How long an outbound packet may be late before nobody waits for it any more.
constexpr Duration patience = 2s;
constexpr Duration longest = 24h;  // of a packet at any time
constexpr std::size_t conversation_max = 200;

class Failure : public std::runtime_error {
public:
    explicit Failure(const std::string& what, std::vector<std::string> more = {})
        : std::runtime_error(what), details(std::move(more)) {}
    std::vector<std::string> details;
};

std::string seconds(Duration d) {
    return fmt::format("{}{}.{:06}", d < 0s ? "-" : "", std::abs(to_us(d)) / 1'000'000,
                       std::abs(to_us(d)) % 1'000'000);
}

class Runner {
public:
    Runner(const Script& script, const RunOptions& options, const Settings& settings)
        : script_(script),
          options_(options),
          settings_(settings),
          host_({.config = settings.config,
                 .local = settings.here(),
                 .mtu = settings.interface_mtu(),
                 .offloads = settings.offloads}),
          os_(host_, {.buffer_overhead = settings.profile == "freebsd" ? 1u : 2u,
                      .implied_connect = settings.profile == "freebsd"}),
          calls_(host_, os_, settings_) {
        host_.tap = [this](Instant at, bool inbound, Bytes packet) { note(at, inbound, packet); };
        // Whoever waits to write wakes before the handshake's last ACK goes, and saves it.
        host_.before_answer = [this] {
            if (parked_ && parked_->writes) try_parked();
        };
        host_.after_turn = [this] { os_.look_at_stamps(); };
        give_keys(settings_, host_.stack());
        settings_.running = true;
    }

    ~Runner() {  // what is still open is closed without witnesses
        host_.tap = nullptr;
        host_.before_answer = nullptr;
        host_.after_turn = nullptr;
    }

    void run(Outcome& outcome) {
        for (const Event& event : script_.events) {
            outcome.at = event.at;
            step(event);
            before_ = &event;
        }
        if (parked_) {
            wait_for_parked(after(parked_->ends, tolerance_at(parked_->ends)));
            if (parked_) throw Failure("the blocking call '" + parked_->source + "' has not ended");
        }
    }
    void describe_to(Outcome& outcome) const {
        outcome.conversation = conversation_;
        outcome.printed = printed_;
        outcome.virtual_time = script_now();
    }

private:
    struct Parked {
        StartedCall call{};
        Instant begins{}, ends{};  // as the script has it
        std::string source{};
        Position at{};
        bool writes = false;       // text that was to go with a SYN
    };

    Duration script_now() const { return host_.now() - Host::start; }

    void note(Instant at, bool inbound, Bytes packet) {
        if (options_.tap) options_.tap(at - Host::start, inbound, packet);
        const auto text = printer_.line_ip(at, packet);
        std::string line = fmt::format("{} {} {}", seconds(at - Host::start), inbound ? "<" : ">",
                                       std::string(text));
        if (conversation_.size() == conversation_max) conversation_.erase(conversation_.begin());
        conversation_.push_back(std::move(line));
    }

    // --- Time

    Instant due(const Event& event) const {
        if (event.when.kind == When::Kind::absolute) return Host::start + event.when.at;
        const auto inbound = [](const Event* e) {
            const auto* p = e != nullptr ? std::get_if<Packet>(&e->what) : nullptr;
            return p != nullptr && p->inbound;
        };
        // Between inbound packets time is what the script says, else what it has become.
        const Instant from = inbound(&event) && inbound(before_) ? last_due_ : host_.now();
        return after(from, event.when.at);
    }
    Duration tolerance_at(Instant at) const {
        const Duration since = at - last_due_;
        const auto part = Duration(static_cast<std::int64_t>(static_cast<double>(since.count()) *
                                                             settings_.tolerance_percent / 100));
        return std::max(settings_.tolerance, part);
    }

    void try_parked() {
        if (!parked_ || !parked_->call.call.try_now(host_.now())) return;
        const Parked over = std::move(*parked_);
        parked_.reset();
        if (const auto wrong = over.call.check(over.call.call.result())) throw Failure(*wrong);
        const Duration late = host_.now() - over.ends;
        const Duration tolerance = tolerance_at(over.ends);
        if (late > tolerance || -late > tolerance)
            throw Failure(fmt::format("'{}' should have ended at {}, it ended at {}", over.source,
                                      seconds(over.ends - Host::start), seconds(script_now())));
    }

    // What happens by itself until then.
    void advance_to(Instant when) {
        for (std::size_t turns = 0;; ++turns) {
            if (turns == 10'000'000) throw Failure("the stack never comes to rest");
            try_parked();
            const Instant next = std::min(host_.deadline(), parked_deadline());
            if (next > when) break;
            host_.advance(next);
        }
        host_.advance(when);
        try_parked();
    }
    Instant parked_deadline() const {
        if (!parked_) return never;
        const Instant at = parked_->call.call.deadline();
        return at > host_.now() ? at : never;
    }
    void wait_for_parked(Instant until) {
        while (parked_) {
            const Instant next = std::min(host_.deadline(), parked_deadline());
            if (next > until) break;
            host_.advance(next);
            try_parked();
        }
    }

    // --- Events

    void step(const Event& event) {
        const auto* packet = std::get_if<Packet>(&event.what);
        const Instant when = event.when.kind == When::Kind::any ? host_.now() : due(event);
        if (packet != nullptr && !packet->inbound) {
            expect(event, *packet, when);
            last_due_ = event.when.kind == When::Kind::any ? host_.now() : when;
            return;
        }
        if (host_.now() > after(when, tolerance_at(when)))
            throw Failure(fmt::format("it is {} already, this was due at {}", seconds(script_now()),
                                      seconds(when - Host::start)));
        advance_to(std::max(when, host_.now()));
        if (packet != nullptr) {
            inject(event, *packet);
        } else if (const auto* call = std::get_if<CallLine>(&event.what)) {
            start(event, *call, when);
        } else if (const auto* code = std::get_if<CodeLine>(&event.what)) {
            assert_all(event, *code);
        } else if (const auto& text = std::get<CommandLine>(event.what).text;
                   asks_for_states(text)) {
            if (!pipe_succeeds(text, event.at, socket_lines()))
                throw Failure("this pipe fails: " + joined(socket_lines()));
        } else if (asks_for_counters(text)) {
            if (!pipe_succeeds(text, event.at, counter_lines()))
                throw Failure("this pipe fails: no such counter has moved");
        } else if (text.starts_with("tcpdrop")) {
            drop_connections();
        } else {
            const ShellEffect effect =
                run_shell(std::get<CommandLine>(event.what).text, event.at, settings_);
            if (effect.changed) os_.set_defaults(settings_.config);
            if (effect.changed) give_keys(settings_, host_.stack());
            if (effect.forgets_fast_open) host_.stack().forget_fast_open();
            advance_to(after(host_.now(), effect.sleeps));
        }
        last_due_ = when;
    }

    // What nstat would print: the counters that have moved since it was asked last.
    std::vector<std::string> counter_lines() {
        const event::Counters& is = host_.stack().counters();
        std::vector<std::string> lines;
#define ESTAB_COUNTER_LINE(group, name)                                                        \
    if (is.group##_##name != counted_.group##_##name)                                          \
        lines.push_back(                                                                       \
            fmt::format(#group #name " {}", is.group##_##name - counted_.group##_##name));
        ESTAB_COUNTERS(ESTAB_COUNTER_LINE)
#undef ESTAB_COUNTER_LINE
        counted_ = is;
        return lines;
    }

    // What sockstat would print: who, and the state; half-open ones belong to nobody.
    std::vector<std::string> socket_lines() {
        std::vector<std::string> lines;
        for (int fd = 3; fd < 3 + 1024; ++fd) {
            const posix::Socket* s = os_.find(fd);
            if (s == nullptr) continue;
            const auto* c = os_.connection(fd);
            const bool listens = s->state == posix::Socket::State::listening;
            // As /proc/net/tcp has it: addresses, ports and the state in hex.
            lines.push_back(fmt::format(
                "0: 00000000:{:04X} 00000000:{:04X} {:02X} ", s->bound.port, s->peer.port,
                listens ? 10 : c == nullptr ? 7 : posix::linux_state(c->state())));
            lines.push_back("packetdrill " + std::string(listens        ? "LISTEN"
                                                         : c == nullptr ? "CLOSED"
                                                                        : bsd_state(c->state())));
        }
        for (const stack::Row& row : host_.stack().table(host_.now())) {
            if (row.state == tcp::State::syn_received && !row.id.valid())
                lines.push_back("? SYN_RCVD");
        }
        return lines;
    }
    static std::string_view bsd_state(tcp::State state) {
        switch (state) {
        case tcp::State::closed: return "CLOSED";
        case tcp::State::listen: return "LISTEN";
        case tcp::State::syn_sent: return "SYN_SENT";
        case tcp::State::syn_received: return "SYN_RCVD";
        case tcp::State::established: return "ESTABLISHED";
        case tcp::State::fin_wait_1: return "FIN_WAIT_1";
        case tcp::State::fin_wait_2: return "FIN_WAIT_2";
        case tcp::State::close_wait: return "CLOSE_WAIT";
        case tcp::State::closing: return "CLOSING";
        case tcp::State::last_ack: return "LAST_ACK";
        case tcp::State::time_wait: return "TIME_WAIT";
        }
        return "CLOSED";
    }
    static std::string joined(const std::vector<std::string>& lines) {
        return lines.empty() ? "there is no socket"
                             : fmt::format("there are {}", fmt::join(lines, ", "));
    }
    void drop_connections() {
        for (const stack::Row& row : host_.stack().table(host_.now()))
            if (row.id.valid()) host_.stack().abort(host_.now(), row.id);
        host_.speak();
    }

    void start(const Event& event, const CallLine& line, Instant when) {
        if (parked_) {  // one at a time
            wait_for_parked(after(parked_->ends, patience));
            if (parked_) throw Failure("the blocking call '" + parked_->source + "' has not ended");
        }
        StartedCall started = calls_.start(line, event.at);
        host_.speak();
        if (started.call.try_now(host_.now())) {
            host_.speak();
            if (const auto wrong = started.check(started.call.result())) {
                if (!settings_.calls_may_fail) throw Failure(*wrong);
                printed_ += fmt::format("line {}: {}\n", event.at.line, *wrong);
            }
            if (event.when.ends && *event.when.ends - event.when.at > settings_.tolerance)
                throw Failure("this call should have waited, it ended at once");
            learn_flow(line);
            return;
        }
        if (!event.when.ends) throw Failure("this call blocks, and the script does not say so");
        learn_flow(line);
        const Instant ends = event.when.kind == When::Kind::absolute
                                 ? Host::start + *event.when.ends
                                 : after(when, *event.when.ends - event.when.at);
        const auto* c = os_.connection(calls_.under_test());
        const bool opens = c != nullptr && c->state() == tcp::State::syn_sent;
        const bool writes = line.name.starts_with("send") || line.name.starts_with("write");
        parked_ = Parked{std::move(started), when, ends, event.source, event.at, opens && writes};
    }

    void assert_all(const Event& event, const CodeLine& code) {
        const int fd = descriptor_of(flow_);
        fill_info_names(os_, fd, host_.now(), names_);
        if (const auto failed = run_python(code.text, event.at, names_, printed_))
            throw Failure(*failed);
    }

    // --- Flows

    int descriptor_of(const Flow* flow) const {
        if (flow == nullptr) return calls_.under_test();
        for (int fd = 3; fd < 3 + 1024; ++fd) {
            const auto* c = os_.connection(fd);
            if (c != nullptr && c->tuple() == flow->tuple) return fd;
        }
        return -1;
    }

    // connect(), or a first write that it has waited for (TCP Fast Open), has drawn a port: its
    // flow begins.
    void learn_flow(const CallLine& line) {
        if (line.name == "socket" || line.name == "listen") flow_ = nullptr;
        const auto* c = os_.connection(calls_.under_test());
        if (c == nullptr || !c->active_open()) return;
        for (Flow& f : flows_) {
            if (f.tuple == c->tuple()) {
                if (line.name == "connect") flow_ = &f;
                return;
            }
        }
        flow_ = &flows_.emplace_back();
        flow_->tuple = c->tuple();
    }

    Flow& flow_for(const Packet& line, bool begins) {
        const auto* tcp = std::get_if<TcpLine>(&line.layer);
        std::optional<Ports> ports = tcp != nullptr ? tcp->ports : std::nullopt;
        if (ports && !line.inbound) std::swap(ports->source, ports->destination);
        if (ports) {
            for (Flow& f : flows_) {
                if (f.script_ports && f.script_ports->source == ports->source &&
                    f.script_ports->destination == ports->destination) {
                    return *(flow_ = &f);
                }
            }
        }
        if (flow_ != nullptr && (!ports || !flow_->script_ports)) {
            if (ports) flow_->script_ports = ports;
            return *flow_;
        }
        if (!begins && !line.inbound) throw Failure("no packet has come in yet to be answered");
        Flow& f = flows_.emplace_back();
        const auto* listener = os_.find(calls_.under_test());
        const bool bound = listener != nullptr && listener->bound.port != 0;
        f.tuple.local = {settings_.here(), bound ? listener->bound.port : settings_.bind_port};
        f.tuple.remote = {settings_.there(), static_cast<std::uint16_t>(50'000 + flows_.size())};
        f.script_ports = ports;
        if (ports) {
            f.tuple.remote.port = ports->source;
            f.tuple.local.port = ports->destination;
        }
        return *(flow_ = &f);
    }

    // --- Packets

    void inject(const Event& event, const Packet& line) {
        if (!line.unsupported.empty()) throw Skip("a packet with " + line.unsupported);
        if (std::holds_alternative<UdpLine>(line.layer)) throw Skip("UDP packets");
        Flow& flow = flow_for(line, true);
        constexpr std::uint16_t syn_fin = wire::Flags::syn | wire::Flags::fin;
        const auto* segment = std::get_if<TcpLine>(&line.layer);
        if (settings_.drop_syn_fin && segment != nullptr && (segment->flags & syn_fin) == syn_fin)
            return;
        if (const auto* tcp = std::get_if<TcpLine>(&line.layer)) {
            const bool syn = (tcp->flags & wire::Flags::syn) != 0;
            // FreeBSD's dialect: where a socket is bound and nobody listens, a SYN begins nothing,
            // and the numbers of what answers it are as they are.
            const posix::Socket* socket = os_.find(calls_.under_test());
            const bool begins = settings_.profile != "freebsd" || socket == nullptr ||
                                socket->state != posix::Socket::State::fresh;
            if (syn && !flow.theirs.known && begins)
                flow.theirs = {.script = tcp->seq, .live = tcp->seq, .known = true};
        }
        host_.inject(make_packet(line, event.at, flow, settings_), settings_.gso_size);
        try_parked();
    }

    // The next packet of the flow, if it comes until then.
    std::optional<LivePacket> next_packet(const Flow& flow, Instant until) {
        for (;;) {
            while (!host_.sent().empty()) {
                Sent sent = std::move(host_.sent().front());
                host_.sent().pop_front();
                const auto udp = unwrap(sent.packet);
                const auto ip = wire::IpPacket::parse(sent.packet);
                if (!ip || !belongs(flow, *ip)) continue;
                return LivePacket{.at = sent.at, .bytes = std::move(sent.packet), .udp = udp};
            }
            try_parked();
            if (!host_.sent().empty()) continue;
            const Instant next = std::min(host_.deadline(), parked_deadline());
            if (next > until || next == never) return {};
            host_.advance(next);
        }
    }
    // A segment that goes in a datagram, as if it went alone; what the datagram's ports were.
    std::optional<Ports> unwrap(std::vector<std::uint8_t>& packet) const {
        const auto ip = wire::IpPacket::parse(packet);
        if (settings_.config.udp_tunnel_port == 0 || !ip || ip->protocol != wire::protocol_udp)
            return {};
        const auto udp = wire::UdpView::parse(ip->payload);
        if (!udp || udp->source_port() != settings_.config.udp_tunnel_port) return {};
        const Ports ports{udp->source_port(), udp->destination_port()};
        const Bytes text = udp->payload();
        const std::size_t header = wire::ip_header_bytes(ip->source.is_v4());
        std::vector<std::uint8_t> alone(header + text.size());
        wire::write_ip(alone, {.source = ip->source,
                               .destination = ip->destination,
                               .protocol = wire::protocol_tcp,
                               .hop_limit = ip->hop_limit,
                               .dscp = ip->dscp,
                               .ecn = ip->ecn,
                               .flow_label = ip->flow_label,
                               .payload_bytes = static_cast<std::uint32_t>(text.size())});
        std::copy(text.begin(), text.end(), alone.begin() + static_cast<std::ptrdiff_t>(header));
        packet = std::move(alone);
        return ports;
    }
    static bool belongs(const Flow& flow, const wire::IpPacket& ip) {
        if (ip.destination != flow.tuple.remote.address) return false;
        const auto tcp = ip.protocol == wire::protocol_tcp ? wire::TcpView::parse(ip.payload)
                                                           : fail(Error::malformed);
        if (ip.protocol != wire::protocol_tcp) return true;
        return tcp && tcp->source_port() == flow.tuple.local.port &&
               tcp->destination_port() == flow.tuple.remote.port;
    }

    // As the original does: small segments make up the script's large one, never the reverse.
    void merge(LivePacket& packet, const Packet& line, const Flow& flow) {
        const auto* wanted = std::get_if<TcpLine>(&line.layer);
        if (wanted == nullptr || settings_.strict_segments) return;
        const auto view_of = [](const std::vector<std::uint8_t>& bytes) {
            return wire::TcpView::parse(wire::IpPacket::parse(bytes)->payload);
        };
        const auto first = view_of(packet.bytes);
        if (!first || first->payload().empty()) return;
        const std::size_t size = first->payload().size();
        std::size_t length = size;
        std::uint32_t next = first->seq().raw + static_cast<std::uint32_t>(size);
        bool last_was_small = false;
        while (length < wanted->length && !last_was_small && !host_.sent().empty()) {
            Sent& more = host_.sent().front();
            (void)unwrap(more.packet);
            const auto ip = wire::IpPacket::parse(more.packet);
            if (!ip || !belongs(flow, *ip)) {
                host_.sent().pop_front();
                continue;
            }
            const auto tcp = ip->protocol == wire::protocol_tcp ? wire::TcpView::parse(ip->payload)
                                                                : fail(Error::malformed);
            if (!tcp || tcp->seq().raw != next || tcp->payload().empty() ||
                tcp->payload().size() > size || length + tcp->payload().size() > wanted->length)
                return;
            last_was_small = tcp->payload().size() < size;
            length += tcp->payload().size();
            next += static_cast<std::uint32_t>(tcp->payload().size());
            packet.at = more.at;
            packet.merged.push_back(more.packet);
            host_.sent().pop_front();
        }
    }

    void expect(const Event& event, const Packet& line, Instant when) {
        if (!line.unsupported.empty()) throw Skip("a packet with " + line.unsupported);
        if (std::holds_alternative<UdpLine>(line.layer)) throw Skip("UDP packets");
        const bool any = event.when.kind == When::Kind::any;
        const Duration tolerance = any ? 0ns : tolerance_at(when);
        Instant last = when;
        if (event.when.until) last = when + (*event.when.until - event.when.at);
        const Instant until = any ? after(host_.now(), longest) : after(last, patience);
        Flow& flow = flow_for(line, false);
        auto packet = next_packet(flow, until);
        if (!packet) {
            if (!any) advance_to(std::max(host_.now(), when));
            throw Failure(fmt::format("no packet came until {}", seconds(until - Host::start)),
                          {"expected  " + describe(line)});
        }
        merge(*packet, line, flow);
        std::vector<std::string> wrong = compare(line, *packet, flow, settings_);
        if (!any && (packet->at < when - tolerance || packet->at > last + tolerance)) {
            const std::string range =
                event.when.until ? " to " + seconds(last - Host::start) : std::string();
            wrong.push_back(fmt::format("time: {}{} (±{}) expected, {} came",
                                        seconds(when - Host::start), range, seconds(tolerance),
                                        seconds(packet->at - Host::start)));
        }
        // A SYN-ACK that answers a new SYN begins a new incarnation of the numbers.
        if (wrong.empty()) return;
        std::vector<std::string> details = {"expected  " + describe(line),
                                            "came      " + describe(packet->bytes, flow)};
        if (!packet->merged.empty())
            details.back() += fmt::format("  and {} more of its burst", packet->merged.size());
        for (std::string& w : wrong) details.push_back("  " + std::move(w));
        throw Failure(fmt::format("this packet differs: {}", trimmed(details[2])), details);
    }
    static std::string trimmed(const std::string& text) {
        return text.substr(std::min(text.find_first_not_of(' '), text.size()));
    }

    const Script& script_;
    const RunOptions& options_;
    Settings settings_;
    Host host_;
    posix::Sockets os_;
    Calls calls_;
    std::list<Flow> flows_;
    Flow* flow_ = nullptr;
    const Event* before_ = nullptr;
    Instant last_due_ = Host::start;
    std::optional<Parked> parked_;
    PythonNames names_;
    std::string printed_;
    event::Counters counted_{};
    observe::SegmentPrinter printer_{{.time = observe::DumpTime::none}};
    std::vector<std::string> conversation_;
};

Settings prepare(const Script& script, const RunOptions& options) {
    auto settings = settings_of(options.profile);
    if (!settings) throw std::runtime_error("unknown profile '" + options.profile + "'");
    settings->read_file = options.read_file;
    for (const ScriptOption& option : script.options) {
        const bool overridden = std::ranges::any_of(
            options.options, [&](const ScriptOption& o) { return o.name == option.name; });
        if (!overridden) apply_option(*settings, option);
    }
    for (const ScriptOption& option : options.options) apply_option(*settings, option);
    for (const std::string& path : settings->init_scripts) {
        const auto text = options.read_file ? options.read_file(path) : std::nullopt;
        if (!text) throw ScriptError({}, "init script '" + path + "' cannot be read");
        run_shell(*text, {}, *settings);
    }
    if (script.before) run_shell(script.before->text, script.before_at, *settings);
    // What is set before anything happens is there first.
    for (const Event& event : script.events) {
        const auto* command = std::get_if<CommandLine>(&event.what);
        if (command == nullptr || !command->text.starts_with("sysctl")) break;
        run_shell(command->text, event.at, *settings);
    }
    for (const std::string& assignment : options.set) {
        const auto set = tcp::set_config(settings->config, assignment);
        if (!set) throw std::runtime_error(set.error());
    }
    return *settings;
}

}  // namespace

std::string_view to_string(Outcome::Result result) {
    switch (result) {
    case Outcome::Result::pass: return "pass";
    case Outcome::Result::fail: return "fail";
    case Outcome::Result::skip: return "skip";
    case Outcome::Result::error: return "error";
    }
    return "error";
}

Outcome run(std::string_view text, const RunOptions& options) {
    Outcome outcome;
    Script script;
    std::optional<Runner> runner;
    const auto ends = [&outcome](Outcome::Result result, const std::string& message) {
        outcome.result = result;
        outcome.message = message;
    };
    try {
        std::vector<Define> defines = options.defines;
        if (options.profile == "freebsd") defines.push_back({"FreeBSD", ""});
        script = parse(text, defines);
        const Settings settings = prepare(script, options);
        runner.emplace(script, options, settings);
        runner->run(outcome);
    } catch (const ScriptError& e) {
        outcome.at = e.at();
        ends(Outcome::Result::error, e.what());
    } catch (const Skip& e) {
        ends(Outcome::Result::skip, e.what());
    } catch (const Failure& e) {
        outcome.details = e.details;
        ends(Outcome::Result::fail, e.what());
    } catch (const std::exception& e) {
        ends(Outcome::Result::error, e.what());
    }
    if (runner) runner->describe_to(outcome);
    return outcome;
}

}  // namespace estab::packetdrill

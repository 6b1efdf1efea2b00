#include "sim/service.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace estab::sim {
namespace {

constexpr std::string_view line =
    "These octets were made for you by a server that is nowhere.\r\n";
constexpr std::size_t lines = 1024;
constexpr Duration memory_patience = 100ms;

Bytes bytes_of(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bool is_same_word(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

struct Request {
    std::string_view method, target;
    std::uint64_t body = 0;
    bool is_sound = false, closes = false, waits_for_continue = false, is_chunked = false;
};

// RFC 9112 2.1, as far as it is needed here.
Request parse(std::string_view head) {
    Request request;
    const std::string_view first = head.substr(0, head.find("\r\n"));
    const std::size_t one = first.find(' '), two = first.rfind(' ');
    if (one == first.npos || two == one || !first.substr(two + 1).starts_with("HTTP/1."))
        return request;
    request.method = first.substr(0, one);
    request.target = first.substr(one + 1, two - one - 1);
    request.closes = first.ends_with("HTTP/1.0");
    request.is_sound = true;
    for (std::string_view rest = head.substr(first.size()); rest.size() > 2;) {
        rest.remove_prefix(2);
        const std::string_view field = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(field.size());
        const std::size_t colon = field.find(':');
        if (colon == field.npos) continue;
        const std::string_view name = field.substr(0, colon);
        std::string_view value = field.substr(colon + 1);
        while (value.starts_with(' ')) value.remove_prefix(1);
        if (is_same_word(name, "content-length")) {
            const auto size = number(value);
            request.is_sound = request.is_sound && size;
            request.body = size.value_or(0);
        } else if (is_same_word(name, "connection")) {
            request.closes = request.closes || is_same_word(value, "close");
        } else if (is_same_word(name, "expect")) {
            request.waits_for_continue = is_same_word(value, "100-continue");
        } else if (is_same_word(name, "transfer-encoding")) {
            request.is_chunked = true;
        }
    }
    return request;
}

}  // namespace

// One connection: what is asked, one answer at a time.
class Service::Session final : public Owner, public Actor {
public:
    Session(Service& service, stack::ConnectionId id)
        : Actor(service.host_.world()), service_(service), host_(service.host_), id_(id) {
        host_.own(id_, this);
        served_.began = world().now();
        if (const tcp::Connection* c = connection()) served_.tuple = c->tuple();
        if (plan().app == ServicePlan::App::bulk) answer({}, plan().octets, true);
    }

    void on_notice(Instant now, const stack::Notification&) override { pump(now); }
    Instant deadline() const override { return is_over_ ? never : wake_; }
    void act(Instant now) override {
        wake_ = never;
        pump(now);
        host_.pump(now);
    }
    bool is_over() const { return is_over_; }
    void reset(Instant now) {
        host_.stack().abort(now, id_);
        served_.is_broken = true;
        end(now);
        reschedule();
    }
    Served served() const {
        Served now = served_;
        now.is_open = true;
        now.ended = world().now();
        if (const tcp::Connection* c = connection()) now.info = c->info(now.ended);
        return now;
    }

    void pump(Instant now) {
        for (bool more = true; more && !is_over_;) {
            more = write(now);
            more = read(now) || more;
        }
        if (!is_over_) look_for_end(now);
        reschedule();
    }

private:
    const ServicePlan& plan() const { return service_.plan_; }
    tcp::Connection* connection() const { return host_.stack().find(id_); }
    bool is_answering() const { return !head_out_.empty() || left_ != 0; }

    void answer(std::string head, std::uint64_t octets, bool is_last) {
        head_out_ = std::move(head);
        size_ = left_ = octets;
        ends_then_ = is_last;
        answers_at_ = after(world().now(), plan().pause);
    }

    // --- What comes
    bool read(Instant now) {
        bool any = false;
        while (!is_answering() && !ends_then_) {
            const Bytes octets = host_.stack().peek(id_);
            if (octets.empty()) break;
            const std::size_t taken = take(now, octets);
            if (taken == 0) return any;
            host_.stack().consume(now, id_, taken);
            served_.in += taken;
            any = true;
        }
        return any;
    }

    std::size_t take(Instant now, Bytes octets) {
        switch (plan().app) {
        case ServicePlan::App::echo: {
            const auto sent = host_.stack().write(now, id_, octets);
            if (!sent && sent.error() == Error::no_memory) wake_ = after(now, memory_patience);
            served_.out += sent ? *sent : 0;
            return sent ? *sent : 0;
        }
        case ServicePlan::App::requests: {
            const std::uint64_t missing = plan().request - asked_;
            const auto taken =
                static_cast<std::size_t>(std::min<std::uint64_t>(missing, octets.size()));
            asked_ += taken;
            if (asked_ < plan().request) return taken;
            asked_ = 0;
            answer({}, plan().octets, false);
            return taken;
        }
        case ServicePlan::App::http: return take_http(now, octets);
        case ServicePlan::App::discard:
        case ServicePlan::App::bulk: break;
        }
        return octets.size();
    }

    std::size_t take_http(Instant now, Bytes octets) {
        if (body_left_ != 0) {
            const auto taken =
                static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, octets.size()));
            body_left_ -= taken;
            if (body_left_ == 0) answer_http();
            return taken;
        }
        const std::size_t before = head_in_.size();
        head_in_.append(reinterpret_cast<const char*>(octets.data()), octets.size());
        const std::size_t end = head_in_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == head_in_.npos) {
            if (head_in_.size() > head_bytes_max) refuse(431);
            return octets.size();
        }
        head_in_.resize(end + 2);
        const Request request = parse(head_in_);
        if (!request.is_sound) {
            refuse(400);
        } else if (request.is_chunked) {
            refuse(411);
        } else {
            is_get_ = request.method == "GET";
            is_head_ = request.method == "HEAD";
            closes_ = request.closes;
            const std::string_view last = request.target.substr(request.target.rfind('/') + 1);
            wanted_ = number(last).value_or(plan().octets);
            body_ = body_left_ = request.body;
            constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            if (request.waits_for_continue && body_left_ != 0)
                (void)host_.stack().write(now, id_, bytes_of(go_on));
            if (body_left_ == 0) answer_http();
        }
        head_in_.clear();
        return end + 4 - before;
    }

    void refuse(std::uint16_t status) {
        const std::string code = std::to_string(status);
        answer("HTTP/1.1 " + code + " \r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 0, true);
        head_in_.clear();
    }

    void answer_http() {
        std::string text;
        if (!is_get_ && !is_head_) text = std::to_string(body_) + " octets came\n";
        const std::uint64_t size = text.empty() ? wanted_ : text.size();
        const std::string code = std::to_string(plan().status);
        std::string head = "HTTP/1.1 " + code + (plan().status == 200 ? " OK" : " ") +
                           "\r\nServer: estab\r\nContent-Type: text/plain\r\nContent-Length: " +
                           std::to_string(size) + "\r\n" +
                           (closes_ ? "Connection: close\r\n\r\n" : "\r\n") + text;
        answer(std::move(head), text.empty() && !is_head_ ? size : 0, closes_);
    }

    // --- What goes
    bool write(Instant now) {
        if (!is_answering()) return false;
        if (now < answers_at_) {
            wake_ = answers_at_;
            return false;
        }
        bool any = false;
        while (is_answering()) {
            const Bytes octets = next_octets();
            const auto sent = host_.stack().write(now, id_, octets);
            if (!sent && sent.error() == Error::no_memory) wake_ = after(now, memory_patience);
            if (!sent) break;
            if (head_out_.empty()) left_ -= *sent;
            else head_out_.erase(0, *sent);
            served_.out += *sent;
            any = true;
            if (*sent < octets.size()) break;
        }
        return any;
    }

    Bytes next_octets() const {
        if (!head_out_.empty()) return bytes_of(head_out_);
        const std::string_view text(service_.text_);
        const auto at = static_cast<std::size_t>((size_ - left_) % line.size());
        return bytes_of(text.substr(at, static_cast<std::size_t>(
                                            std::min<std::uint64_t>(left_, text.size() - at))));
    }

    // --- How it ends
    void look_for_end(Instant now) {
        const tcp::Connection* c = connection();
        if (c == nullptr || (c->has_failed() && c->unread() == 0)) {
            served_.is_broken = true;
            return end(now);
        }
        std::uint8_t octet = 0;
        if (host_.stack().peek(id_).empty()) {
            const auto result = host_.stack().read(now, id_, {&octet, 1});
            has_eof_ = has_eof_ || (result && *result == 0);
        }
        if (is_answering() || !(has_eof_ || ends_then_)) return;
        if (!std::exchange(is_shut_, true)) (void)host_.stack().shutdown_write(now, id_);
        // After its own FIN a server listens on, so that what is still on its way is no reset.
        if (ends_then_ && !has_eof_) return drain(now);
        end(now);
    }

    void drain(Instant now) {
        for (Bytes octets = host_.stack().peek(id_); !octets.empty();
             octets = host_.stack().peek(id_))
            host_.stack().consume(now, id_, octets.size());
    }

    void end(Instant now) {
        is_over_ = true;
        served_.ended = now;
        if (const tcp::Connection* c = connection()) served_.info = c->info(now);
        host_.own(id_, nullptr);
        host_.stack().close(now, id_);
        if (service_.on_ended_) service_.on_ended_(served_);
    }

    Service& service_;
    Host& host_;
    stack::ConnectionId id_;
    Served served_;
    std::string head_in_, head_out_;
    std::uint64_t asked_ = 0, body_ = 0, body_left_ = 0, wanted_ = 0;
    std::uint64_t size_ = 0, left_ = 0;  // of the answer, behind its head
    Instant answers_at_{}, wake_ = never;
    bool is_get_ = false, is_head_ = false, closes_ = false;
    bool ends_then_ = false, is_shut_ = false, has_eof_ = false, is_over_ = false;
};

Service::Service(Host& host, const ServicePlan& plan, OnEnded on_ended)
    : host_(host), plan_(plan), on_ended_(std::move(on_ended)) {
    for (std::size_t i = 0; i < lines; ++i) text_ += line;
}

Service::~Service() = default;

std::unique_ptr<Service> Service::start(Host& host, const ServicePlan& plan, OnEnded on_ended) {
    const auto id = host.stack().listen({.port = plan.port});
    if (!id) return nullptr;
    std::unique_ptr<Service> service(new Service(host, plan, std::move(on_ended)));
    service->id_ = *id;
    host.own(*id, service.get());
    return service;
}

void Service::on_notice(Instant now, const stack::Notification&) {
    std::erase_if(sessions_, [](const auto& session) { return session->is_over(); });
    for (auto id = host_.stack().accept(id_); id; id = host_.stack().accept(id_)) {
        sessions_.push_back(std::make_unique<Session>(*this, *id));
        sessions_.back()->pump(now);
    }
}

void Service::reset_all(Instant now) {
    for (const auto& session : sessions_)
        if (!session->is_over()) session->reset(now);
    host_.pump(now);
}

void Service::each_open(const OnEnded& visit) const {
    for (const auto& session : sessions_)
        if (!session->is_over()) visit(session->served());
}

}  // namespace estab::sim

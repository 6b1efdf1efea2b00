#include "cli/metrics.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <iterator>

#include "cli/command.hpp"
#include "cli/lane_counts.hpp"
#include "cli/publish.hpp"
#include "cli/relay.hpp"

namespace estab::cli {
namespace {

namespace beast = boost::beast::http;
using socket::Task;

constexpr std::size_t request_bytes_max = 8192;
constexpr Duration patience = 5s;       // for a request
constexpr std::size_t clients_max = 16;  // beyond: closed at once

class Text {
public:
    // Samples of one family follow its head.
    void family(std::string_view name, std::string_view type, std::string_view help) {
        fmt::format_to(std::back_inserter(text_), "# TYPE estab_{} {}\n# HELP estab_{} {}.\n", name,
                       type, name, help);
    }
    void sample(std::string_view name, std::string_view labels, std::uint64_t value) {
        fmt::format_to(std::back_inserter(text_), "estab_{}{} {}\n", name, labels, value);
    }
    std::string finish() {
        text_ += "# EOF\n";
        return std::move(text_);
    }

private:
    std::string text_;
};

void add_forwarded(Text& text, const MetricsOf& of) {
    const Totals& t = of.totals;
    text.family("forwarded_open", "gauge", "Connections that are carried now");
    text.sample("forwarded_open", "", of.open);
    text.family("forwarded_connections", "counter", "Connections by what became of them");
    text.sample("forwarded_connections_total", R"({outcome="connected"})", t.connections);
    text.sample("forwarded_connections_total", R"({outcome="refused"})", t.refused);
    text.sample("forwarded_connections_total", R"({outcome="denied"})", of.gate.denied());
    text.family("forwarded_bytes", "counter", "Octets of TCP, up from the command");
    text.sample("forwarded_bytes_total", R"({way="up"})", t.up);
    text.sample("forwarded_bytes_total", R"({way="down"})", t.down);
}

void add_link(Text& text, const link::PathLanes& lanes) {
    const std::pair<const char*, const link::Lane*> ways[] = {{"up", &lanes.down()},
                                                              {"down", &lanes.up()}};
    text.family("link_packets", "counter", "Packets on the link, up from the command");
    const auto sample = [&](const char* family, const char* way, const char* what,
                            std::uint64_t value) {
        text.sample(family, fmt::format(R"({{way="{}",what="{}"}})", way, what), value);
    };
    for (const auto& [way, lane] : ways) {
        sample("link_packets_total", way, "entered", lane->counters().entered);
        for (const auto& [what, count] : lane_counts(lane->counters()))
            sample("link_packets_total", way, what, count);
    }
    text.family("link_bytes", "counter", "Octets of packets on the link, up from the command");
    for (const auto& [way, lane] : ways) {
        sample("link_bytes_total", way, "entered", lane->counters().entered_bytes);
        sample("link_bytes_total", way, "delivered", lane->counters().left_bytes);
    }
    text.family("link_queued_bytes", "gauge", "Octets that wait in front of the rate");
    for (const auto& [way, lane] : ways)
        text.sample("link_queued_bytes", fmt::format(R"({{way="{}"}})", way), lane->queued_bytes());
}

// CurrEstab goes up and down, the others only up.
void add_counters(Text& text, const event::Counters& c) {
    const auto add = [&](std::string_view group, std::string_view name, std::uint64_t value) {
        const bool is_gauge = name == "CurrEstab" || name == "TWCurr";
        const std::string full = fmt::format("{}_{}", group, name);
        text.family(full, is_gauge ? "gauge" : "counter", "As the kernel counts under this name");
        text.sample(full + (is_gauge ? "" : "_total"), "", value);
    };
#define ESTAB_COUNTER_METRIC(group, name) add(#group, #name, c.group##_##name);
    ESTAB_COUNTERS(ESTAB_COUNTER_METRIC)
#undef ESTAB_COUNTER_METRIC
}

std::string answer(beast::status status, std::string_view type, const std::string& body) {
    return fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        static_cast<unsigned>(status), std::string(beast::obsolete_reason(status)), type,
        body.size(), body);
}

std::string answer_to(const beast::request_parser<beast::empty_body>& request, bool is_whole,
                      const std::function<std::string()>& text) {
    const auto plain = [](beast::status status, const char* body) {
        return answer(status, "text/plain; charset=utf-8", body);
    };
    if (!is_whole) return plain(beast::status::bad_request, "this is not HTTP\n");
    if (request.get().method() != beast::verb::get)
        return plain(beast::status::method_not_allowed, "only GET\n");
    const auto target = request.get().target();
    if (target != "/metrics" && target != "/")
        return plain(beast::status::not_found, "it is /metrics\n");
    return answer(beast::status::ok, "application/openmetrics-text; version=1.0.0; charset=utf-8",
                  text());
}

Task<> serve_one(runtime::Reactor& reactor, drivers::Fd fd,
                 std::shared_ptr<std::function<std::string()>> text,
                 std::shared_ptr<int> /* a place among clients_max */) {
    Descriptor client(reactor, std::move(fd));
    const Instant deadline = after(reactor.now(), patience);
    beast::request_parser<beast::empty_body> parser;
    parser.header_limit(request_bytes_max);
    std::string received;
    boost::system::error_code error;
    while (!parser.is_header_done() && received.size() < request_bytes_max) {
        char buffer[1024];
        const ssize_t n = ::recv(client.fd(), buffer, sizeof buffer, 0);
        if (n < 0 && errno == EAGAIN) {
            if (!co_await client.readable(deadline)) co_return;
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) co_return;
        received.append(buffer, static_cast<std::size_t>(n));
        const std::size_t used = parser.put(boost::asio::buffer(received), error);
        received.erase(0, used);
        if (error && error != beast::error::need_more) break;
    }
    const std::string reply = answer_to(parser, parser.is_header_done(), *text);
    Bytes left(reinterpret_cast<const std::uint8_t*>(reply.data()), reply.size());
    Duration waited{};
    (void)co_await send_all(client, left, waited);
}

Task<> serve_all(runtime::Reactor& reactor, drivers::Fd listening,
                 std::shared_ptr<std::function<std::string()>> text) {
    Descriptor listener(reactor, std::move(listening));
    const auto places = std::make_shared<int>(0);
    for (;;) {
        drivers::Fd client = co_await accept_kernel(listener, never);
        if (static_cast<std::size_t>(places.use_count()) > clients_max) continue;
        socket::spawn(reactor, serve_one(reactor, std::move(client), text, places));
    }
}

}  // namespace

wire::Endpoint parse_metrics_address(std::string_view text) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint)
        throw UsageError(fmt::format(
            "--metrics: '{}' is not [ADDR:]PORT (example: 127.0.0.1:9100)", text));
    return *endpoint;
}

std::string metrics_text(const MetricsOf& of) {
    Text text;
    add_forwarded(text, of);
    if (of.lanes != nullptr) add_link(text, *of.lanes);
    add_counters(text, of.stack.counters());
    return text.finish();
}

wire::Endpoint serve_metrics(runtime::Reactor& reactor, const wire::Endpoint& local,
                             std::function<std::string()> text) {
    const int family = local.address.is_v4() ? AF_INET : AF_INET6;
    drivers::Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) drivers::throw_system("cannot make a socket");
    const wire::Endpoint have = listen_kernel(fd, local);
    socket::spawn(reactor,
                  serve_all(reactor, std::move(fd),
                            std::make_shared<std::function<std::string()>>(std::move(text))));
    return have;
}

}  // namespace estab::cli

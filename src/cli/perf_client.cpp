#include "cli/perf_client.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

namespace estab::cli {
namespace {

using socket::Stream;
using socket::Task;

constexpr Duration patience = 10s;  // for a connection, and for what was sent to be acknowledged
constexpr std::uint64_t without_end = std::uint64_t{1} << 62;
constexpr std::size_t trips_max = 10'000'000;

Duration processor_time() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) {
        return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

struct Share {
    std::string_view what;
    Duration time{};
};

// What the sender says of itself, the largest part first.
std::vector<Share> shares(const tcp::Info& info) {
    using tcp::Limit;
    const auto spent = [&info](Limit l) { return info.limited[static_cast<std::size_t>(l)]; };
    std::vector<Share> all = {
        {"congestion window", spent(Limit::cwnd)},
        {"repair of losses", spent(Limit::recovery) + spent(Limit::timeout)},
        {"the peer's receive window", spent(Limit::receive_window) + spent(Limit::zero_window)},
        {"our send buffer", spent(Limit::send_buffer)},
        {"the memory budget", spent(Limit::memory)}};
    std::ranges::stable_sort(all, std::ranges::greater{}, &Share::time);
    return all;
}

double part(Duration of, Duration all) {
    return all > 0s ? static_cast<double>(to_ns(of)) / static_cast<double>(to_ns(all)) : 0;
}

}  // namespace

std::string perf_reason(const PerfResult& r) {
    std::vector<std::string> said;
    const double busy = part(r.processor, r.took);
    if (busy >= 0.85)
        said.push_back(fmt::format("this process, {:.0f} % of a processor", busy * 100));
    if (r.up != 0) {
        for (const Share& share : shares(r.sender)) {
            const double percent = 100 * std::min(part(share.time, r.took), 1.0);
            if (percent < 10) break;
            said.push_back(fmt::format("{}, {:.0f} % of the time", share.what, percent));
        }
        const tcp::Statistics& s = r.sender.statistics;
        if (s.retransmits != 0)
            said.push_back(fmt::format("{} of {} segments sent again", s.retransmits, s.data_out));
    }
    if (const std::uint32_t holes = r.receiver.statistics.out_of_order_in; holes != 0)
        said.push_back(fmt::format("{} segments came out of order, or behind a loss", holes));
    if (said.empty() && r.down != 0) return "the peer or the path: here nothing was full";
    return fmt::format("{}", fmt::join(said, "; "));
}

PerfClient::PerfClient(Dialer& dialer, socket::Reactor& reactor, Plan plan)
    : dialer_(dialer), reactor_(reactor), plan_(std::move(plan)) {}

Task<> PerfClient::run() {
    (void)co_await connect(plan_.ports.sink);  // who is not there is noticed before the clock runs
    for (const PerfTest test : plan_.tests) {
        PerfResult result;
        result.test = test;
        const Duration processor = processor_time();
        begin_ = reactor_.now();
        end_ = after(begin_, plan_.time);
        progress_.emplace(begin_, plan_.shows_progress);
        switch (test) {
        case PerfTest::up: co_await send(result); break;
        case PerfTest::down: co_await receive(result); break;
        case PerfTest::both:
            socket::spawn(reactor_, as_one_of_many(send(result)));
            socket::spawn(reactor_, as_one_of_many(receive(result)));
            co_await join();
            break;
        case PerfTest::trips: co_await do_trips(result); break;
        case PerfTest::connect:
            for (std::uint32_t i = 0; i < plan_.at_once; ++i)
                socket::spawn(reactor_, as_one_of_many(do_connects(result)));
            co_await join();
            break;
        }
        result.took = reactor_.now() - begin_;
        result.processor = processor_time() - processor;
        progress_.reset();
        results_.push_back(std::move(result));
    }
    done_ = true;
}

Task<Stream> PerfClient::connect(std::uint16_t port) {
    Target target{plan_.host, port};
    co_return co_await dialer_.connect(target, after(reactor_.now(), patience));
}

void PerfClient::fail(std::uint16_t port, Error error) const {
    throw std::runtime_error(fmt::format("{} port {}: {}", plan_.host, port, to_string(error)));
}

void PerfClient::show(const PerfResult& result) {
    progress_->show(reactor_.now(), {.done = result.up + result.down, .total = {}});
}

Task<> PerfClient::send(PerfResult& result) {
    static constexpr std::uint8_t page[1 << 20] = {};  // lent again and again
    Stream stream = co_await connect(plan_.ports.sink);
    while (reactor_.now() < end_) {
        auto n = stream.try_write_external(page, [](void*) {}, nullptr);
        if (!n && n.error() == Error::would_block) {
            const auto room = co_await stream.async_writable(end_);
            if (!room) n = estab::fail(room.error());
        }
        if (!n && n.error() != Error::would_block && n.error() != Error::timed_out)
            fail(plan_.ports.sink, n.error());
        result.up = stream.info().statistics.octets_acked;
        show(result);
    }
    result.sender = stream.info();
    stream.abort();  // what is still on its way was not asked about
}

Task<> PerfClient::receive(PerfResult& result) {
    Stream stream = co_await connect(plan_.ports.source);
    std::array<std::uint8_t, 8> count{};
    for (std::size_t i = 0; i < count.size(); ++i)
        count[i] = static_cast<std::uint8_t>(without_end >> (8 * i));
    if (const auto sent = co_await stream.async_write_all(count, after(end_, patience)); !sent)
        fail(plan_.ports.source, sent.error());
    std::uint8_t first = 0;  // waited for; what came with it is looked at in place
    while (reactor_.now() < end_) {
        const auto n = co_await stream.async_read({&first, 1}, end_);
        if (!n && n.error() == Error::timed_out) break;
        if (!n) fail(plan_.ports.source, n.error());
        if (*n == 0) throw std::runtime_error(plan_.host + " ended before it was asked to");
        ++result.down;
        for (Bytes there = stream.peek(); !there.empty(); there = stream.peek()) {
            result.down += there.size();
            stream.consume(there.size());
        }
        show(result);
    }
    result.receiver = stream.info();
    stream.abort();
}

Task<> PerfClient::do_trips(PerfResult& result) {
    Stream stream = co_await connect(plan_.ports.echo);
    (void)stream.set_nodelay(true);
    std::uint8_t octet = 'x';
    while (reactor_.now() < end_ && result.trips.size() < trips_max) {
        const Instant sent_at = reactor_.now();
        const auto sent = co_await stream.async_write_all({&octet, 1}, after(end_, patience));
        if (!sent) fail(plan_.ports.echo, sent.error());
        const auto n = co_await stream.async_read({&octet, 1}, after(end_, patience));
        if (!n) fail(plan_.ports.echo, n.error());
        if (*n == 0) throw std::runtime_error(plan_.host + " ended before it was asked to");
        result.trips.push_back(reactor_.now() - sent_at);
    }
    std::ranges::sort(result.trips);
}

Task<> PerfClient::do_connects(PerfResult& result) {
    while (reactor_.now() < end_) {
        Stream stream = co_await connect(plan_.ports.sink);
        (void)stream.shutdown_write();
        std::uint8_t octet = 0;
        const auto n = co_await stream.async_read({&octet, 1}, after(end_, patience));
        if (!n) fail(plan_.ports.sink, n.error());
        ++result.connections;
    }
}

Task<> PerfClient::as_one_of_many(Task<> task) {
    ++running_;
    co_await std::move(task);
    --running_;
}

Task<> PerfClient::join() {
    do {
        co_await socket::sleep_for(reactor_, 1ms);
    } while (running_ != 0);
}

}  // namespace estab::cli

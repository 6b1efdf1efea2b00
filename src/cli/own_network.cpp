#include "cli/own_network.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>

#include "cli/control.hpp"
#include "cli/recorder.hpp"
#include "link/memory_link.hpp"
#include "link/path.hpp"
#include "stack/turn.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t frames_max = 64;               // on the wire, each way
constexpr std::size_t world_frames_max = 4096;       // a world drops what finds no place
constexpr std::size_t loopback_bytes = 4u << 20;     // of packets from CMD's host to itself
constexpr std::uint32_t big_frame = 65'536;

// The far host takes big frames as they are, a path cuts them; routers of a world take none.
device::Caps wire_caps(const NetworkOptions& options, const OwnWorld* world) {
    const auto mtu = static_cast<std::uint32_t>(options.mtu.value_or(1500));
    if (world != nullptr)
        return {.link = device::LinkType::ip,
                .mtu = std::min(mtu, world->mtu()),
                .frame_max = world->mtu()};
    return {.link = device::LinkType::ip,
            .mtu = mtu,
            .frame_max = big_frame,
            .tso4 = true,
            .tso6 = true,
            .gso_ecn = true,
            .checksum = true};
}

struct Straight {
    using Top = link::MemoryLink::End;
    Straight(Top& end, const NetworkOptions&) : end_(end) {}
    Top& top() { return end_; }
    link::PathLanes* lanes() { return nullptr; }
    Top& end_;
};
struct Impaired {
    using Top = link::Path<link::MemoryLink::End>;
    Impaired(link::MemoryLink::End& end, const NetworkOptions& options)
        : path_(end, options.lanes()) {}
    Top& top() { return path_; }
    link::PathLanes* lanes() { return &path_.lanes(); }
    Top path_;
};

// The near host: its stack, its end of the wire, and who serves CMD with it.
class Near {
public:
    Near(link::MemoryLink::End& end, const NetworkOptions& options, std::uint64_t seed,
         const drivers::PrivateAddresses& addresses)
        : end_(end),
          recorder_(options.records(fmt::format("estab {}, seed {}", ESTAB_VERSION, seed)),
                    device::LinkType::ip),
          tap_(end, recorder_),
          recorded_(tap_, recorder_),
          is_recorded_(!options.records({}).is_empty()),
          stack_(runtime::Loop::now(), {.config = options.tcp.config(),
                                        .seed = seed,
                                        .event_room = recorder_.event_room(),
                                        .answers_bytes = loopback_bytes}) {
        recorder_.attach(stack_);
        stack_.attach(end.caps());
        ip::Routes& routes = stack_.routes();
        for (const char* own : {"127.0.0.1/8", "::1/128"})
            (void)routes.add_address(*wire::Prefix::parse(own));
        (void)routes.accept(*wire::Prefix::parse("127.0.0.0/8"));
        for (const wire::Prefix& own : addresses.command) (void)routes.add_address(own);
        for (const char* everything : {"0.0.0.0/0", "::/0"})
            (void)routes.add({.destination = *wire::Prefix::parse(everything),
                              .gateway = {},
                              .source = {}});
    }
    ~Near() { recorder_.flush(); }

    void turn(Instant now) {
        is_recorded_ ? turn_on(recorded_, now) : turn_on(end_, now);
    }
    Instant deadline() const {
        const Instant stack = std::min(stack_.deadline(), recorded_.deadline());
        if (end_.has_frames()) return Instant::min();
        return supervisor_ != nullptr ? std::min(stack, supervisor_->deadline()) : stack;
    }
    void tell(owntcp::Supervisor* supervisor) { supervisor_ = supervisor; }
    stack::Stack& stack() { return stack_; }

private:
    template <device::Device D>
    void turn_on(D& device, Instant now) {
        stack::turn(stack_, device, now);
        if (supervisor_ == nullptr) return;
        supervisor_->on_turn();
        stack::flush(stack_, device, now);
    }

    link::MemoryLink::End& end_;
    Recorder recorder_;
    link::Tap<link::MemoryLink::End, Recorder> tap_;
    Recorded<decltype(tap_)> recorded_;
    bool is_recorded_;
    stack::Stack stack_;
    owntcp::Supervisor* supervisor_ = nullptr;
};

// The far host's end of the wire, behind the path. Whoever turns it turns the near host too, and
// the world where there is one: then the far host hears of nothing.
template <class Top>
class FarEnd {
public:
    FarEnd(link::MemoryLink::End& end, Top& top, Near& near, OwnWorld* world)
        : end_(end), top_(top), near_(near), world_(world) {}
    const device::Caps& caps() const { return top_.caps(); }
    std::size_t receive(Instant now, std::span<device::Frame> batch) {
        near_.turn(now);
        if (world_ == nullptr) return top_.receive(now, batch);
        world_->turn(now, top_);
        return 0;
    }
    MutableBytes reserve(std::size_t size) { return top_.reserve(size); }
    void commit(Instant now, std::size_t size, const device::Offload& offload) {
        top_.commit(now, size, offload);
    }
    void flush(Instant now) { top_.flush(now); }
    Instant deadline() const {
        if (end_.has_frames()) return Instant::min();
        const Instant at = std::min(top_.deadline(), near_.deadline());
        return world_ == nullptr ? at : std::min(at, world_->deadline());
    }

private:
    link::MemoryLink::End& end_;
    Top& top_;
    Near& near_;
    OwnWorld* world_;
};

// Neither octets nor FINs wait for an acknowledgment, and nothing that came is still unread.
bool has_said_all(stack::Stack& stack) {
    if (stack.connections() == 0) return true;
    return std::ranges::none_of(stack.table(runtime::Loop::now()), [](const stack::Row& row) {
        const tcp::State s = row.state;
        const bool is_finishing = s == tcp::State::fin_wait_1 || s == tcp::State::closing ||
                                  s == tcp::State::last_ack;
        const bool is_open =
            row.id.valid() && s != tcp::State::listen && s != tcp::State::closed;
        return is_finishing || (is_open && (row.queue_in != 0 || row.queue_out != 0));
    });
}

// The members stand in the order in which they need each other.
template <class Below>
class Chain final : public OwnNetwork {
public:
    Chain(const NetworkOptions& options, OwnWorld* world)
        : seed_(options.seed ? *options.seed : random_seed()),
          addresses_(world != nullptr ? world->addresses()
                                      : drivers::PrivateAddresses::standard()),
          wire_({.caps = wire_caps(options, world),
                 .frames_max = world != nullptr ? world_frames_max : frames_max}),
          near_(wire_.end(0), options, seed_, addresses_),
          below_(wire_.end(1), options),
          far_end_(wire_.end(1), below_.top(), near_, world),
          far_(runtime::Loop::now(), {.config = options.tcp.config(),
                                      .seed = seed_ + 1,
                                      .echo_for_accepted = false}),
          never_ready_(::eventfd(0, EFD_CLOEXEC)),
          reactor_(far_, far_end_, *never_ready_) {
        for (const wire::Prefix& own : addresses_.own) (void)far_.routes().add_address(own);
        // At the first turn: by then a command's keeper knows what to remove if we are killed.
        reactor_.at({}, [this] {
            control_.emplace(reactor_, ControlInfo{.command = "run",
                                                   .interface = "own-tcp",
                                                   .stack = &near_.stack()});
        });
    }

    runtime::Reactor& reactor() override { return reactor_; }
    stack::Stack& near() override { return near_.stack(); }
    const drivers::PrivateAddresses& addresses() const override { return addresses_; }
    link::PathLanes* lanes() override { return below_.lanes(); }
    void tell(owntcp::Supervisor* supervisor) override { near_.tell(supervisor); }
    bool is_quiet() override { return has_said_all(near_.stack()) && has_said_all(far_); }

private:
    std::uint64_t seed_;
    drivers::PrivateAddresses addresses_;
    link::MemoryLink wire_;
    Near near_;
    Below below_;
    FarEnd<typename Below::Top> far_end_;
    stack::Stack far_;
    drivers::Fd never_ready_;  // the wire is in memory: the far host is turned by deadlines alone
    runtime::Reactor reactor_;
    std::optional<Control> control_;
};

}  // namespace

std::unique_ptr<OwnNetwork> OwnNetwork::open(const NetworkOptions& options, OwnWorld* world) {
    if (options.path() == link::PathSpec{} && !options.path_may_change)
        return std::make_unique<Chain<Straight>>(options, world);
    return std::make_unique<Chain<Impaired>>(options, world);
}

}  // namespace estab::cli

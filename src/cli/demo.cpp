// estab demo FILE --out COPY: one stack serves the file, another fetches it, over a wire in memory
// and in virtual time. Everything but the operating system's network.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/network.hpp"
#include "cli/recorder.hpp"
#include "link/memory_link.hpp"
#include "link/path.hpp"
#include "stack/turn.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t piece_bytes = 64 << 10;

drivers::Fd open_file(const std::string& path, int flags) {
    drivers::Fd fd(::open(path.c_str(), flags | O_CLOEXEC, 0666));
    if (!fd)
        drivers::throw_system((flags & O_ACCMODE) == O_RDONLY ? "cannot read " + path
                                                              : "cannot write " + path);
    return fd;
}

// The server's side of the wire has the path and the records.
class Copy {
public:
    Copy(const NetworkOptions& options, drivers::Fd from, drivers::Fd to)
        : from_(std::move(from)),
          to_(std::move(to)),
          wire_({.caps = {.link = device::LinkType::ip,
                          .mtu = mtu(options),
                          .frame_max = mtu(options)}}),
          recorder_(records(options, now_), device::LinkType::ip),
          path_(wire_.end(0), {.spec = options.path()}),
          tap_(path_, recorder_),
          recorded_(tap_, recorder_),
          server_(now_, {.config = options.tcp.config(),
                         .seed = options.seed.value_or(1),
                         .event_room = recorder_.event_room()}),
          client_(now_, {.config = options.tcp.config(), .seed = options.seed.value_or(1) + 1}) {
        recorder_.attach(server_);
        server_.attach(recorded_.caps());
        client_.attach(wire_.end(1).caps());
        (void)server_.routes().add_address({wire::Address::v4(10, 77, 0, 2), 24});
        (void)client_.routes().add_address({wire::Address::v4(10, 77, 0, 100), 24});
    }

    // How many octets were copied.
    std::uint64_t run() {
        const auto listener = server_.listen({.port = 80});
        const auto connection = client_.connect(now_, {wire::Address::v4(10, 77, 0, 2), 80}, {});
        if (!listener || !connection) throw std::runtime_error("cannot connect the two stacks");
        receiver_ = *connection;
        while (!finished_) {
            if (!sender_.valid())
                if (const auto accepted = server_.accept(*listener)) sender_ = *accepted;
            const bool sent = send_some();
            const bool received = receive_some();
            if (turns() == 0 && !sent && !received) wait();
        }
        client_.close(now_, receiver_);
        while (turns() != 0) continue;
        recorder_.flush();
        return received_;
    }

private:
    static RecordOptions records(const NetworkOptions& options, Instant now) {
        RecordOptions records = options.records(
            fmt::format("estab {} demo, seed {}", ESTAB_VERSION, options.seed.value_or(1)));
        // Virtual time: the same seed is the same run, but for the dates that people see.
        records.wall_offset = runtime::Loop::wall_offset() + (runtime::Loop::now() - now);
        return records;
    }
    static std::uint32_t mtu(const NetworkOptions& options) {
        return static_cast<std::uint32_t>(options.mtu.value_or(1500));
    }
    // Twice, because what the client says in the first is for the server's second.
    std::size_t turns() { return turn() + turn(); }
    std::size_t turn() {
        return stack::turn(server_, recorded_, now_) + stack::turn(client_, wire_.end(1), now_);
    }
    // Time jumps to whoever is next.
    void wait() {
        const Instant next = std::min({server_.deadline(), client_.deadline(), path_.deadline()});
        if (next == never) throw std::runtime_error("the two stacks wait for each other");
        now_ = std::max(now_, next);
        for (const auto& [stack, id] :
             {std::pair{&server_, sender_}, std::pair{&client_, receiver_}}) {
            const tcp::Connection* connection = id.valid() ? stack->find(id) : nullptr;
            if (connection != nullptr && connection->has_failed())
                throw std::runtime_error(
                    fmt::format("the connection failed: {}", to_string(connection->error())));
        }
    }
    bool send_some() {
        if (!sender_.valid()) return false;
        if (left_.empty()) {
            const ssize_t n = ::read(*from_, buffer_.data(), buffer_.size());
            if (n < 0) drivers::throw_system("cannot read the file");
            left_ = Bytes(buffer_).first(static_cast<std::size_t>(n));
        }
        if (left_.empty()) {  // all of it: the FIN follows
            server_.close(now_, sender_);
            sender_ = {};
            return true;
        }
        const auto n = server_.write(now_, sender_, left_);
        if (!n) return false;
        left_ = left_.subspan(*n);
        return true;
    }
    bool receive_some() {
        std::array<std::uint8_t, piece_bytes> piece;
        const auto n = client_.read(now_, receiver_, piece);
        if (!n) return false;
        if (const int error = write_all(*to_, Bytes(piece).first(*n)); error != 0)
            drivers::throw_system("cannot write the copy", error);
        received_ += *n;
        finished_ = *n == 0;
        return true;
    }

    drivers::Fd from_, to_;
    Instant now_ = Instant(1s);
    link::MemoryLink wire_;
    Recorder recorder_;
    link::Path<link::MemoryLink::End> path_;
    link::Tap<decltype(path_), Recorder> tap_;
    Recorded<decltype(tap_)> recorded_;
    stack::Stack server_, client_;
    stack::ConnectionId sender_{}, receiver_{};
    std::array<std::uint8_t, piece_bytes> buffer_{};
    Bytes left_{};
    std::uint64_t received_ = 0;
    bool finished_ = false;
};

class Demo final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"FILE", "", "what to copy"}, file_);
        options.value({"-o,--out", "COPY", "where to"}, out_);
        options.flag({"-q,--quiet", "", "no line at the end"}, network_.quiet);
        network_.setup_records(options);
    }

    int run(const Words&) override {
        if (out_.empty()) throw UsageError("--out COPY is missing");
        network_.check();
        drivers::Fd from = open_file(file_, O_RDONLY);
        struct stat in {}, out {};
        if (::fstat(*from, &in) != 0 || S_ISDIR(in.st_mode))
            throw std::runtime_error(file_ + " is not a file");
        if (::stat(out_.c_str(), &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
            throw UsageError("FILE and COPY are the same file");
        drivers::Fd to = open_file(out_, O_WRONLY | O_CREAT | O_TRUNC);
        const auto copy = std::make_unique<Copy>(network_, std::move(from), std::move(to));
        const std::uint64_t octets = copy->run();
        if (!network_.quiet)
            note("estab demo", fmt::format("{} octets copied to {}", octets, out_));
        return exit_status::done;
    }

private:
    std::string file_, out_;
    NetworkOptions network_;
};

}  // namespace

std::unique_ptr<Command> make_demo() { return std::make_unique<Demo>(); }

}  // namespace estab::cli

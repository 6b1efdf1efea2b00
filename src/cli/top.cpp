// estab top: the live connections of running estab commands, looked at again and again.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/control.hpp"
#include "cli/terminal.hpp"
#include "cli/top_table.hpp"

namespace estab::cli {
namespace {

constexpr double interval_least = 0.1, interval_most = 3600;
constexpr std::size_t filter_max = 200;
constexpr ScreenSize no_screen{.rows = SIZE_MAX, .columns = 200};
constexpr int escape_key = 27, backspace = 8, erase = 127, control_c = 3;

using Steady = std::chrono::steady_clock;

// "2", "0.5s", "200ms"
double interval_of(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    if (unit == "ms") value /= 1000;
    if (error != std::errc{} || !(unit.empty() || unit == "s" || unit == "ms") ||
        !(value >= interval_least && value <= interval_most))
        throw UsageError(fmt::format("--interval {}: a time between 100ms and 3600s",
                                     printable(text)));
    return value;
}

TopKey key_of(const std::string& name) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < top_key_count; ++i) {
        names.emplace_back(to_string(static_cast<TopKey>(i)));
        if (names.back() == name) return static_cast<TopKey>(i);
    }
    throw UsageError("--sort " + printable(name) + ": no such column" + suggestion(name, names));
}

class Top final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"PID", "", "of one estab command (default: all of this user's); ends"
                                       " with it"},
                           pid_, false);
        options.value({"--interval", "TIME", "between two looks (default 1s)"}, interval_text_);
        options.value({"--sort", "COLUMN",
                       "rate, up, down, cwnd, rtt, again, limit, peer or pid (default rate)"},
                      sort_);
        options.flag({"--reverse", "", "the other way round"}, view_.reverse);
        options.value({"--filter", "WORDS", "only connections with all of them: address, port,"
                                            " state, command, PID, limit"},
                      view_.filter);
        options.flag({"--once", "", "two looks, one table, and the end"}, once_);
        options.flag({"--json", "", "for programs: estab.top/1, an object on each line"}, json_);
        options.flag({"--ascii", "", "bars of ASCII (default: as the locale says)"}, ascii_);
    }

    int run(const Words&) override {
        if (!interval_text_.empty()) interval_s_ = interval_of(interval_text_);
        if (!sort_.empty()) view_.key = key_of(sort_);
        view_.utf8 = !ascii_ && is_utf8_locale();
        wanted_ = wanted_pid();
        if (!look()) throw std::runtime_error(nobody());
        SignalQueue signals;
        const bool whole_screen = !once_ && !json_ && ::isatty(STDOUT_FILENO) == 1;
        if (!whole_screen) return follow(signals);
        const char* no = std::getenv("NO_COLOR");
        view_.colour = no == nullptr || *no == '\0';
        Screen screen;
        return watch(screen, signals);
    }

private:
    int wanted_pid() const {
        if (pid_.empty()) return 0;
        int pid = 0;
        const auto [end, error] = std::from_chars(pid_.data(), pid_.data() + pid_.size(), pid);
        if (error != std::errc{} || end != pid_.data() + pid_.size() || pid <= 0)
            throw UsageError(fmt::format("'{}' is not a process number", printable(pid_)));
        return pid;
    }
    std::string nobody() const {
        return wanted_ == 0 ? "no estab command of this user runs"
                            : fmt::format("no estab command of this user runs as {}", wanted_);
    }

    // False: nobody is there (any more).
    bool look() {
        std::vector<int> pids = running_commands();
        if (wanted_ != 0) std::erase_if(pids, [this](int pid) { return pid != wanted_; });
        std::vector<Sighting> seen;
        bool any = false;
        for (const int pid : pids) {
            for (const std::string& answer : ask_command(pid, R"({"get":["sockets"]})")) {
                any = true;
                for (Sighting& s : sightings_of(answer)) seen.push_back(std::move(s));
            }
        }
        const auto now = Steady::now();
        table_.update(std::chrono::duration_cast<Duration>(now - looked_), std::move(seen));
        looked_ = now;
        return any;
    }

    // For a file, a pipe or another program: a table or an object for each look.
    int follow(SignalQueue& signals) {
        view_.columns = ::isatty(STDOUT_FILENO) == 1 ? screen_size(no_screen).columns
                                                     : no_screen.columns;
        for (;;) {
            if (const int signal = wait(signals, nullptr); signal != 0) return 128 + signal;
            if (!look()) {
                if (!once_) return exit_status::done;
                throw std::runtime_error(nobody());
            }
            const auto rows = chosen_rows(table_, view_);
            print(json_ ? top_json(rows, interval_s_) : top_text(rows, view_));
            if (once_) return exit_status::done;
            if (!json_) print("\n");
        }
    }

    int watch(Screen& screen, SignalQueue& signals) {
        auto next = Steady::now();
        bool alive = true;
        while (!quit_) {
            if (Steady::now() >= next) {
                if (!paused_) alive = look();
                if (!alive && wanted_ != 0) return exit_status::done;
                next = Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                           std::chrono::duration<double>(interval_s_));
            }
            show(screen, alive);
            deadline_ = next;
            const int signal = wait(signals, &screen);
            if (signal == SIGTSTP) {
                screen.leave();
                ::raise(SIGSTOP);
                screen.enter();
            } else if (signal != 0 && signal != SIGWINCH && signal != SIGCONT) {
                return 128 + signal;
            }
            if (screen.has_keys()) take(typed_);
            typed_.clear();
        }
        return exit_status::done;
    }

    // Until it is time, a key was pressed, or a signal came, which it returns. Without a screen
    // only those signals count that end us.
    int wait(SignalQueue& signals, Screen* screen) {
        const auto deadline =
            screen != nullptr ? deadline_
                              : Steady::now() + std::chrono::duration_cast<Steady::duration>(
                                                    std::chrono::duration<double>(interval_s_));
        for (;;) {
            const auto rest = deadline - Steady::now();
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(rest);
            if (left.count() <= 0) return 0;
            pollfd fds[] = {{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                            {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}};
            const bool keys = screen != nullptr && screen->has_keys();
            ::poll(fds, keys ? 2 : 1, static_cast<int>(left.count()));
            if (const int signal = signals.next(); signal != 0) {
                if (screen != nullptr || signal == SIGINT || signal == SIGTERM || signal == SIGHUP)
                    return signal;
                if (signal == SIGTSTP) ::raise(SIGSTOP);
            }
            if (keys && fds[1].revents != 0) {
                typed_ = screen->keys();
                return 0;
            }
        }
    }

    void show(Screen& screen, bool alive) {
        const ScreenSize size = screen_size({});
        view_.columns = size.columns;
        const auto rows = chosen_rows(table_, view_);
        const std::size_t head = 2;
        page_ = size.rows > head + 2 ? size.rows - head - 1 : 1;
        view_.first = std::min(view_.first, rows.size() > page_ ? rows.size() - page_ : 0);
        view_.rows_max = page_;
        double up = 0, down = 0;
        for (const TopRow* row : rows) {
            up += row->up_bit_s;
            down += row->down_bit_s;
        }
        std::string title = fmt::format(
            "estab top: {} of {} connections, up {:.2f} down {:.2f} Mbit/s, by {}{}{}{}",
            rows.size(), table_.rows().size(), up / 1e6, down / 1e6, to_string(view_.key),
            view_.reverse ? " reversed" : "", view_.filter.empty() ? "" : ", filter ",
            printable(view_.filter));
        if (paused_) title += ", paused";
        if (!alive) title = "estab top: no estab command of this user runs; waiting for one";
        std::string foot = "q quit  s S sort  r reverse  / filter  space pause  + - interval"
                           "  up down scroll";
        if (entering_) foot = "filter: " + printable(view_.filter) + "_";
        if (title.size() > size.columns) title.resize(size.columns);
        if (foot.size() > size.columns) foot.resize(size.columns);
        screen.show(title + "\n" + top_text(rows, view_) + foot, size.rows);
    }

    void take(const std::string& keys) {
        // An arrow or a page key is several octets that come together.
        if (!entering_ && keys.starts_with("\033[")) return scroll(keys);
        for (const char c : keys) entering_ ? edit(c) : press(c);
    }
    void scroll(const std::string& key) {
        const auto back = [this](std::size_t n) { view_.first -= std::min(n, view_.first); };
        if (key == "\033[A") back(1);
        if (key == "\033[B") ++view_.first;
        if (key == "\033[5~") back(page_);
        if (key == "\033[6~") view_.first += page_;
        if (key == "\033[H") view_.first = 0;
        if (key == "\033[F") view_.first = SIZE_MAX / 2;
    }
    void press(char c) {
        const auto turn = [this](std::size_t by) {
            const std::size_t next = (static_cast<std::size_t>(view_.key) + by) % top_key_count;
            view_.key = static_cast<TopKey>(next);
        };
        if (c == 'q' || c == control_c) quit_ = true;
        if (c == 's') turn(1);
        if (c == 'S') turn(top_key_count - 1);
        if (c == 'r') view_.reverse = !view_.reverse;
        if (c == ' ') paused_ = !paused_;
        if (c == '+') interval_s_ = std::min(interval_s_ * 2, interval_most);
        if (c == '-') interval_s_ = std::max(interval_s_ / 2, interval_least);
        if (c == 'k') scroll("\033[A");
        if (c == 'j') scroll("\033[B");
        if (c == '/') {
            entering_ = true;
            filter_before_ = view_.filter;
            view_.filter.clear();
        }
    }
    void edit(char c) {
        if (c == '\n' || c == '\r') {
            entering_ = false;
        } else if (c == escape_key) {
            entering_ = false;
            view_.filter = filter_before_;
        } else if (c == backspace || c == erase) {
            if (!view_.filter.empty()) view_.filter.pop_back();
        } else if (c >= ' ' && view_.filter.size() < filter_max) {
            view_.filter += c;
        }
    }

    std::string pid_, interval_text_, sort_, typed_, filter_before_;
    bool once_ = false, json_ = false, ascii_ = false;
    bool quit_ = false, paused_ = false, entering_ = false;
    double interval_s_ = 1;
    int wanted_ = 0;
    std::size_t page_ = 1;
    TopView view_;
    TopTable table_;
    Steady::time_point looked_ = Steady::now(), deadline_{};
};

}  // namespace

std::unique_ptr<Command> make_top() { return std::make_unique<Top>(); }

}  // namespace estab::cli

// estab conform: what a TCP endpoint, whosever it is, does with segments made by hand.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/command.hpp"
#include "cli/conform_checks.hpp"
#include "cli/console.hpp"
#include "drivers/host_tun.hpp"
#include "drivers/private_network.hpp"

namespace estab::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Answer {
    const Check* check;
    Finding finding;
};

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        default: out += c;
        }
    }
    return out;
}

// HOST:PORT, with an IPv6 address in brackets.
wire::Endpoint parse_target(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto address = wire::Address::parse(host);
    std::uint16_t port = 0;
    const char* begin = colon == std::string::npos ? nullptr : text.data() + colon + 1;
    const char* end = text.data() + text.size();
    const bool whole =
        begin != nullptr && std::from_chars(begin, end, port).ptr == end && port != 0;
    if (!address || !whole)
        throw UsageError("'" + printable(text) +
                         "' is not ADDRESS:PORT (example: 10.77.0.100:8000, or [fd77::100]:8000)");
    return {*address, port};
}

class Conform final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"HOST:PORT", "", "whom to ask: an address, and a port that listens"},
                           target_);
        options.value({"--request", "TEXT", "what makes it answer (an HTTP request; \\r \\n \\t)"},
                      request_);
        options.value({"--closed-port", "N", "of the same host, where nothing listens (9)"},
                      closed_port_);
        options.list({"--only", "NAME", "these questions, or all that begin so; repeatable"},
                     only_);
        options.flag({"--json", "", "the findings as estab.conform/1"}, json_);
        options.value({"--html", "FILE", "the findings as a page, too"}, html_);
        options.flag({"--list", "", "the questions"}, list_);
        options.group("Network");
        options.value({"--tun", "NAME", "a TUN of the host's instead of a private network"}, tun_);
        options.list({"--addr", "A/LEN", "the asker's address on it; repeatable"}, addresses_);
        options.list({"--host-addr", "B/LEN", "the host's address on it; repeatable"},
                     host_addresses_);
    }

    int run(const Words& command) override {
        if (list_) return list();
        const wire::Endpoint target = parse_target(target_);
        const std::vector<const Check*> wanted = chosen();
        if (closed_port_ && (*closed_port_ == 0 || *closed_port_ > 65'535))
            throw UsageError("--closed-port: a number from 1 to 65535");
        if (!tun_.empty() && !command.empty())
            throw UsageError("CMD runs in a private network, not beside --tun");
        open(target);
        if (!command.empty()) child_.emplace(network_->spawn(command, {-1, 2, 2}));
        Prober prober(*device_, own_of(target.address.is_v4()), target);
        wait_for(prober);
        const std::vector<Answer> answers = ask(prober, wanted);
        json_ ? print_json(answers) : print_text(answers);
        if (!html_.empty()) write_html(answers);
        const bool failed = std::ranges::any_of(answers, [](const Answer& a) {
            return a.check->level == Level::must && a.finding.verdict == Verdict::fail;
        });
        return failed ? exit_status::failed : exit_status::done;
    }

private:
    int list() const {
        for (const Check* c : all_checks())
            print(fmt::format("{:<24} {:<6} {}: {}\n", c->name, to_string(c->level), c->clause,
                              c->what));
        return exit_status::done;
    }

    std::vector<const Check*> chosen() const {
        std::vector<const Check*> wanted;
        for (const std::string& name : only_) {
            const bool known = std::ranges::any_of(all_checks(), [&](const Check* c) {
                return std::string_view(c->name).starts_with(name);
            });
            if (!known)
                throw UsageError("--only: no question begins with '" + printable(name) +
                                 "' (--list)");
        }
        for (const Check* c : all_checks()) {
            const bool asked = only_.empty() || std::ranges::any_of(only_, [&](const auto& name) {
                return std::string_view(c->name).starts_with(name);
            });
            if (asked) wanted.push_back(c);
        }
        return wanted;
    }

    void open(const wire::Endpoint& target) {
        if (tun_.empty()) {
            if (!addresses_.empty() || !host_addresses_.empty())
                throw UsageError("--addr and --host-addr need --tun NAME");
            network_.emplace(drivers::PrivateNetwork::start(
                {.backend = drivers::Backend::tun, .keep_capabilities = true}));
            device_.emplace(network_->take_device());
            own_ = network_->addresses().own;
        } else {
            own_ = prefixes(addresses_, "--addr");
            device_.emplace(drivers::open_host_tun(
                {.name = tun_, .own = own_, .host = prefixes(host_addresses_, "--host-addr")}));
        }
        const bool v4 = target.address.is_v4();
        if (std::ranges::none_of(own_, [v4](const auto& p) { return p.address.is_v4() == v4; }))
            throw UsageError("no address of the target's family to ask from (--addr)");
    }

    static std::vector<wire::Prefix> prefixes(const std::vector<std::string>& words,
                                              const char* option) {
        std::vector<wire::Prefix> out;
        for (const std::string& word : words) {
            const auto prefix = wire::Prefix::parse(word);
            if (!prefix)
                throw UsageError(
                    fmt::format("{}: '{}' is not ADDRESS/LENGTH", option, printable(word)));
            out.push_back(*prefix);
        }
        return out;
    }

    wire::Address own_of(bool v4) const {
        return std::ranges::find_if(own_, [v4](const auto& p) { return p.address.is_v4() == v4; })
            ->address;
    }

    // CMD is given ten seconds to begin to listen.
    void wait_for(Prober& prober) {
        for (int i = 0; i < 100; ++i) {
            Peer peer(prober);
            const auto answer = peer.syn({});
            if (answer && !answer->is_reset()) return;
            if (child_ && child_->poll())
                throw std::runtime_error("CMD has ended before it listened");
            if (!child_ && (i == 4 || answer)) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        throw std::runtime_error(target_ + " answers no SYN with a SYN-ACK");
    }

    std::vector<Answer> ask(Prober& prober, const std::vector<const Check*>& wanted) const {
        Asks asks;
        if (!request_.empty()) asks.request = unescaped(request_);
        if (closed_port_) asks.closed_port = static_cast<std::uint16_t>(*closed_port_);
        std::vector<Answer> answers;
        for (const Check* check : wanted) answers.push_back({check, check->ask(prober, asks)});
        return answers;
    }

    static std::string unescaped(const std::string& text) {
        std::string out;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
            if (next == 'r' || next == 'n' || next == 't' || next == '\\') {
                out += next == 'r' ? '\r' : next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
                ++i;
            } else {
                out += text[i];
            }
        }
        return out;
    }

    static std::string summary(const std::vector<Answer>& answers) {
        const auto count = [&](Verdict v) {
            return std::ranges::count(answers, v,
                                      [](const Answer& a) { return a.finding.verdict; });
        };
        return fmt::format("{} passed, {} failed, {} not observable", count(Verdict::pass),
                           count(Verdict::fail), count(Verdict::not_observable));
    }

    static void print_text(const std::vector<Answer>& answers) {
        for (const auto& [check, finding] : answers) {
            print(fmt::format("{:<15} {:<24} {:<6} {}: {}\n", to_string(finding.verdict),
                              check->name, to_string(check->level), check->clause, check->what));
            if (!finding.why.empty()) print("                " + printable(finding.why) + "\n");
        }
        print(summary(answers) + "\n");
    }

    void print_json(const std::vector<Answer>& answers) const {
        Json all{{"schema", "estab.conform/1"}, {"target", target_}, {"findings", Json::array()}};
        for (const auto& [check, finding] : answers) {
            Json one{{"name", check->name},         {"level", to_string(check->level)},
                     {"clause", check->clause},     {"what", check->what},
                     {"result", to_string(finding.verdict)}};
            if (!finding.why.empty()) one["why"] = finding.why;
            all["findings"].push_back(one);
        }
        print(all.dump(2) + "\n");
    }

    void write_html(const std::vector<Answer>& answers) const {
        std::string page = fmt::format(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>TCP of {0}</title>"
            "<style>"
            "body{{font:15px/1.45 system-ui,sans-serif;margin:2rem;max-width:72rem}}"
            "table{{border-collapse:collapse;width:100%}}"
            "td,th{{text-align:left;padding:.35rem .6rem;"
            "border-bottom:1px solid #ddd;vertical-align:top}}.pass td:first-child{{color:#186a3b}}"
            ".fail td:first-child{{color:#b03a2e;font-weight:bold}}.unseen{{color:#666}}"
            "small{{color:#555}}code{{white-space:nowrap}}</style><h1>TCP of {0}</h1><p>{1}</p>"
            "<table><tr><th>Result<th>Question<th>Level<th>Clause<th>What must be so</tr>\n",
            escaped(target_), summary(answers));
        for (const auto& [check, finding] : answers) {
            const char* kind = finding.verdict == Verdict::pass   ? "pass"
                               : finding.verdict == Verdict::fail ? "fail"
                                                                  : "unseen";
            page += fmt::format("<tr class=\"{}\"><td>{}<td><code>{}</code><td>{}<td>{}<td>{}",
                                kind, to_string(finding.verdict), check->name,
                                to_string(check->level), check->clause, escaped(check->what));
            if (!finding.why.empty()) page += "<br><small>" + escaped(finding.why) + "</small>";
            page += "</tr>\n";
        }
        std::ofstream file(html_, std::ios::binary);
        file << page << "</table></html>\n";
        if (!file.flush()) throw std::runtime_error(printable(html_) + ": cannot be written");
    }

    std::string target_, request_, html_, tun_;
    std::vector<std::string> only_, addresses_, host_addresses_;
    std::optional<std::uint64_t> closed_port_;
    bool json_ = false, list_ = false;
    std::optional<drivers::PrivateNetwork> network_;
    std::optional<drivers::AnyDevice> device_;
    std::optional<drivers::Child> child_;
    std::vector<wire::Prefix> own_;
};

}  // namespace

std::unique_ptr<Command> make_conform() { return std::make_unique<Conform>(); }

}  // namespace estab::cli

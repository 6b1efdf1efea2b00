// estab doctor: what this machine lets us do, which backend the other commands will choose, and
// what to change.
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "drivers/probe.hpp"
#include "observe/json.hpp"

namespace estab::cli {
namespace {

struct Choice {
    const char* backend;
    std::string why;
};

Choice choose(const drivers::Probe& probe) {
    if (probe.private_tun.ok)
        return {"tun", "a private network over TUN works, and it is the faster one"};
    if (probe.private_veth.ok) return {"veth", "TUN does not: " + probe.private_tun.found};
    if (probe.host_network.ok && probe.tun_open.ok)
        return {"host-tun", "no private network can be made, but --tun NAME works"};
    if (probe.seccomp_notify.ok)
        return {"own-tcp", "no private network can be made; estab run serves CMD's own sockets"};
    return {"none", probe.private_veth.found};
}

class Doctor final : public Command {
public:
    void setup(Options& options) override {
        options.flag({"--json", "", "for programs, as estab.doctor/1"}, json_);
        options.value({"--tun-path", "FILE", "the TUN node (default /dev/net/tun)"}, tun_path_);
    }
    int run(const Words&) override {
        const drivers::Probe probe = drivers::probe(tun_path_);
        const Choice choice = choose(probe);
        json_ ? show_json(probe, choice) : show_text(probe, choice);
        return std::string_view(choice.backend) == "none" ? exit_status::failed : exit_status::done;
    }

private:
    static void show_text(const drivers::Probe& probe, const Choice& choice) {
        std::string out = fmt::format("Linux {}, user {}\n\n", probe.kernel, probe.uid);
        for (const drivers::Fact* fact : probe.facts()) {
            out += fmt::format("{} {:<24} {}\n", fact->ok ? "ok" : "--", fact->name, fact->found);
            if (!fact->change.empty()) out += fmt::format("   {:<24} {}\n", "", fact->change);
        }
        out += fmt::format("\nBackend: {} ({})\n", choice.backend, choice.why);
        print(out);
    }
    static void show_json(const drivers::Probe& probe, const Choice& choice) {
        observe::TextBuffer out;
        out.add(R"({"schema":"estab.doctor/1","kernel":)");
        observe::add_json_string(out, probe.kernel);
        out.add(R"(,"uid":)");
        out.decimal(probe.uid);
        out.add(R"(,"backend":)");
        observe::add_json_string(out, choice.backend);
        out.add(R"(,"why":)");
        observe::add_json_string(out, choice.why);
        out.add(R"(,"facts":[)");
        bool first = true;
        for (const drivers::Fact* fact : probe.facts()) {
            out.add(first ? R"({"name":)" : R"(,{"name":)");
            first = false;
            observe::add_json_string(out, fact->name);
            out.add(fact->ok ? R"(,"ok":true,"found":)" : R"(,"ok":false,"found":)");
            observe::add_json_string(out, fact->found);
            out.add(R"(,"change":)");
            observe::add_json_string(out, fact->change);
            out.add("}");
        }
        out.add("]}\n");
        print(out.view());
    }

    bool json_ = false;
    std::string tun_path_ = "/dev/net/tun";
};

}  // namespace

std::unique_ptr<Command> make_doctor() { return std::make_unique<Doctor>(); }

}  // namespace estab::cli

#include "cli/gate.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <sstream>

#include "runtime/loop.hpp"

namespace estab::cli {
namespace {

double wall_seconds() {
    const Duration since = (runtime::Loop::now() + runtime::Loop::wall_offset()).time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

std::string beginning(const char* what) {
    return fmt::format(R"({{"schema":"estab.egress/1","time_s":{:.6f},"what":"{}")", wall_seconds(),
                       what);
}

const char* verdict(const egress::Decision& decision) {
    return decision.allowed ? "allowed" : "denied";
}

// What CMD finds in its hosts file needs no question to the resolver.
void pin_hosts(egress::Policy& policy, const std::string& hosts) {
    std::istringstream lines(hosts);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string first, name;
        words >> first;
        const auto address = wire::Address::parse(first);
        while (address && words >> name) policy.pin(name, *address);
    }
}

}  // namespace

Gate::Gate(const Destinations& destinations, egress::PolicyOptions rules, const std::string& log)
    : destinations_(destinations), policy_(std::move(rules)) {
    pin_hosts(policy_, destinations.hosts());
    if (log.empty()) return;
    log_ = drivers::Fd(
        ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    if (!log_) drivers::throw_system("--log: cannot write " + log);
}

Gate::Way Gate::find(egress::Transport transport, const wire::Endpoint& wanted) const {
    Way way;
    way.is_dns = destinations_.is_resolver(wanted);
    if (way.is_dns && (transport == egress::Transport::udp || policy_.is_open())) {
        way.decision.why = "the resolver";
    } else if (way.is_dns) {
        way.decision = {.allowed = false, .why = "queries over TCP cannot be looked at"};
    } else {
        way.decision = policy_.on_connection(transport, wanted);
    }
    if (!way.decision.allowed) return way;
    way.there = destinations_.find(wanted);
    if (way.there) return way;
    if (wanted.address.is_link_local() && policy_.opens(wanted.address))
        way.there = wanted;
    else
        way.decision = {.allowed = false, .why = "closed unless allowed by its own rule or option"};
    return way;
}

void Gate::record(egress::Transport transport, const wire::Endpoint& from,
                  const wire::Endpoint& wanted, const egress::Decision& decision,
                  const Traffic& traffic) {
    denied_ += decision.allowed ? 0 : 1;
    if (!log_) return;
    std::string names;
    for (const std::string& name : policy_.names(wanted.address))
        names += fmt::format("{}\"{}\"", names.empty() ? "" : ",", name);
    write(beginning("connection") +
          fmt::format(R"(,"transport":"{}","from":"{}","to":"{}","names":[{}],"verdict":"{}",)"
                      R"("why":"{}","up_bytes":{},"down_bytes":{},"duration_s":{:.6f}}})",
                      to_string(transport), from.text(), wanted.text(), names, verdict(decision),
                      decision.why, traffic.up, traffic.down,
                      std::chrono::duration<double>(traffic.lasted).count()));
}

void Gate::record_query(const egress::DnsQuestion& question, const egress::Decision& decision) {
    denied_ += decision.allowed ? 0 : 1;
    if (!log_) return;
    write(beginning("query") +
          fmt::format(R"(,"name":"{}","type":{},"verdict":"{}","why":"{}"}})", question.name,
                      question.type, verdict(decision), decision.why));
}

// At once, whole and at the end of the file: what was decided is there even if we are killed.
void Gate::write(const std::string& line) {
    const std::string text = line + "\n";
    (void)!::write(*log_, text.data(), text.size());
}

}  // namespace estab::cli

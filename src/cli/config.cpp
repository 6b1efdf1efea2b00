// estab config show: every parameter of TCP, as the profile and --set make it.
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/console.hpp"
#include "cli/network.hpp"
#include "observe/json.hpp"
#include "tcp/config_fields.hpp"

namespace estab::cli {
namespace {

constexpr std::size_t columns = 80;

struct Row {
    const tcp::ConfigField* field;
    std::string value;
    const char* source;  // default, profile, set
};

class Config final : public Command {
public:
    void setup(Options& options) override {
        options.positional({"show", "", "what to do: show"}, verb_);
        options.flag({"--json", "", "for programs, as estab.config/1"}, json_);
        options.value({"--profile", "NAME", "linux (default), rfc, freebsd or tutorial"},
                      tcp_.profile);
        options.list({"--set", "NAME=VALUE", "change a parameter; repeatable"}, tcp_.set);
    }
    int run(const Words&) override {
        if (verb_ != "show")
            throw UsageError(fmt::format("config {}: only `config show` exists", verb_));
        const std::vector<Row> rows = table();
        print(json_ ? as_json(rows) : as_text(rows));
        return exit_status::done;
    }

private:
    std::vector<Row> table() const {
        TcpOptions only_profile = tcp_;
        only_profile.set.clear();
        const tcp::Config defaults, profile = only_profile.config(), now = tcp_.config();
        std::vector<Row> rows;
        for (const tcp::ConfigField& field : tcp::config_fields()) {
            std::string value = tcp::config_text(field, now);
            const char* source = "set";
            if (value == tcp::config_text(field, profile)) source = "profile";
            if (value == tcp::config_text(field, defaults)) source = "default";
            rows.push_back({&field, std::move(value), source});
        }
        return rows;
    }
    static std::string as_text(const std::vector<Row>& rows) {
        std::string out = fmt::format("{:<22} {:<11} {:<11} {:<7} {}\n", "NAME", "VALUE", "UNIT",
                                      "SOURCE", "LINUX NAME");
        for (const Row& row : rows) {
            std::string line = fmt::format("{:<22} {:<11} {:<11} {:<7} ", row.field->name,
                                           row.value, row.field->unit, row.source);
            const std::string_view alias = row.field->alias;
            if (line.size() + alias.size() > columns)
                line += fmt::format("\n{:>{}}", alias, columns);
            else
                line += alias;
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out +
               "\n--json has a description of each; --set NAME=VALUE changes one for a command.\n";
    }
    static std::string as_json(const std::vector<Row>& rows) {
        const tcp::Config defaults;
        observe::TextBuffer out;
        out.add(R"({"schema":"estab.config/1","parameters":[)");
        const auto member = [&out](std::string_view name, std::string_view value) {
            out.add(",\"");
            out.add(name);
            out.add("\":");
            observe::add_json_string(out, value);
        };
        bool first = true;
        for (const Row& row : rows) {
            out.add(first ? "\n{\"name\":" : ",\n{\"name\":");
            first = false;
            observe::add_json_string(out, row.field->name);
            member("value", row.value);
            member("default", tcp::config_text(*row.field, defaults));
            member("unit", row.field->unit);
            member("source", row.source);
            member("sysctl", row.field->alias);
            member("help", row.field->help);
            out.add("}");
        }
        out.add("\n]}\n");
        return std::string(out.view());
    }

    std::string verb_;
    bool json_ = false;
    TcpOptions tcp_;
};

}  // namespace

std::unique_ptr<Command> make_config() { return std::make_unique<Config>(); }

}  // namespace estab::cli

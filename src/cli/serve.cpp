#include "cli/command.hpp"

namespace estab::cli {
namespace {

class Serve final : public Command {
public:
    void setup(Options&) override {}
    int run(const Words&) override { throw std::runtime_error("not yet"); }
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace estab::cli

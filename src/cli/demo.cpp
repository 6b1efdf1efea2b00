#include "cli/command.hpp"

namespace estab::cli {
namespace {

class Demo final : public Command {
public:
    void setup(Options&) override {}
    int run(const Words&) override { throw std::runtime_error("not yet"); }
};

}  // namespace

std::unique_ptr<Command> make_demo() { return std::make_unique<Demo>(); }

}  // namespace estab::cli

#pragma once

namespace estab::socket {

class Reactor;

class DatagramHost {
public:
    explicit DatagramHost(Reactor&) {}
};

}  // namespace estab::socket

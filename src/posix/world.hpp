// What the descriptors need of whoever drives the stack: what time it is, and a way to let time go
// on while a call waits. Real time, two stacks in memory and a script's runner are alike here.
#pragma once

#include "base/time.hpp"
#include "stack/stack.hpp"

namespace estab::posix {

class World {
public:
    virtual ~World() = default;
    virtual Instant now() const = 0;
    virtual stack::Stack& stack() = 0;
    // One turn: waits for something to happen, but not beyond `deadline`. False: it has stopped, or
    // nothing can happen any more. A call that waits then fails with EINTR.
    virtual bool run_once(Instant deadline) = 0;
    // A call has given the stack something to say. What may go out now should.
    virtual void speak() {}
};

}  // namespace estab::posix

// Entering new and existing namespaces. All of it belongs into a child: see in_child.
#pragma once

#include "drivers/system.hpp"

namespace estab::drivers {

// A new user and a new network namespace, our user and group mapped to themselves (or, where the
// kernel refuses that, to 0). Root that may not have a user namespace does without; false then.
bool enter_new_user_and_network();
void enter_new_network();
void enter(int user_namespace, int network_namespace);  // the first may be -1
Fd current_namespace(const char* kind);                 // "user", "net"

}  // namespace estab::drivers

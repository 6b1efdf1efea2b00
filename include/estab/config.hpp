// tcp::Config: every constant of TCP (RFC 9293 and its companions) with its unit, as plain data.
// tcp::profile::linux_() is the default; rfc(), freebsd() and tutorial() are others. A stack has
// one, listeners and connections may bring their own, which is copied.
#pragma once

#include "base/time.hpp"
#include "tcp/config.hpp"

namespace estab {

using Config = tcp::Config;
namespace profile = tcp::profile;

}  // namespace estab

// Result<T> is a value or an Error: what POSIX says with errno, listed with each call. Nothing
// below the runtime throws; a runtime that cannot be set up throws drivers::SystemError, one line
// for people.
#pragma once

#include "base/result.hpp"

// What happened inside a stack: event::Event is plain data, kept in memory that
// StackOptions::event_room lends, for the kinds that event::Log was asked for. event::Counters
// counts always, under the names of Linux's SNMP tables.
#pragma once

#include "event/counters.hpp"
#include "event/event.hpp"

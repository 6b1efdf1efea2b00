// The byte queues of a connection, addressed by sequence number and made of pooled chunks. An empty
// one holds no memory. Neither knows about windows: the connection says how much may go in.
#pragma once

#include "tcp/chunk.hpp"
#include "tcp/recv_buffer.hpp"
#include "tcp/send_buffer.hpp"

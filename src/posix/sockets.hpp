// The sockets of POSIX and Linux over a stack: descriptors, blocking and non-blocking calls, errno,
// options under Linux's names and numbers, poll and epoll. TCP over IPv4 and IPv6, one thread.
//
// Every call is there twice. `recv()` waits where the descriptor blocks, by letting the World go
// on; `start_recv()` gives the Call back to whoever wants to wait in another way. Both have one
// meaning: a result >= 0, or -1 and the reason in last_error(), one of <cerrno>.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "posix/call.hpp"
#include "posix/world.hpp"

namespace estab::posix {

// What a connection of Linux remembers about itself, with the rest of its options in a tcp::Config.
struct Socket {
    enum class State : std::uint8_t { fresh, listening, connecting, connected };

    int domain = AF_INET;
    State state = State::fresh;
    bool nonblocking = false;
    bool owns_bound = false;           // bind() was called
    bool connect_told = true;          // connect() has said 0
    wire::Endpoint bound{};
    tcp::Config config{};
    stack::ListenerId listener{};
    stack::ConnectionId connection{};
    wire::Endpoint peer{};

    int pending_error = 0;             // for SO_ERROR and the next call
    bool error_taken = false;          // the connection's end was reported
    bool shut_read = false, shut_write = false;
    bool reuse_address = false, reuse_port = false, oob_inline = false, broadcast = false;
    bool fast_open_connect = false;    // TCP_FASTOPEN_CONNECT
    bool fast_open_no_cookie = false;  // TCP_FASTOPEN_NO_COOKIE
    std::vector<std::uint8_t> fast_open_key{};  // TCP_FASTOPEN_KEY; empty: the stack's
    stack::PortRange ports{};          // IP_LOCAL_PORT_RANGE
    bool deferred = false;             // connect() said 0, and the SYN waits for the first write()
    bool nodelay = false, cork = false, corked = false, inq = false, v6only = false;
    bool recv_buffer_set = false, send_buffer_set = false, recv_error = false, zerocopy = false;
    linger linger_{};
    Duration recv_timeout{}, send_timeout{};  // 0: for ever
    std::uint32_t recv_low = 1;
    std::uint32_t recv_buffer = 0, send_buffer = 0;  // as getsockopt tells them
    int defer_accept = 0, window_clamp = 0, fast_open = 0, priority = 0, mark = 0;
    int linger2 = 60;
    int backlog = 0;                   // of listen(): the last word
    int user_timeout_ms = 0;
    std::map<int, int> noted;          // options that are remembered and change nothing here

    // MSG_ZEROCOPY: octets are copied all the same, and the error queue tells so when they have
    // been acknowledged, as Linux does where the device copies. Runs of calls are one entry.
    struct ZeroCopy {
        std::uint32_t id = 0;
        std::uint64_t end = 0;         // of its octets, counted from the stream's first
    };
    struct ZeroCopied {
        std::uint32_t first = 0, last = 0;
    };
    std::deque<ZeroCopy> zero_copies;  // not acknowledged yet
    std::deque<ZeroCopied> zero_copied;

    // SO_TIMESTAMPING: when the last octet of each call went out and was acknowledged.
    struct Stamp {
        std::uint32_t key = 0;         // SOF_TIMESTAMPING_OPT_ID
        std::uint64_t end = 0;         // as above
        bool sent = false;
    };
    struct Stamped {
        std::uint32_t key = 0, what = 0;  // SCM_TSTAMP_*
        Instant at{};
    };
    int timestamping = 0;
    std::uint64_t stamp_base = 0;      // what keys are counted from
    std::deque<Stamp> stamps;
    std::deque<Stamped> stamped;
    std::uint32_t zero_copy_next = 0;
    std::uint64_t zero_copies_told = 0;
};

struct EpollItem {
    epoll_event wanted{};
    std::uint32_t seen = 0;            // what was ready when it was last looked at
    std::uint64_t in_mark = 0;         // how much had arrived when it was last reported
    bool disarmed = false;             // EPOLLONESHOT has fired
};
struct Epoll {
    std::map<int, EpollItem> items;
};

class Sockets {
public:
    struct Options {
        int first_descriptor = 3;      // the lowest number that is given out
        std::size_t descriptors_max = 65'536;  // policy when full: EMFILE
        // What SO_RCVBUF and SO_SNDBUF tell and take for each octet of buffer. Linux doubles what
        // is set, for its own records; others do not.
        std::uint32_t buffer_overhead = 2;
        // As BSD: sendto() on a socket that is not connected connects it, and TCP_FASTOPEN on such
        // a socket lets the text go with the SYN.
        bool implied_connect = false;
    };
    explicit Sockets(World& world) : Sockets(world, Options{}) {}
    Sockets(World& world, const Options& options);
    ~Sockets();
    Sockets(const Sockets&) = delete;
    Sockets& operator=(const Sockets&) = delete;

    // Why the last call failed, one of <cerrno>; a call that does not fail leaves it alone.
    int last_error() const { return errno_; }

    // --- Sockets
    int socket(int domain, int type, int protocol);
    int bind(int fd, const sockaddr* address, socklen_t length);
    int listen(int fd, int backlog);
    int accept(int fd, sockaddr* address, socklen_t* length) {
        return accept4(fd, address, length, 0);
    }
    int accept4(int fd, sockaddr* address, socklen_t* length, int flags);
    int connect(int fd, const sockaddr* address, socklen_t length);
    int shutdown(int fd, int how);
    int close(int fd);
    int dup(int fd);
    int getsockname(int fd, sockaddr* address, socklen_t* length);
    int getpeername(int fd, sockaddr* address, socklen_t* length);

    // --- Octets
    ssize_t read(int fd, void* into, std::size_t size) { return recv(fd, into, size, 0); }
    ssize_t readv(int fd, const iovec* parts, int count);
    ssize_t recv(int fd, void* into, std::size_t size, int flags);
    ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                     socklen_t* length);
    ssize_t recvmsg(int fd, msghdr* message, int flags);
    ssize_t write(int fd, const void* octets, std::size_t size) {
        return send(fd, octets, size, 0);
    }
    ssize_t writev(int fd, const iovec* parts, int count);
    ssize_t send(int fd, const void* octets, std::size_t size, int flags);
    ssize_t sendto(int fd, const void* octets, std::size_t size, int flags, const sockaddr* to,
                   socklen_t length);
    ssize_t sendmsg(int fd, const msghdr* message, int flags);

    // --- Pipes, files in memory, and what moves octets between them and sockets
    int pipe2(int (&fds)[2], int flags);
    int open_memory(std::vector<std::uint8_t> octets);  // for read(), sendfile() and splice()
    ssize_t sendfile(int out, int in, std::uint64_t* offset, std::size_t count);
    ssize_t splice(int in, int out, std::size_t count, unsigned flags);

    // --- Readiness
    int poll(pollfd* fds, nfds_t count, int timeout_ms);
    int epoll_create1(int flags);
    int epoll_ctl(int epfd, int operation, int fd, epoll_event* event);
    int epoll_wait(int epfd, epoll_event* events, int events_max, int timeout_ms);

    // --- Options
    int setsockopt(int fd, int level, int name, const void* value, socklen_t length);
    int getsockopt(int fd, int level, int name, void* value, socklen_t* length);
    int fcntl(int fd, int command, long argument = 0);
    int ioctl(int fd, unsigned long request, int* argument);

    // --- The same, to be waited for by somebody else. Pointers must live as long as the Call.
    Call start_accept(int fd, sockaddr* address, socklen_t* length, int flags);
    Call start_connect(int fd, const sockaddr* address, socklen_t length);
    Call start_recv(int fd, std::span<const iovec> parts, int flags, msghdr* message = nullptr);
    Call start_send(int fd, std::span<const iovec> parts, int flags, const sockaddr* to = nullptr,
                    socklen_t length = 0);
    Call start_sendfile(int out, int in, std::uint64_t* offset, std::size_t count);
    Call start_splice(int in, int out, std::size_t count, unsigned flags);
    Call start_poll(pollfd* fds, nfds_t count, int timeout_ms);
    Call start_epoll_wait(int epfd, epoll_event* events, int events_max, int timeout_ms);
    Call start_close(int fd);
    // The World goes on until the call is over.
    std::int64_t wait(Call& call);

    // --- For those who look behind the descriptors
    // What sockets to come begin with; at first the stack's own.
    void set_defaults(const tcp::Config& config);
    // Something may have gone out, or been acknowledged: SO_TIMESTAMPING wants to know when. Calls
    // ask by themselves; who lets time pass in other ways may ask more often.
    void look_at_stamps();
    // The connection, whoever owns it: none if there is none (yet, or any more).
    const tcp::Connection* connection(int fd) const;
    stack::ConnectionId connection_id(int fd) const;
    const Socket* find(int fd) const;
    std::uint32_t ready(int fd) const;  // POLLIN and so on, now

private:
    struct Pipe {
        std::deque<std::uint8_t> octets;
        bool reader = false, writer = false;  // somebody holds that end
    };
    struct Memory {
        std::vector<std::uint8_t> octets;
        std::uint64_t at = 0;
    };
    struct File {                        // one of them
        std::unique_ptr<Socket> socket;
        std::unique_ptr<Epoll> epoll;
        std::shared_ptr<Pipe> pipe;
        std::shared_ptr<Memory> memory;
        bool writes = false;             // that end of the pipe
        bool nonblocking = false;        // of a pipe
    };

    int done(std::int64_t result);       // >= 0, or -errno: what the caller is told
    int add(std::shared_ptr<File> file);
    std::shared_ptr<File> file(int fd) const;
    Socket* socket_of(int fd) const;
    int why_no_socket(int fd) const;     // EBADF or ENOTSOCK
    tcp::Connection* live(const Socket& s) const;
    void touch(const Socket& s);
    void apply(Socket& s);               // options to the connection there is
    int take_error(Socket& s);
    int ending_of(const Socket& s) const;
    std::uint32_t ready(const Socket& s) const;
    std::uint64_t arrived(const Socket& s) const;

    std::int64_t bind_to(Socket& s, const sockaddr* address, socklen_t length);
    bool is_bound_elsewhere(const Socket& s, const wire::Endpoint& at) const;
    std::uint16_t draw_port(const Socket& s);
    std::int64_t listen_on(Socket& s, int backlog);
    std::int64_t begin_connect(Socket& s, const sockaddr* address, socklen_t length);
    std::int64_t open(Socket& s, const wire::Endpoint& to, std::span<const iovec> early,
                      std::size_t& sent);
    std::int64_t begin_fast_open(Socket& s, const sockaddr* to, socklen_t length,
                                 std::span<const iovec> parts, std::size_t& sent);
    tcp::Config listener_config(const Socket& s) const;
    void refresh_fast_open(Socket& s) const;
    std::int64_t set_fast_open(Socket& s, int name, Bytes value);
    void give_fast_open_key(const Socket& s);
    std::optional<std::int64_t> see_connect(Socket& s);
    void disconnect(Socket& s);
    std::optional<std::int64_t> try_recv(Socket& s, std::span<const iovec> parts, int flags,
                                         std::size_t& copied, msghdr* message);
    std::optional<std::int64_t> try_send(Socket& s, std::span<const iovec> parts, int flags,
                                         std::size_t& sent);
    void tell_inq(const Socket& s, msghdr* message);
    void note_zero_copy(Socket& s);
    void note_stamp(Socket& s, int flags);
    bool look_at_stamps(Socket& s);
    std::int64_t read_stamp(Socket& s, std::size_t size, msghdr* message);
    std::int64_t set_timestamping(Socket& s, int flags);
    void take_acknowledged(Socket& s);
    std::int64_t read_error_queue(Socket& s, msghdr* message);
    std::int64_t set_socket_level(Socket& s, int name, Bytes value);
    std::int64_t set_tcp(Socket& s, int name, Bytes value);
    std::int64_t set_ip(Socket& s, int level, int name, Bytes value);
    std::int64_t get_socket_level(Socket& s, int name, std::vector<std::uint8_t>& out);
    std::int64_t get_tcp(Socket& s, int name, std::vector<std::uint8_t>& out);
    std::int64_t get_ip(const Socket& s, int level, int name, std::vector<std::uint8_t>& out);
    static std::optional<std::int64_t> take_from(File& from, std::uint64_t* offset,
                                                 std::span<std::uint8_t> into);
    static std::optional<std::int64_t> put_into(File& to, Bytes octets);
    static std::optional<std::int64_t> try_read_file(File& from, std::span<const iovec> parts);
    static std::optional<std::int64_t> try_write_file(File& to, std::span<const iovec> parts);
    std::optional<std::int64_t> move_to_socket(File& from, std::uint64_t* offset, Socket& to,
                                               std::size_t count, bool more, std::size_t& moved);
    int collect(Epoll& epoll, std::span<epoll_event> events);
    std::int64_t forget(int fd);

    World& world_;
    Options options_;
    tcp::Config defaults_;
    std::vector<std::shared_ptr<File>> files_;  // by descriptor - first_descriptor
    bool stamps_wait_ = false;
    int errno_ = 0;
};

// Of a stream, counted from its first: what its owner has written so far.
std::uint64_t written_octets(const tcp::Connection& c, Instant now);
// What an Error of ours is called by Linux.
int to_errno(Error error);
wire::Endpoint to_endpoint(const sockaddr* address, socklen_t length);
// As getsockname() fills it in: never more than *length, which becomes what it would take.
void fill_address(const wire::Endpoint& endpoint, int domain, sockaddr* address, socklen_t* length);

}  // namespace estab::posix

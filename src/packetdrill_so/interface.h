/* What the original packetdrill asks of a stack that it loads as a shared object (--so_filename): a
 * table of functions, filled in by packetdrill_interface_init(). Written from the interface's
 * description, so that nothing of packetdrill is needed to build. Functions return as the system
 * calls do: -1 and errno. */
#ifndef ESTAB_PACKETDRILL_INTERFACE_H
#define ESTAB_PACKETDRILL_INTERFACE_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

struct packetdrill_interface {
    void* userdata; /* first argument of every function */
    void (*free)(void*);
    int (*socket)(void*, int domain, int type, int protocol);
    int (*bind)(void*, int fd, const struct sockaddr* address, socklen_t length);
    int (*listen)(void*, int fd, int backlog);
    int (*accept)(void*, int fd, struct sockaddr* address, socklen_t* length);
    int (*connect)(void*, int fd, const struct sockaddr* address, socklen_t length);
    ssize_t (*read)(void*, int fd, void* into, size_t size);
    ssize_t (*readv)(void*, int fd, const struct iovec* parts, int count);
    ssize_t (*recv)(void*, int fd, void* into, size_t size, int flags);
    ssize_t (*recvfrom)(void*, int fd, void* into, size_t size, int flags, struct sockaddr* from,
                        socklen_t* length);
    ssize_t (*recvmsg)(void*, int fd, struct msghdr* message, int flags);
    ssize_t (*write)(void*, int fd, const void* octets, size_t size);
    ssize_t (*writev)(void*, int fd, const struct iovec* parts, int count);
    ssize_t (*send)(void*, int fd, const void* octets, size_t size, int flags);
    ssize_t (*sendto)(void*, int fd, const void* octets, size_t size, int flags,
                      const struct sockaddr* to, socklen_t length);
    ssize_t (*sendmsg)(void*, int fd, const struct msghdr* message, int flags);
    int (*fcntl)(void*, int fd, int command, ...);
    int (*ioctl)(void*, int fd, unsigned long request, ...);
    int (*close)(void*, int fd);
    int (*shutdown)(void*, int fd, int how);
    int (*getsockopt)(void*, int fd, int level, int name, void* value, socklen_t* length);
    int (*setsockopt)(void*, int fd, int level, int name, const void* value, socklen_t length);
    int (*poll)(void*, struct pollfd* fds, nfds_t count, int timeout_ms);
    /* One IP packet into the stack: 0, or -1. */
    int (*netdev_send)(void*, const void* packet, size_t size);
    /* The next packet that leaves it: *size is the room, then what came, 0 if nothing did. */
    int (*netdev_receive)(void*, void* packet, size_t* size, long long* time_us);
    int (*usleep)(void*, useconds_t us);
    int (*gettimeofday)(void*, struct timeval* tv, struct timezone* tz);
    int (*epoll_create)(void*, int size);
    int (*epoll_ctl)(void*, int epfd, int operation, int fd, struct epoll_event* event);
    int (*epoll_wait)(void*, int epfd, struct epoll_event* events, int most, int timeout_ms);
    int (*pipe)(void*, int fds[2]);
    int (*splice)(void*, int from, loff_t* from_offset, int to, loff_t* to_offset, size_t size,
                  unsigned int flags);
};

/* `flags` (--so_flags): words separated by commas: profile=NAME, local=ADDRESS, mtu=N, and
 * NAME=VALUE for a parameter of TCP. NULL: Linux's profile at 192.168.0.1. */
__attribute__((visibility("default"))) void packetdrill_interface_init(const char* flags,
                                                    struct packetdrill_interface* table);

#ifdef __cplusplus
}
#endif

#endif

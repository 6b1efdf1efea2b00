// One shard of TCP/IP: addresses and routes, listeners, connections, timers. Frames and user calls
// go in with the time at which they happen, frames are pulled out. It has no thread, no clock and
// no device; turn.hpp joins it to one. Many can live in one process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/arena.hpp"
#include "base/rng.hpp"
#include "device/device.hpp"
#include "event/counters.hpp"
#include "event/event.hpp"
#include "ip/icmp.hpp"
#include "ip/identification.hpp"
#include "ip/neighbours.hpp"
#include "ip/path_mtu.hpp"
#include "ip/reassembler.hpp"
#include "ip/routes.hpp"
#include "stack/burst.hpp"
#include "stack/fast_open.hpp"
#include "stack/flow_table.hpp"
#include "stack/held.hpp"
#include "stack/packet_queue.hpp"
#include "stack/path_cache.hpp"
#include "stack/records.hpp"
#include "stack/secrets.hpp"
#include "stack/timer_wheel.hpp"
#include "tcp/connection.hpp"
#include "tcp/extras.hpp"
#include "tcp/history.hpp"

namespace estab::stack {

// Names of connections and listeners for their owners. One that has ended is never mistaken for
// another.
struct ConnectionId {
    std::uint32_t index = 0xffff'ffff;
    std::uint32_t generation = 0;
    bool valid() const { return index != 0xffff'ffff; }
    friend constexpr bool operator==(ConnectionId, ConnectionId) = default;
};
struct ListenerId {
    std::uint32_t index = 0xffff'ffff;
    std::uint32_t generation = 0;
    bool valid() const { return index != 0xffff'ffff; }
    friend constexpr bool operator==(ListenerId, ListenerId) = default;
};

struct StackOptions {
    tcp::Config config{};  // of connections and listeners, unless they bring their own
    std::size_t memory_bytes = 256u << 20;       // hard budget of all records, buffers and tables
    std::uint64_t seed = 0;                      // keys, ports, limits: the same seed, the same run
    std::span<event::Event> event_room{};        // where events are kept that somebody asks for
    wire::Mac mac{};                             // of an Ethernet device
    bool echo_for_accepted = true;  // answer pings to addresses that are accepted but not our own
    std::size_t answers_bytes = 512u << 10;      // packets of those without a connection, waiting
};

struct ListenOptions {
    wire::Prefix address{};  // unspecified, length 0: any address of both families; else a network
    bool any_address = true;         // false: `address` counts
    std::uint16_t port = 0;          // 0 with any_port: every port
    bool any_port = false;
    std::uint32_t backlog = 0;       // accept queue; 0: the config's
    bool hold = false;               // SYNs wait for the owner's word: next_held()
    const tcp::Config* config = nullptr;  // copied; none: the stack's
};

struct PortRange {  // both inside
    std::uint16_t first = 32'768, last = 60'999;
};

struct ConnectOptions {
    std::optional<wire::Address> local_address{};  // MUST-43; else the routes choose (MUST-44)
    std::uint16_t local_port = 0;                // 0: drawn (RFC 6056), from `ports`
    PortRange ports{};
    // What is written at once goes with the SYN, where the config lets a client do so and the other
    // side has given a cookie (RFC 7413). It may arrive twice: for requests that may be repeated.
    bool fast_open = false;
    const tcp::Config* config = nullptr;         // copied; none: the stack's
};

// Something happened to a connection or listener since the owner last looked.
struct Notification {
    ConnectionId connection{};       // valid or ...
    ListenerId listener{};           // ... a listener: something to accept, or held
    tcp::Notice what{};
};

struct HeldSyn {
    HeldSynId id;
    ListenerId listener;
    wire::FourTuple tuple;
};

// A row of a table of sockets.
struct Row {
    tcp::State state{};
    wire::FourTuple tuple{};
    std::uint64_t queue_in = 0, queue_out = 0;  // octets; of a listener: to accept, backlog
    tcp::Info info{};                           // of connections
    ConnectionId id{};
    Duration timer_left{-1};                    // negative: off
    std::uint8_t retransmits = 0;
};

class Stack {
public:
    Stack(Instant now, const StackOptions& options);
    ~Stack();
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    // --- Where we are
    // What the device can do; before the first frame, and again when it changes.
    void attach(const device::Caps& caps);
    // Whoever asks may change it: whether an address is ours is asked anew. For use at once.
    ip::Routes& routes() {
        has_local_ = false;
        return routes_;
    }
    ip::Neighbours& neighbours() { return neighbours_; }

    // --- A turn
    // Frames that have arrived. They may be forgotten when this returns. ACKs are owed, not yet
    // made.
    void receive(Instant now, std::span<const device::Frame> frames);
    // Everything whose time has come.
    void advance(Instant now);
    // Writes the next frame to `room` (frame_bytes() of it at least); its size, or 0 when there is
    // nothing to say. Room comes before any state moves, so that a full device is never a loss.
    // With `tail`, payload may stay in the send buffer: then `room` has what comes before it, the
    // size counts both, and the pieces live until the next call of anything here.
    using Tail = std::span<const Bytes>;
    std::size_t write_next(Instant now, MutableBytes room, device::Offload& offload,
                           Tail* tail = nullptr);
    bool has_output() const;
    std::size_t frame_bytes() const { return frame_bytes_; }
    // When to call advance() next; `now` or before: at once.
    Instant deadline() const;

    // --- Users' calls
    Result<ListenerId> listen(const ListenOptions& options);
    Result<ConnectionId> accept(ListenerId listener);           // would_block: none waits
    Result<void> close_listener(Instant now, ListenerId listener);  // queued connections are reset
    Result<void> configure(ListenerId listener, const tcp::Config& config);  // of SYNs to come
    Result<ConnectionId> connect(Instant now, const wire::Endpoint& remote,
                                 const ConnectOptions& options);

    Result<std::size_t> write(Instant now, ConnectionId id, Bytes octets);
    Result<std::size_t> write_urgent(Instant now, ConnectionId id, Bytes octets);
    void end_record(ConnectionId id);
    // Without a copy; see tcp::Connection. `done` must not call the stack.
    Result<std::size_t> write_external(Instant now, ConnectionId id, Bytes octets,
                                       tcp::SendBuffer::Release done, void* context);
    Result<MutableBytes> reserve(Instant now, ConnectionId id);
    Result<void> commit(Instant now, ConnectionId id, std::size_t octets);
    Result<std::size_t> read(Instant now, ConnectionId id, MutableBytes into);
    Bytes peek(ConnectionId id) const;
    void consume(Instant now, ConnectionId id, std::size_t octets);
    Result<void> shutdown_write(Instant now, ConnectionId id);
    void close(Instant now, ConnectionId id);    // the id is dead afterwards; the FIN goes its way
    void abort(Instant now, ConnectionId id);    // RST; the id is dead afterwards
    // Changes that act at once: nodelay, cork, config. Call `touch` after using the reference to
    // write.
    tcp::Connection* find(ConnectionId id);
    const tcp::Connection* find(ConnectionId id) const;
    void touch(Instant now, ConnectionId id);
    tcp::Environment& environment() { return environment_; }

    // The peer's port where its segments go in datagrams; 0: they do not.
    std::uint16_t udp_port(ConnectionId id) const;
    // Would text go with a SYN to `remote`?
    bool knows_fast_open(Instant now, const wire::Address& remote, const tcp::Config& config);
    // Keys of our Fast Open cookies, for hosts that share an address; else they are our own and
    // change by themselves.
    void set_fast_open_keys(SipKey primary, std::optional<SipKey> backup) {
        fast_open_keys_.set(primary, backup);
    }
    // For one listener alone, instead of the stack's.
    void set_fast_open_keys(ListenerId id, SipKey primary, std::optional<SipKey> backup);

    // What clients have learnt of cookies and of paths that do not let them pass.
    void forget_fast_open() { fast_open_cache_.forget(); }
    // What is known of paths to hosts, where Config::tcb_sharing is on.
    PathCache& paths() { return paths_; }

    // Held SYNs of a listener with `hold`: oldest first.
    std::optional<HeldSyn> next_held(ListenerId listener);
    Result<void> accept_held(Instant now, HeldSynId id);        // SYN-ACK; then as any other
    Result<void> refuse_held(Instant now, HeldSynId id);        // RST
    Result<void> drop_held(HeldSynId id);                       // silence
    Result<void> unreachable_held(Instant now, HeldSynId id, wire::IcmpReason reason);

    // Edge-triggered: what happened since the last call, each connection once.
    std::optional<Notification> next_notification();

    // --- Datagrams and raw packets (udp sockets sit on these)
    // --------------------------------------- Queues a complete IP packet for the device; no_memory
    // when the queue is full.
    MutableBytes reserve_packet(std::size_t octets) { return answers_.reserve(octets); }
    void commit_packet(std::size_t octets) { answers_.commit(octets); }
    // Packets to us of this protocol go here first (ICMP: pings to accepted addresses). True: taken
    using PacketHandler = bool (*)(void* context, Instant now, const wire::IpPacket& packet,
                                   const device::Offload& offload);
    void on_packet(std::uint8_t protocol, PacketHandler handler, void* context);
    using IcmpHandler = void (*)(void* context, Instant now, const ip::IcmpReport& report);
    void on_icmp_report(std::uint8_t protocol, IcmpHandler handler, void* context);
    // ICMP error about a packet that came in (rate limited, never about errors).
    void answer_error(Instant now, const wire::IpPacket& about, wire::IcmpReason reason);

    // --- Questions
    const event::Counters& counters() const { return counters_; }
    event::Counters& counters() { return counters_; }
    event::Log& log() { return log_; }
    const Memory& memory() const { return memory_; }
    Rng& rng() { return rng_; }
    const tcp::Config& config() const { return config_; }
    std::uint32_t interface_mtu() const { return caps_.mtu; }
    std::size_t connections() const { return records_.in_use(); }
    std::size_t half_open() const { return half_open_.in_use(); }
    std::size_t time_waits() const { return time_waits_.in_use(); }
    std::size_t accept_queue(ListenerId id) const;
    // Every listener, connection, half-open and TIME-WAIT record.
    std::vector<Row> table(Instant now);

private:
    static constexpr std::uint32_t none = 0xffff'ffff;

    struct Links {  // a place in a list of records
        static constexpr std::uint32_t outside = 0xffff'fffe;
        std::uint32_t next = outside, prev = outside;
        bool is_in() const { return next != outside; }
    };
    struct List {        // doubly linked, first in, first out
        std::uint32_t head = none, tail = none;
    };
    struct Record {
        Record(const wire::FourTuple& tuple, const tcp::Config& config, std::uint32_t index,
               std::uint16_t mtu, std::uint32_t gen)
            : connection(tuple, config, index, mtu), generation(gen) {}
        tcp::Connection connection;
        TimerLinks timer;
        std::uint32_t generation;
        // Who may speak; who has news for its owner or, when `queued`, waits for one.
        Links speak, news;
        tcp::Notice notice{};
        bool owned : 1 = false;             // a user holds its id
        bool queued : 1 = false;            // in an accept queue
        bool orphan : 1 = false;            // counted as one
        bool linked : 1 = true;             // in the flow table
        bool fast_open : 1 = false;         // and nothing is known about how it went
        bool shared : 1 = false;            // began with what others know, and owes it back
    };
    struct Listener {
        ListenOptions options;
        const tcp::Config* config = nullptr;     // of configs_kept_ or the stack's
        std::uint32_t generation = 0;
        bool used = false;
        bool noticed = false;
        std::uint32_t half_open = 0;
        List queue;                              // to be accepted, by Record::news
        std::uint32_t queue_length = 0;
        std::uint32_t held = 0;
        std::optional<FastOpenKeys> fast_open_keys{};  // its own
        std::uint32_t fast_open_pending = 0;     // handshakes that are not complete
        std::vector<Instant> fast_open_dead;     // reset before that: until when each still counts
        Instant cookies_since = Instant::min();  // the last cookie sent: later ACKs may carry one
    };
    struct LinksOf {
        Stack* stack;
        TimerLinks& operator()(std::uint32_t ref) const;
    };

    // receive.cpp
    void receive_frame(Instant now, const device::Frame& frame);
    void receive_packet(Instant now, const device::Frame& frame, Bytes bytes, bool link_broadcast,
                        const wire::Mac* from);
    void deliver(Instant now, const device::Frame& frame, const wire::IpPacket& packet,
                 const wire::Mac* from);
    void deliver_other(Instant now, const device::Frame& frame, const wire::IpPacket& packet,
                       const wire::Mac* from);
    void receive_tcp(Instant now, const device::Frame& frame, const wire::IpPacket& packet);
    bool merge(const wire::FourTuple& tuple, const wire::TcpView& view, wire::Ecn ecn,
               const device::Offload& offload);
    bool goes_on(const device::Offload& offload, Bytes packet);
    void extend(Bytes text, wire::Flags flags, const device::Offload& offload);
    bool is_martian(const wire::IpPacket& packet) const;
    // It was found to be ours, and no group's, and the routes have not changed.
    bool is_known_local(const wire::Address& address) const {
        return has_local_ && address == last_local_;
    }
    void flush_merged(Instant now);
    void receive_icmp(Instant now, const wire::IpPacket& packet, const wire::Mac* from);
    void icmp_to_tunnel(Instant now, ip::IcmpReport report);
    void icmp_to_tcp(Instant now, const ip::IcmpReport& report);
    void drop(event::Drop reason);
    // tunnel.cpp
    struct Tunnel {
        wire::FourTuple tuple;
        std::uint16_t port;              // of the peer's datagrams
    };
    bool is_tunnelled(const wire::IpPacket& packet) const;
    void receive_tunnelled(Instant now, const device::Frame& frame, const wire::IpPacket& packet);
    std::uint16_t tunnel_of(const wire::FourTuple& tuple) const {  // 0: none
        return tunnels_.empty() && !answer_through_ ? std::uint16_t{0} : find_tunnel(tuple);
    }
    std::uint16_t find_tunnel(const wire::FourTuple& tuple) const;
    bool came_through_another(const wire::FourTuple& tuple);
    bool keep_tunnel(const wire::FourTuple& tuple);
    void forget_tunnel(const wire::FourTuple& tuple);
    std::uint32_t mtu_for(const wire::FourTuple& tuple) const;
    void write_tunnel(MutableBytes room, const wire::FourTuple& tuple, std::uint16_t port) const;
    // listener.cpp
    Listener* find_listener(ListenerId id);
    std::uint32_t listener_index(const wire::Endpoint& local) const;
    void on_listen(Instant now, const wire::FourTuple& tuple, tcp::Segment& seg,
                   const wire::IpPacket& packet);
    void on_syn(Instant now, std::uint32_t listener, const wire::FourTuple& tuple,
                tcp::Segment& seg, const wire::IpPacket& packet,
                std::optional<tcp::Seq> iss = std::nullopt);
    // fast_open.cpp
    std::optional<tcp::FastOpenOffer> fast_open_offer(Instant now, const wire::Address& remote,
                                                      const tcp::Config& config);
    void offer_fast_open(Instant now, std::uint32_t index);
    void follow_fast_open(Instant now, std::uint32_t index);
    void leave_fast_open(Instant now, std::uint32_t index);
    void note_fast_open(Instant now, std::uint32_t index, event::Step step);
    bool has_fast_open_room(Instant now, Listener& listener);
    bool try_fast_open(Instant now, std::uint32_t listener, const tcp::Handshake& h,
                       const wire::FourTuple& tuple, tcp::Segment& syn,
                       tcp::FastOpenCookie& cookie);
    bool open_early(Instant now, std::uint32_t listener, const tcp::Handshake& h,
                    const wire::FourTuple& tuple, tcp::Segment& syn,
                    const tcp::FastOpenCookie& fresh);
    // listener.cpp, half_open.cpp, held.cpp
    tcp::Handshake offer(Instant now, const Listener& listener, const wire::FourTuple& tuple,
                         const tcp::Segment& seg);
    bool answer_syn(Instant now, Listener& listener, const wire::FourTuple& tuple,
                    const tcp::Handshake& h, const tcp::FastOpenCookie& fast_open = {});
    bool add_half_open(Instant now, Listener& listener, const wire::FourTuple& tuple,
                       const tcp::Handshake& h);
    void send_cookie(Instant now, Listener& listener, const wire::FourTuple& tuple,
                     tcp::Handshake h);
    bool accept_cookie(Instant now, std::uint32_t listener, const wire::FourTuple& tuple,
                       tcp::Segment& seg);
    bool establish(Instant now, Instant arrived, std::uint32_t listener,
                   const wire::FourTuple& tuple, const tcp::Handshake& h, tcp::Segment& seg,
                   std::uint32_t half_open);
    void send_syn_ack(Instant now, const tcp::Config& config, const wire::FourTuple& tuple,
                      const tcp::Handshake& h, const Cookie* cookie,
                      const tcp::FastOpenCookie& fast_open = {});
    void on_half_open(Instant now, Instant arrived, std::uint32_t index, tcp::Segment& seg);
    void on_syn_again(Instant now, std::uint32_t listener, std::uint32_t index,
                      const tcp::Segment& syn);
    void on_half_open_timer(Instant now, std::uint32_t index);
    void forget_half_open(std::uint32_t index);
    tcp::Handshake unpack(Instant now, const HalfOpen& half, const Listener& listener) const;
    std::uint32_t offered_window(const tcp::Config& config, const wire::FourTuple& tuple,
                                 bool timestamps) const;
    bool is_full(const Listener& listener) const;
    void enqueue(std::uint32_t listener, Record& record);
    void hold_syn(Instant now, std::uint32_t listener, const wire::FourTuple& tuple,
                  const tcp::Handshake& h, const wire::IpPacket& packet);
    void recount_half_open();
    void expire_held(Instant now);
    std::vector<Held>::iterator find_held(HeldSynId id);
    // time_wait.cpp
    [[gnu::noinline]] bool pack_time_wait(Record& record);  // seldom, beside settle()
    void on_time_wait(Instant now, std::uint32_t index, tcp::Segment& seg,
                      const wire::FourTuple& tuple, const wire::IpPacket& packet);
    void forget_time_wait(std::uint32_t index);
    bool may_reopen(Instant now, std::uint32_t ref) const;
    bool may_reuse(const TimeWait& tw, const tcp::Segment& syn) const;
    bool reopens_owned(Instant now, std::uint32_t index, tcp::Segment& syn,
                       const wire::IpPacket& packet);
    // stack.cpp
    Record* record(ConnectionId id);
    std::uint32_t make_record(const wire::FourTuple& tuple, const tcp::Config& config);
    [[gnu::noinline]] void free_record(Record& record);
    void touch_record(Record& record);
    void collect(Record& record);
    void settle(Instant now, Record& record);
    static std::uint32_t ref_of(const Record& record) {
        return Ref::make(Kind::connection, record.connection.id());
    }
    void share_path(Instant now, Record& record);
    void fire(Instant now, std::uint32_t ref);
    bool make_room();
    bool drop_some_out_of_order();
    std::uint16_t mtu_towards(Instant now, const wire::Address& remote);
    std::uint16_t draw_port(PortRange range);
    bool find_port(Instant now, PortRange range, wire::FourTuple& tuple) const;
    const wire::FourTuple& tuple_of(std::uint32_t ref) const;
    std::uint32_t find_flow(const wire::FourTuple& tuple) const;
    void notice_listener(std::uint32_t index);
    const tcp::Config* keep_config(const tcp::Config* wanted);
    template <Links Record::*links>
    void push(List& list, Record& record) {
        Links& l = record.*links;
        if (l.is_in()) return;
        const std::uint32_t index = record.connection.id();
        l = {none, list.tail};
        (list.tail != none ? (records_[list.tail].*links).next : list.head) = index;
        list.tail = index;
    }
    template <Links Record::*links>
    void remove(List& list, Record& record) {
        Links& l = record.*links;
        if (!l.is_in()) return;
        (l.prev != none ? (records_[l.prev].*links).next : list.head) = l.next;
        (l.next != none ? (records_[l.next].*links).prev : list.tail) = l.prev;
        l = {};
    }
    bool link_flow(const wire::FourTuple& tuple, std::uint32_t ref);
    void unlink_flow(const wire::FourTuple& tuple, std::uint32_t ref);
    void hand_over_flow(const wire::FourTuple& tuple, std::uint32_t before, std::uint32_t after);
    // output.cpp
    std::size_t write_connection(Instant now, MutableBytes room, device::Offload& offload,
                                 Tail* tail);
    std::size_t write_burst(Instant now, MutableBytes room);
    void take_turn(Record& record, std::size_t octets);
    void end_turn(Instant now, Record& record);
    struct Outgoing {
        const wire::FourTuple& tuple;
        const tcp::Segment& segment;
        bool home;  // to ourselves
    };
    std::size_t write_segment(Instant now, MutableBytes room, const Outgoing& what,
                              device::Offload& offload, Tail* tail);
    std::size_t write_answer(Instant now, MutableBytes room, device::Offload& offload);
    struct Way {
        const wire::Address &from, &to;
        bool home;
    };
    std::size_t finish_frame(Instant now, MutableBytes room, std::size_t ip_bytes, const Way& way,
                             const device::Offload& offload);
    std::size_t address_frame(Instant now, MutableBytes room, std::size_t ip_bytes, const Way& way,
                              const device::Offload& offload);
    // False: too many answers wait already.
    bool answer(const wire::FourTuple& tuple, const tcp::Segment& seg);
    void answer_reset(const wire::FourTuple& tuple, const tcp::Segment& in);

    tcp::Config config_;
    Memory memory_;
    event::Counters counters_;
    event::Log log_;
    Rng rng_;
    Secrets secrets_;
    device::Caps caps_;
    std::size_t frame_bytes_ = 1500;
    std::size_t link_bytes_ = 0;
    wire::Mac mac_;
    bool echo_for_accepted_;

    PathCache paths_;
    tcp::ChunkPool chunks_;
    tcp::SentPool sents_;
    Pool<tcp::Active> actives_;
    Pool<tcp::Config> configs_;
    Pool<tcp::Extras> extras_;
    Pool<tcp::History> histories_;
    tcp::ChallengeLimit challenges_;
    tcp::Environment environment_;

    Arena<Record> records_;
    Arena<HalfOpen> half_open_;
    Arena<TimeWait> time_waits_;
    FlowTable flows_;
    FastOpenKeys fast_open_keys_;
    FastOpenCache fast_open_cache_;
    TimerWheel<LinksOf> wheel_;
    std::vector<Listener> listeners_;        // few; at most listeners_max
    std::uint32_t listeners_noticed_ = 0;
    std::vector<std::unique_ptr<const tcp::Config>>
        configs_kept_;  // what listeners and connections point at
    std::size_t configs_sweep_at_ = 16;      // when it has grown to so many, the unused ones go
    std::uint32_t room_cursor_ = 0;          // where make_room() goes on
    std::vector<Held> held_;                 // oldest first; at most held_syns_max
    std::uint64_t held_serial_ = 0;
    std::uint32_t generation_ = 0;
    std::uint32_t orphans_ = 0;

    ip::Routes routes_;
    ip::Neighbours neighbours_;
    ip::Reassembler reassembler_;
    ip::PathMtu path_mtus_;
    ip::Icmp icmp_;
    ip::Identification identification_;
    PacketQueue answers_;
    PacketQueue loop_;                       // from us to us
    bool is_loop_ = false;                   // what is being received comes from there

    List speak_;
    List news_;
    std::uint64_t quantum_left_ = 0;
    Burst burst_;                            // under way to a device that does not cut

    // The run of segments that are being merged before TCP sees them (receive offload).
    tcp::Segment merged_;
    std::uint32_t merged_ref_ = none;        // none: no run
    Instant merged_arrived_{};
    Bytes merged_options_;                   // of its first segment, as on the wire
    Bytes merged_ip_;                        // and its IP header
    wire::FourTuple last_tuple_{};
    std::uint32_t last_ref_ = none;
    wire::Address last_local_;               // ours, when it was asked for last
    bool has_local_ = false;

    struct Handler {
        PacketHandler on_packet = nullptr;
        IcmpHandler on_icmp = nullptr;
        void* packet_context = nullptr;
        void* icmp_context = nullptr;
    };
    Handler udp_;
    Handler other_;
    std::uint8_t other_protocol_ = 0;
    std::vector<Tunnel> tunnels_;  // in order; at most tunnels_max
    std::optional<std::uint16_t> answer_through_;  // while something is heard or opened: 0 plainly
};

}  // namespace estab::stack

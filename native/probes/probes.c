// The static probes of TunnelBox (sys/sdt.h, provider "tunnelbox"): one function a probe, called by managed code only while the
// probe's semaphore says that somebody is attached. README.md lists the arguments.
#define _SDT_HAS_SEMAPHORES 1
#include <stdint.h>
#include <sys/sdt.h>

#define SEMAPHORE(name) \
    __attribute__((visibility("default"), section(".probes"))) volatile unsigned short tunnelbox_##name##_semaphore

SEMAPHORE(packet_in);
SEMAPHORE(packet_out);
SEMAPHORE(packet_drop);
SEMAPHORE(handshake_send);
SEMAPHORE(handshake_receive);
SEMAPHORE(handshake_complete);
SEMAPHORE(session_new);
SEMAPHORE(session_expire);
SEMAPHORE(endpoint_change);
SEMAPHORE(rekey);
SEMAPHORE(steer_rule);
SEMAPHORE(queue_full);

// Tracing tools read six arguments of a probe; what else is known of a packet lies behind the sixth.
struct tunnelbox_packet {
    uint64_t outer;     // bytes of the data message
    uint64_t worker;    // the thread that counts it
    uint64_t stages[3]; // nanoseconds of its burst in each stage
};

#define PROBE __attribute__((visibility("default"))) void

PROBE tb_packet_in(const char *interface, uint64_t peer, uint32_t receiver, uint64_t counter, uint32_t inner,
                   const struct tunnelbox_packet *more)
{
    STAP_PROBE6(tunnelbox, packet_in, interface, peer, receiver, counter, inner, more);
}

PROBE tb_packet_out(const char *interface, uint64_t peer, uint32_t receiver, uint64_t counter, uint32_t inner,
                   const struct tunnelbox_packet *more)
{
    STAP_PROBE6(tunnelbox, packet_out, interface, peer, receiver, counter, inner, more);
}

PROBE tb_packet_drop(const char *interface, uint64_t peer, const char *reason, uint32_t packets, uint64_t bytes, uint32_t worker)
{
    STAP_PROBE6(tunnelbox, packet_drop, interface, peer, reason, packets, bytes, worker);
}

PROBE tb_handshake_send(const char *interface, uint64_t peer, uint32_t type, uint32_t index, uint32_t length)
{
    STAP_PROBE5(tunnelbox, handshake_send, interface, peer, type, index, length);
}

PROBE tb_handshake_receive(const char *interface, uint64_t peer, uint32_t type, const char *reason, uint32_t length)
{
    STAP_PROBE5(tunnelbox, handshake_receive, interface, peer, type, reason, length);
}

PROBE tb_handshake_complete(const char *interface, uint64_t peer, uint32_t initiator, uint64_t nanoseconds)
{
    STAP_PROBE4(tunnelbox, handshake_complete, interface, peer, initiator, nanoseconds);
}

PROBE tb_session_new(const char *interface, uint64_t peer, uint32_t local, uint32_t remote, uint32_t initiator)
{
    STAP_PROBE5(tunnelbox, session_new, interface, peer, local, remote, initiator);
}

PROBE tb_session_expire(const char *interface, uint64_t peer, uint32_t local, uint64_t sent, uint64_t nanoseconds)
{
    STAP_PROBE5(tunnelbox, session_expire, interface, peer, local, sent, nanoseconds);
}

PROBE tb_endpoint_change(const char *interface, uint64_t peer, const char *endpoint)
{
    STAP_PROBE3(tunnelbox, endpoint_change, interface, peer, endpoint);
}

PROBE tb_rekey(const char *interface, uint64_t peer, uint32_t local, uint32_t retry)
{
    STAP_PROBE4(tunnelbox, rekey, interface, peer, local, retry);
}

PROBE tb_steer_rule(const char *interface, uint32_t queue, uint32_t worker, uint64_t match, const char *backend, const char *state)
{
    STAP_PROBE6(tunnelbox, steer_rule, interface, queue, worker, match, backend, state);
}

PROBE tb_queue_full(const char *interface, uint64_t peer, const char *reason, uint32_t worker)
{
    STAP_PROBE4(tunnelbox, queue_full, interface, peer, reason, worker);
}

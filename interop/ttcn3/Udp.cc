#include "Udp.hh"
#include "blake2s.hh"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

namespace {
struct Address {
    sockaddr_storage storage;
    socklen_t size;
    bool is_ipv6;
};

Address address(const char *host, int port)
{
    Address result = {};
    auto *four = reinterpret_cast<sockaddr_in *>(&result.storage);
    auto *six = reinterpret_cast<sockaddr_in6 *>(&result.storage);
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(static_cast<uint16_t>(port));
        result.size = sizeof *four;
    } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(static_cast<uint16_t>(port));
        result.size = sizeof *six;
        result.is_ipv6 = true;
    } else {
        TTCN_error("%s is no address", host);
    }
    return result;
}

int bound(const char *host, int port)
{
    Address local = address(host, port);
    int fd = socket(local.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, room = 4 << 20;
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&local.storage), local.size) != 0)
        TTCN_error("cannot bind %s port %d: %s", host, port, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    // What is timed is the arrival, and not when a busy machine comes to reading.
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    if (local.is_ipv6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
    else
        setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
    return fd;
}
}

namespace Wire {

Udp::Udp(const char *name) : Udp_BASE(name)
{
    if (sodium_init() < 0)
        TTCN_error("libsodium cannot be used");
}

Udp::~Udp() { close_all(); }

void Udp::close_all()
{
    for (auto &entry : by_number) {
        Handler_Remove_Fd(entry.second, EVENT_RD);
        close(entry.second);
    }
    by_number.clear();
    by_fd.clear();
}

void Udp::user_map(const char *, Map_Params &) {}
void Udp::user_unmap(const char *, Map_Params &) { close_all(); }
void Udp::user_start() {}
void Udp::user_stop() {}

void Udp::outgoing_send(const Open &what)
{
    int number = what.sock(), fd = bound(what.host(), what.udpPort());
    if (by_number.count(number))
        TTCN_error("socket %d is open already", number);
    by_number[number] = fd;
    by_fd[fd] = number;
    Handler_Add_Fd_Read(fd);
}

void Udp::outgoing_send(const Close &what)
{
    auto found = by_number.find(what.sock());
    if (found == by_number.end())
        return;
    Handler_Remove_Fd(found->second, EVENT_RD);
    close(found->second);
    by_fd.erase(found->second);
    by_number.erase(found);
}

void Udp::outgoing_send(const Datagram &what)
{
    auto found = by_number.find(what.sock());
    if (found == by_number.end())
        TTCN_error("socket %d is not open", (int)what.sock());
    Address to = address(what.host(), what.udpPort());
    int tos = what.tos();
    setsockopt(found->second, to.is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, to.is_ipv6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof tos);
    const unsigned char *data = what.data();
    ssize_t sent = sendto(found->second, data, static_cast<size_t>(what.data().lengthof()), 0, reinterpret_cast<sockaddr *>(&to.storage), to.size);
    // An ICMP error to an earlier datagram is told once, here.
    if (sent < 0 && errno == ECONNREFUSED)
        sent = sendto(found->second, data, static_cast<size_t>(what.data().lengthof()), 0, reinterpret_cast<sockaddr *>(&to.storage), to.size);
    if (sent < 0)
        TTCN_error("cannot send to %s: %s", (const char *)what.host(), strerror(errno));
}

void Udp::outgoing_send(const Flood &what)
{
    int fd = bound(what.fromHost(), what.fromPort());
    Address to = address(what.host(), what.udpPort());
    unsigned char message[148] = {1}, key[32];
    memcpy(key, (const unsigned char *)what.macKey(), 32);
    for (int i = 0; i < static_cast<int>(what.count()); i++) {
        randombytes_buf(message + 4, 112);
        blake2s(message + 116, 16, key, 32, message, 116);
        sendto(fd, message, sizeof message, 0, reinterpret_cast<sockaddr *>(&to.storage), to.size);
        // A socket holds a few hundred: what is sent faster than it is read would be lost, and with it the next message.
        if (i % 128 == 127)
            usleep(2000);
    }
    close(fd);
}

void Udp::Handle_Fd_Event_Readable(int fd)
{
    unsigned char data[65536];
    char control[256], text[INET6_ADDRSTRLEN] = "";
    sockaddr_storage from = {};
    iovec part = {data, sizeof data};
    msghdr header = {};
    header.msg_name = &from;
    header.msg_namelen = sizeof from;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t length = recvmsg(fd, &header, 0);
    if (length < 0)
        return;
    timespec now, wall;
    clock_gettime(CLOCK_MONOTONIC, &now);
    clock_gettime(CLOCK_REALTIME, &wall);
    double at = static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
    int tos = 0, port = 0;
    for (cmsghdr *c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
            tos = *CMSG_DATA(c);
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
            memcpy(&tos, CMSG_DATA(c), sizeof tos);
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            at -= static_cast<double>(wall.tv_sec - stamp.tv_sec) + static_cast<double>(wall.tv_nsec - stamp.tv_nsec) / 1e9;
        }
    }
    if (from.ss_family == AF_INET) {
        auto *four = reinterpret_cast<sockaddr_in *>(&from);
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
        port = ntohs(four->sin_port);
    } else {
        auto *six = reinterpret_cast<sockaddr_in6 *>(&from);
        inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text);
        port = ntohs(six->sin6_port);
    }
    Datagram arrived;
    arrived.sock() = by_fd[fd];
    arrived.host() = text;
    arrived.udpPort() = port;
    arrived.tos() = tos;
    arrived.at() = at;
    arrived.data() = OCTETSTRING(static_cast<int>(length), data);
    incoming_message(arrived);
}

}

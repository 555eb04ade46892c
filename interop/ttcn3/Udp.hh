// The test port Udp: sockets by number, each IPv4 or IPv6, with the traffic class of every datagram.
#ifndef Udp_HH
#define Udp_HH

#include "Wire.hh"
#include <map>

namespace Wire {

class Udp : public Udp_BASE {
public:
    Udp(const char *name = NULL);
    ~Udp();

private:
    void Handle_Fd_Event_Readable(int fd);
    void close_all();

    std::map<int, int> by_number;
    std::map<int, int> by_fd;

protected:
    void user_map(const char *system_port, Map_Params &params);
    void user_unmap(const char *system_port, Map_Params &params);
    void user_start();
    void user_stop();

    void outgoing_send(const Open &what);
    void outgoing_send(const Close &what);
    void outgoing_send(const Flood &what);
    void outgoing_send(const Datagram &what);
};

}

#endif

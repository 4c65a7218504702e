// What sockets of connections and of datagrams are given alike.
#pragma once

#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::io {

void set_flag(int socket, int level, int name, int value = 1);
// IP_TRANSPARENT; false (errno): it wants CAP_NET_ADMIN or CAP_NET_RAW.
bool set_transparent(int socket, int family);
// To the port that is to be listened on. `by`: " by UDP", for the error's words.
Status bind_listener(const Fd& socket, const Endpoint& where, std::string_view by = {});
// To a port of its own, and no address, before it connects to `to`; 0: the kernel chooses it then.
Status bind_source_port(const Fd& socket, const Endpoint& to, uint16_t port);
// To an address that need not be this host's, of the socket's family.
Status bind_as(const Fd& socket, const Endpoint& source);

}  // namespace skep::io

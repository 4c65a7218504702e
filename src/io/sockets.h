// Non-blocking TCP sockets: listen, accept, connect from a given end, end in order or by a reset.
#pragma once

#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "model/session.h"
#include "model/tcp_leg.h"

namespace skep::io {

struct ListenOptions {
  // Connections that TPROXY brings are accepted too, whatever their address (IP_TRANSPARENT; wants CAP_NET_ADMIN or
  // CAP_NET_RAW).
  bool transparent = false;
  bool shared = false;  // with other sockets of the same port that are shared too (SO_REUSEPORT)
};
// IPv6 sockets take IPv6 alone, so that "0.0.0.0:80" and "[::]:80" can stand side by side.
Result<Fd> listen_tcp(const Endpoint& where, const ListenOptions& options = {});

struct Accepted {
  Fd socket;
  Endpoint peer;
  Endpoint local;
  SavedSyn syn;  // none where the kernel had kept none
};
// An invalid socket where there is nobody, or no descriptor (errno says which).
Accepted accept_tcp(int listener);

// Begins to connect. `source_port` 0: the kernel chooses. errno EINPROGRESS is success.
Result<Fd> connect_tcp(const Endpoint& to, uint16_t source_port);
// … from an address that need not be this host's (IP_TRANSPARENT, which wants CAP_NET_RAW) and is of the same family;
// port 0 as above.
Result<Fd> connect_tcp_as(const Endpoint& source, const Endpoint& to);
Endpoint local_end(int socket);
// nullopt: it is no TCP socket.
std::optional<TcpFigures> tcp_figures(int socket);
int pending_error(int socket);  // SO_ERROR, cleared
// The peer gets a reset, not a FIN, when the descriptor is closed.
void reset_on_close(int socket);

}  // namespace skep::io

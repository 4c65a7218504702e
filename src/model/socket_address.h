// Socket addresses from and to endpoints.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "model/session.h"

namespace skep {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// IPv4 where the endpoint is v4-mapped.
SocketAddress to_socket_address(const Endpoint& endpoint);
Endpoint to_endpoint(const sockaddr_storage& storage);

}  // namespace skep

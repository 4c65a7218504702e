#include "io/socket_options.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "model/socket_address.h"

namespace skep::io {

void set_flag(int socket, int level, int name, int value) {
  ::setsockopt(socket, level, name, &value, sizeof value);
}

bool set_transparent(int socket, int family) {
  const int on = 1;
  return family == AF_INET6 ? ::setsockopt(socket, SOL_IPV6, IPV6_TRANSPARENT, &on, sizeof on) == 0
                            : ::setsockopt(socket, SOL_IP, IP_TRANSPARENT, &on, sizeof on) == 0;
}

Status bind_listener(const Fd& socket, const Endpoint& where, std::string_view by) {
  const SocketAddress address = to_socket_address(where);
  if (::bind(socket.get(), address.get(), address.bytes) == 0) return {};
  const bool privileged = errno == EACCES && where.port < 1024;
  Status error = fail_errno(fmt::format("listen on {}{}", to_string(where), by));
  if (privileged) error.error().message += " (ports below 1024 want CAP_NET_BIND_SERVICE)";
  return error;
}

Status bind_source_port(const Fd& socket, const Endpoint& to, uint16_t port) {
  if (port == 0) return {};
  Endpoint own = to;
  own.address = {};
  if (to.is_v4()) own.address[10] = own.address[11] = 0xff;
  own.port = port;
  const SocketAddress from = to_socket_address(own);
  if (::bind(socket.get(), from.get(), from.bytes) != 0) return fail_errno("bind the source port");
  return {};
}

Status bind_as(const Fd& socket, const Endpoint& source) {
  const SocketAddress from = to_socket_address(source);
  if (!set_transparent(socket.get(), from.family())) return fail_errno("a source that is another's address");
  if (::bind(socket.get(), from.get(), from.bytes) != 0) return fail_errno("bind " + to_string(source));
  return {};
}

}  // namespace skep::io

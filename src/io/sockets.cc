#include "io/sockets.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/bytes.h"
#include "io/socket_options.h"
#include "model/socket_address.h"

namespace skep::io {
namespace {

constexpr int kBacklog = 4096;

void set_stream_flags(int socket) {
  set_flag(socket, IPPROTO_TCP, TCP_NODELAY);
  set_flag(socket, SOL_SOCKET, SO_OOBINLINE);  // urgent data goes in line
}

// Once: the kernel gives it away and forgets it.
SavedSyn take_saved_syn(int socket) {
  SavedSyn syn;
  socklen_t bytes = SavedSyn::kBytesMax;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_SAVED_SYN, syn.bytes.data(), &bytes) == 0)
    syn.count = static_cast<uint8_t>(bytes);
  return syn;
}

// Where a SYN went: what getsockname would say, without asking. Nowhere where the headers are not the plain ones.
Endpoint destination(const SavedSyn& syn) {
  constexpr size_t kV6Bytes = 40;
  Endpoint to;
  const ByteView bytes = syn.view();
  const unsigned version = bytes.empty() ? 0 : bytes[0] >> 4;
  const size_t ip_bytes = version == 4 ? (bytes[0] & 15U) * 4U : kV6Bytes;
  if (bytes.size() < ip_bytes + sizeof(tcphdr)) return to;
  if (version == 4) {
    to.address[10] = to.address[11] = 0xff;
    std::copy_n(bytes.begin() + offsetof(iphdr, daddr), 4, to.address.begin() + 12);
  } else if (version == 6 && bytes[offsetof(ip6_hdr, ip6_nxt)] == IPPROTO_TCP) {
    std::copy_n(bytes.begin() + offsetof(ip6_hdr, ip6_dst), to.address.size(), to.address.begin());
  } else {
    return to;
  }
  const ByteView port = bytes.subspan(ip_bytes + offsetof(tcphdr, dest), 2);
  to.port = static_cast<uint16_t>(port[0] << 8 | port[1]);
  return to;
}

}  // namespace

Result<Fd> listen_tcp(const Endpoint& where, const ListenOptions& options) {
  const SocketAddress address = to_socket_address(where);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (options.shared) set_flag(socket.get(), SOL_SOCKET, SO_REUSEPORT);
  if (address.family() == AF_INET6) set_flag(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  if (options.transparent && !set_transparent(socket.get(), address.family()))
    return fail_errno("listen transparently on " + to_string(where) + " (CAP_NET_ADMIN or CAP_NET_RAW is wanted)");
  if (auto bound = bind_listener(socket, where); !bound) return tl::unexpected<Error>(bound.error());
  set_stream_flags(socket.get());  // every accepted socket inherits them
  set_flag(socket.get(), IPPROTO_TCP, TCP_SAVE_SYN);
  if (::listen(socket.get(), kBacklog) != 0) return fail_errno("listen on " + to_string(where));
  return socket;
}

Accepted accept_tcp(int listener) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  Accepted accepted;
  accepted.socket.reset(
      ::accept4(listener, reinterpret_cast<sockaddr*>(&storage), &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.socket) return accepted;
  accepted.peer = to_endpoint(storage);
  accepted.syn = take_saved_syn(accepted.socket.get());
  accepted.local = destination(accepted.syn);
  if (accepted.local.port == 0) accepted.local = local_end(accepted.socket.get());
  return accepted;
}

Result<Fd> connect_tcp(const Endpoint& to, uint16_t source_port) {
  const SocketAddress address = to_socket_address(to);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  set_stream_flags(socket.get());
  if (source_port != 0) set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  if (auto bound = bind_source_port(socket, to, source_port); !bound) return tl::unexpected<Error>(bound.error());
  if (::connect(socket.get(), address.get(), address.bytes) != 0 && errno != EINPROGRESS)
    return fail_errno("connect to " + to_string(to));
  return socket;
}

Result<Fd> connect_tcp_as(const Endpoint& source, const Endpoint& to) {
  const SocketAddress address = to_socket_address(to);
  Fd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  set_stream_flags(socket.get());
  set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR);
  // The port is chosen by the 4-tuple, as connect does, not by the address alone.
  if (source.port == 0) set_flag(socket.get(), SOL_IP, IP_BIND_ADDRESS_NO_PORT);
  if (auto bound = bind_as(socket, source); !bound) return tl::unexpected<Error>(bound.error());
  if (::connect(socket.get(), address.get(), address.bytes) != 0 && errno != EINPROGRESS)
    return fail_errno("connect to " + to_string(to));
  return socket;
}

Endpoint local_end(int socket) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &bytes);
  return to_endpoint(storage);
}

std::optional<TcpFigures> tcp_figures(int socket) {
  tcp_info info{};  // zeroes stay where the kernel is older than the header
  socklen_t bytes = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return std::nullopt;
  return TcpFigures{info.tcpi_rtt,      info.tcpi_rttvar,      info.tcpi_min_rtt,       info.tcpi_total_retrans,
                    info.tcpi_segs_out, info.tcpi_segs_in,     info.tcpi_snd_mss,       info.tcpi_rcv_mss,
                    info.tcpi_pmtu,     info.tcpi_bytes_acked, info.tcpi_bytes_received};
}

int pending_error(int socket) {
  int error = 0;
  socklen_t bytes = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes);
  return error;
}

void reset_on_close(int socket) {
  const linger now{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace skep::io

#include "io/datagrams.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "io/socket_options.h"
#include "model/socket_address.h"

namespace skep::io {
namespace {

// Asked for; the system's own bounds (net.core.rmem_max, wmem_max) decide.
constexpr int kBufferBytes = 4 << 20;
constexpr size_t kControlBytes = 128;

Result<Fd> make(int family) {
  Fd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("socket");
  // Beyond the bounds while the proxy may (CAP_NET_ADMIN), up to them where not.
  const int bytes = kBufferBytes;
  for (const auto& [forced, asked] : {std::pair(SO_RCVBUFFORCE, SO_RCVBUF), std::pair(SO_SNDBUFFORCE, SO_SNDBUF)}) {
    if (::setsockopt(socket.get(), SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
      set_flag(socket.get(), SOL_SOCKET, asked, bytes);
  }
  set_flag(socket.get(), SOL_SOCKET, SO_RXQ_OVFL);
  return socket;
}

Status connect_to(const Fd& socket, const Endpoint& to) {
  const SocketAddress address = to_socket_address(to);
  if (::connect(socket.get(), address.get(), address.bytes) != 0) return fail_errno("connect to " + to_string(to));
  return {};
}

bool is_link_local(const Endpoint& endpoint) {
  return endpoint.address[0] == 0xfe && (endpoint.address[1] & 0xc0) == 0x80;
}

bool is_v6_multicast(const Endpoint& endpoint) {
  return endpoint.address[0] == 0xff;
}

Endpoint v4(const in_addr& address) {
  sockaddr_storage storage{};
  auto& in = reinterpret_cast<sockaddr_in&>(storage);
  in.sin_family = AF_INET;
  in.sin_addr = address;
  return to_endpoint(storage);
}

void take_control(const cmsghdr* head, Received& received) {
  const auto* const data = CMSG_DATA(head);
  if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SO_RXQ_OVFL) {
    std::memcpy(&received.lost, data, sizeof received.lost);
  } else if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
    in_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    received.path.local = v4(info.ipi_spec_dst);
  } else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info;
    std::memcpy(&info, data, sizeof info);
    std::memcpy(received.path.local.address.data(), &info.ipi6_addr, sizeof info.ipi6_addr);
    if (is_link_local(received.path.peer)) received.path.interface = info.ipi6_ifindex;
  }
}

// From which address an answer goes.
size_t put_control(const Path& path, bool v4, cmsghdr* head) {
  if (v4) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, path.local.address.data() + 12, sizeof info.ipi_spec_dst);
    head->cmsg_level = IPPROTO_IP;
    head->cmsg_type = IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(head), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
  }
  in6_pktinfo info{};
  // Nothing is sent from a group: then it is the kernel's choice.
  if (!is_v6_multicast(path.local)) std::memcpy(&info.ipi6_addr, path.local.address.data(), sizeof info.ipi6_addr);
  info.ipi6_ifindex = path.interface;
  head->cmsg_level = IPPROTO_IPV6;
  head->cmsg_type = IPV6_PKTINFO;
  head->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(head), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
}

}  // namespace

Result<Fd> listen_udp(const Endpoint& where, bool shared) {
  const bool v4 = where.is_v4();
  auto socket = make(v4 ? AF_INET : AF_INET6);
  if (!socket) return socket;
  const int fd = socket->get();
  if (shared) set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  if (v4) {
    set_flag(fd, IPPROTO_IP, IP_PKTINFO);
  } else {
    set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
  }
  if (auto bound = bind_listener(*socket, where, " by UDP"); !bound) return tl::unexpected<Error>(bound.error());
  return socket;
}

Result<Fd> connect_udp(const Endpoint& to, uint16_t source_port) {
  auto socket = make(to.is_v4() ? AF_INET : AF_INET6);
  if (!socket) return socket;
  if (auto bound = bind_source_port(*socket, to, source_port); !bound) return tl::unexpected<Error>(bound.error());
  if (auto connected = connect_to(*socket, to); !connected) return tl::unexpected<Error>(connected.error());
  return socket;
}

Result<Fd> connect_udp_as(const Endpoint& source, const Endpoint& to) {
  auto socket = make(source.is_v4() ? AF_INET : AF_INET6);
  if (!socket) return socket;
  if (auto bound = bind_as(*socket, source); !bound) return tl::unexpected<Error>(bound.error());
  if (auto connected = connect_to(*socket, to); !connected) return tl::unexpected<Error>(connected.error());
  return socket;
}

Received receive_datagram(int socket, std::span<uint8_t> room) {
  sockaddr_storage from{};
  alignas(cmsghdr) char control[kControlBytes];
  iovec bytes{room.data(), room.size()};
  msghdr message{};
  message.msg_name = &from;
  message.msg_namelen = sizeof from;
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  Received received;
  received.bytes = ::recvmsg(socket, &message, 0);
  if (received.bytes < 0) return received;
  received.cut = (message.msg_flags & MSG_TRUNC) != 0;
  received.path.peer = to_endpoint(from);
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head))
    take_control(head, received);
  return received;
}

int send_datagram(int connected, ByteView bytes) {
  return ::send(connected, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 ? errno : 0;
}

int send_datagram(int listener, const Path& path, ByteView bytes) {
  SocketAddress to = to_socket_address(path.peer);
  const bool v4 = to.family() == AF_INET;
  if (!v4) reinterpret_cast<sockaddr_in6&>(to.storage).sin6_scope_id = path.interface;
  alignas(cmsghdr) char control[kControlBytes] = {};
  iovec part{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = to.get();
  message.msg_namelen = to.bytes;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = put_control(path, v4, reinterpret_cast<cmsghdr*>(control));
  return ::sendmsg(listener, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

}  // namespace skep::io

// Sockets, and what goes through them: by every call that sends, to an address of the request or to the proxy's.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/passing.h"
#include "deeds.h"
#include "net.h"

namespace {

using skep::Fd;

constexpr char kProxy[] = "10.99.0.2:9";

// Of the word, or the proxy's; IPv6 within the testbed's fd99::/16, as [fd99::2]:9, or v4-mapped.
struct Address {
  explicit Address(const std::string& word) {
    if (word.empty() || word[0] != '[') {
      auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
      const bool wildcard = word.starts_with("0.0.0.0:");  // it leads to loopback
      v4 = test_address(word.empty() ? kProxy : wildcard ? "127.0.0.1" + word.substr(7) : word);
      if (wildcard) v4.sin_addr.s_addr = INADDR_ANY;
      bytes = sizeof v4;
      return;
    }
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    const size_t end = word.find(']');
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(std::atoi(word.c_str() + end + 2)));
    const uint8_t* const b = v6.sin6_addr.s6_addr;
    const bool good = ::inet_pton(AF_INET6, word.substr(1, end - 1).c_str(), &v6.sin6_addr) == 1 &&
                      ((b[0] == 0xfd && b[1] == 0x99) ||
                       (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && (b[12] == 127 || (b[12] == 10 && b[13] == 99))) ||
                       IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr));
    if (!good) ::_exit(2);
    bytes = sizeof v6;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

Fd tcp_socket(int family = AF_INET) {
  return Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}
Fd udp_socket(int family = AF_INET) {
  return Fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

int connect_socket(const Fd& fd, const Address& to) {
  if (!fd) return errno;
  return error_of(::connect(fd.get(), to.get(), to.bytes));
}

int bind_port(int port) {
  const Address address("127.0.0.1:" + std::to_string(port));
  return error_of(::bind(tcp_socket().get(), address.get(), address.bytes));
}

int connect_to_self() {
  const Fd fd = tcp_socket();
  return error_of(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&own_address), sizeof own_address));
}

int send_datagram(const std::string& word) {
  const Address to(word);
  const Fd fd = udp_socket(to.family());
  return error_of(::sendto(fd.get(), "x", 1, 0, to.get(), to.bytes));
}

struct Message {
  explicit Message(const std::string& word) : to(word) {
    head.msg_name = to.get();
    head.msg_namelen = to.bytes;
    head.msg_iov = &part;
    head.msg_iovlen = 1;
  }
  Address to;
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr head{};
};

int send_message(const std::string& word) {
  const Message message(word);
  return error_of(::sendmsg(udp_socket(message.to.family()).get(), &message.head, 0));
}

int send_many(const std::string& word) {
  const Message message(word);
  mmsghdr heads[4] = {};
  for (mmsghdr& head : heads) head.msg_hdr = message.head;
  return error_of(::sendmmsg(udp_socket(message.to.family()).get(), heads, 4, 0));
}

// The data goes with the SYN, and no connect is called.
int fast_open(const std::string& word) {
  const Address to(word);
  const Fd fd = tcp_socket(to.family());
  return error_of(::sendto(fd.get(), "x", 1, MSG_FASTOPEN, to.get(), to.bytes));
}

int fast_open_connect(const std::string& word) {
  const Address to(word);
  const Fd fd = tcp_socket(to.family());
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
  const int error = connect_socket(fd, to);
  return error != 0 ? error : error_of(::send(fd.get(), "x", 1, MSG_NOSIGNAL));
}

int connect_datagram(const Address& to) {
  return connect_socket(udp_socket(to.family()), to);
}

// Connects a datagram socket where getaddrinfo may, then sends without an address.
int send_connected(const std::string& word) {
  const Address to(word);
  const Fd fd = udp_socket(to.family());
  const int error = connect_socket(fd, to);
  return error != 0 ? error : error_of(::send(fd.get(), "x", 1, MSG_NOSIGNAL));
}

// As getaddrinfo sorts the two wildcards; nothing is sent, and they lead to this host alone.
int sort_wildcards() {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(22);
  const Fd four = udp_socket(AF_INET);
  const Fd six = udp_socket(AF_INET6);
  if (::connect(four.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) != 0) return errno;
  return error_of(::connect(six.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6));
}

// To a name that nobody has: refused by the kernel with ECONNREFUSED where nobody else does.
int connect_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path + 1, "nobody is here");
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd) return errno;
  return error_of(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

int open_socket(int family, int type, int protocol) {
  return error_of(Fd(::socket(family, type, protocol)).get());
}

// The kernel takes an int: what stands in the upper halves of the registers is nothing to it.
int wide_packet_socket() {
  constexpr long kUpper = 1L << 40;
  const Fd fd(static_cast<int>(::syscall(SYS_socket, kUpper | AF_PACKET, kUpper | SOCK_DGRAM, 0L)));
  return error_of(fd.get());
}

// Another protocol over IP, connected and written to.
int speak(int type, int protocol, const std::string& word) {
  const Address to(word);
  const Fd fd(::socket(to.family(), type | SOCK_CLOEXEC, protocol));
  const int error = connect_socket(fd, to);
  return error != 0 ? error : error_of(::send(fd.get(), "x", 1, MSG_NOSIGNAL));
}

int ping(int type, const std::string& word) {
  const Address to(word);
  const bool v6 = to.family() == AF_INET6;
  const Fd fd(::socket(to.family(), type | SOCK_CLOEXEC, v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP}));
  if (!fd) return errno;
  icmphdr echo{};
  echo.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  echo.checksum = v6 ? 0 : htons(static_cast<uint16_t>(~(ICMP_ECHO << 8)));
  return error_of(::sendto(fd.get(), &echo, sizeof echo, 0, to.get(), to.bytes));
}

// Connects to the word's address by way of the proxy's: the header names the way, not the end.
int source_route(const std::string& word) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_in way = test_address(kProxy);
  uint8_t option[8] = {IPOPT_LSRR, 7, IPOPT_MINOFF};
  std::memcpy(option + 3, &way.sin_addr, sizeof way.sin_addr);
  if (::setsockopt(fd.get(), IPPROTO_IP, IP_OPTIONS, option, sizeof option) != 0) return errno;
  const int error = connect_socket(fd, Address(word));
  pollfd wait{fd.get(), POLLOUT, 0};
  return error != EINPROGRESS ? error : ::poll(&wait, 1, 500) == 0 ? ETIMEDOUT : 0;
}

// A route that was found is kept: another type of service has it looked for anew.
int route_session(const uint8_t* option, socklen_t bytes, int type_of_service) {
  if (::setsockopt(own_session, IPPROTO_IP, IP_OPTIONS, option, bytes) != 0) return errno;
  return error_of(::setsockopt(own_session, IPPROTO_IP, IP_TOS, &type_of_service, sizeof type_of_service));
}

// Sends an answer by way of another than who asked; then takes the way back.
int answer_elsewhere(const std::string& word) {
  const sockaddr_in way = test_address(word);
  uint8_t option[8] = {IPOPT_LSRR, 7, IPOPT_MINOFF};
  std::memcpy(option + 3, &way.sin_addr, sizeof way.sin_addr);
  if (const int error = route_session(option, sizeof option, IPTOS_THROUGHPUT); error != 0) return error;
  const int error = error_of(::send(own_session, "elsewhere ", 10, MSG_NOSIGNAL));
  return error != 0 ? error : route_session(nullptr, 0, 0);
}

// A raw socket of ICMP that writes headers of its own: of TCP.
int forged_header(const std::string& word) {
  const Address to(word);
  const Fd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
  const int on = 1;
  if (!fd || ::setsockopt(fd.get(), IPPROTO_IP, IP_HDRINCL, &on, sizeof on) != 0) return errno;
  uint8_t packet[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, IPPROTO_TCP};
  const auto& end = reinterpret_cast<const sockaddr_in&>(to.storage);
  std::memcpy(packet + 16, &end.sin_addr, sizeof end.sin_addr);
  std::memcpy(packet + 22, &end.sin_port, sizeof end.sin_port);
  packet[32] = 0x50;
  packet[33] = 0x02;  // SYN
  return error_of(::sendto(fd.get(), packet, sizeof packet, 0, to.get(), to.bytes));
}

// Adds a route by netlink, to nowhere that anybody uses.
int add_route() {
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return errno;
  struct {
    nlmsghdr head;
    rtmsg route;
    rtattr attribute;
    in_addr to;
  } request{};
  request.head = {sizeof request, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0};
  request.route = {AF_INET, 32, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_BLACKHOLE, 0};
  request.attribute = {sizeof(rtattr) + sizeof(in_addr), RTA_DST};
  ::inet_aton("10.99.77.77", &request.to);
  if (::send(fd.get(), &request, sizeof request, 0) < 0) return errno;
  struct {
    nlmsghdr head;
    nlmsgerr error;
    char rest[256];
  } answer{};
  if (::recv(fd.get(), &answer, sizeof answer, 0) < 0) return errno;
  return -answer.error.error;
}

// Asks whoever listens at the Unix socket PATH for a descriptor, and writes to it; what a datagram socket is connected
// to, was chosen by who passed it.
int write_to_passed(const std::string& path) {
  const Fd line(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(line.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return errno;
  char byte = 0;
  Fd passed;
  if (skep::receive_with_descriptor(line.get(), &byte, 1, passed) != 1) return EPIPE;
  if (!passed) return EBADF;
  // Whoever listens there is supervised by nobody. That is known a second after it was read from, when no label has
  // come (kPendingNs): until then what is done here would name a set of sessions.
  ::usleep(1'100'000);
  return error_of(::write(passed.get(), "passed", 6));
}

// The same socket asks anew, for another address than the one that it was allowed.
int connect_again(const std::string& word) {
  const Fd fd = tcp_socket();
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  if (const int error = connect_socket(fd, Address("10.99.0.2:25")); error != 0) return error;
  ::connect(fd.get(), &nowhere, sizeof nowhere);
  return connect_socket(fd, Address(word));
}

}  // namespace

const Deeds& network_deeds() {
  static const Deeds kDeeds = {
      {"listen", [](const auto&) { return error_of(::listen(tcp_socket().get(), 1)); }},
      {"bind", [](const auto&) { return bind_port(4444); }},
      {"bind_any", [](const auto&) { return bind_port(0); }},
      {"connect", [](const auto& word) { return connect_socket(tcp_socket(Address(word).family()), Address(word)); }},
      {"connect_again", connect_again},
      {"connect_self", [](const auto&) { return connect_to_self(); }},
      {"datagram", send_datagram},
      {"datagram_connect", [](const auto& word) { return connect_datagram(Address(word)); }},
      {"send_connected", send_connected},
      {"sort_wildcards", [](const auto&) { return sort_wildcards(); }},
      {"message", send_message},
      {"messages", send_many},
      {"fast_open", fast_open},
      {"fast_open_connect", fast_open_connect},
      {"packet_socket", [](const auto&) { return open_socket(AF_PACKET, SOCK_DGRAM, 0); }},
      {"wide_packet_socket", [](const auto&) { return wide_packet_socket(); }},
      {"vsock", [](const auto&) { return open_socket(40, SOCK_STREAM, 0); }},
      {"unix_socket", [](const auto&) { return open_socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"connect_unix", [](const auto&) { return connect_unix(); }},
      {"raw_socket", [](const auto&) { return open_socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP); }},
      {"raw_ping", [](const auto& word) { return ping(SOCK_RAW, word); }},
      {"ping", [](const auto& word) { return ping(SOCK_DGRAM, word); }},
      {"mptcp", [](const auto& word) { return speak(SOCK_STREAM, 262, word); }},
      {"sctp", [](const auto& word) { return speak(SOCK_STREAM, IPPROTO_SCTP, word); }},
      {"udplite", [](const auto& word) { return speak(SOCK_DGRAM, IPPROTO_UDPLITE, word); }},
      {"raw_tcp", [](const auto& word) { return speak(SOCK_RAW, IPPROTO_TCP, word); }},
      {"source_route", source_route},
      {"answer_elsewhere", answer_elsewhere},
      {"forged_header", forged_header},
      {"route", [](const auto&) { return add_route(); }},
      {"passed", write_to_passed},
  };
  return kDeeds;
}

#include "harness/capture.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "harness/hosts.h"

namespace skep::harness {
namespace {

constexpr int kBufferBytes = 16 << 20;
constexpr uint8_t kIcmp6 = 58;
constexpr uint8_t kFirstOfNeighbours = 130;  // MLD, router and neighbour discovery are 130 to 143
constexpr uint8_t kLastOfNeighbours = 143;

struct Packet {
  int protocol = 0;
  std::string from, to;
  uint16_t ports[2] = {0, 0};
  uint8_t icmp_type = 0;
};

std::string address_text(int family, const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, bytes, text, sizeof text);
}

bool parse(const uint8_t* bytes, size_t count, Packet& packet) {
  const bool v4 = count >= 20 && bytes[0] >> 4 == 4;
  const bool v6 = count >= 40 && bytes[0] >> 4 == 6;
  if (!v4 && !v6) return false;
  packet.protocol = v4 ? bytes[9] : bytes[6];
  size_t at = v4 ? (bytes[0] & 15u) * 4u : 40;
  packet.from = v4 ? address_text(AF_INET, bytes + 12) : address_text(AF_INET6, bytes + 8);
  packet.to = v4 ? address_text(AF_INET, bytes + 16) : address_text(AF_INET6, bytes + 24);
  if (v6 && packet.protocol == 0 && count >= 48) {  // MLD comes after a hop-by-hop header
    packet.protocol = bytes[40];
    at += 8;
  }
  if (count > at) packet.icmp_type = bytes[at];
  if ((packet.protocol == IPPROTO_TCP || packet.protocol == IPPROTO_UDP) && count >= at + 4) {
    for (size_t i = 0; i < 2; ++i)
      packet.ports[i] = static_cast<uint16_t>(bytes[at + 2 * i] << 8 | bytes[at + 2 * i + 1]);
  }
  return true;
}

bool is_neighbourly(const Packet& packet) {
  return packet.protocol == kIcmp6 && packet.icmp_type >= kFirstOfNeighbours && packet.icmp_type <= kLastOfNeighbours;
}

}  // namespace

Result<Capture> Capture::start(const std::string& netns) {
  auto socket = socket_in(netns, AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
  if (!socket) return tl::unexpected<Error>(socket.error());
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes, sizeof kBufferBytes);
  return Capture(std::move(*socket));
}

std::vector<std::string> Capture::others(const std::vector<uint16_t>& ordinary) {
  std::vector<std::string> found;
  uint8_t bytes[256];
  sockaddr_ll from{};
  socklen_t size = sizeof from;
  for (ssize_t got = 0; (got = ::recvfrom(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT,
                                          reinterpret_cast<sockaddr*>(&from), &size)) >= 0;
       size = sizeof from) {
    Packet packet;
    if (from.sll_pkttype == PACKET_OUTGOING || !parse(bytes, static_cast<size_t>(got), packet)) continue;
    const bool known = std::any_of(ordinary.begin(), ordinary.end(),
                                   [&](uint16_t port) { return packet.ports[0] == port || packet.ports[1] == port; });
    if (!known && !is_neighbourly(packet))
      found.push_back(fmt::format("protocol {} {}:{} > {}:{}", packet.protocol, packet.from, packet.ports[0], packet.to,
                                  packet.ports[1]));
  }
  return found;
}

}  // namespace skep::harness

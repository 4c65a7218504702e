// Non-blocking UDP sockets: one that takes what comes to a port and answers from where it came to, and one that speaks
// with a single peer. Each datagram is one call; nothing is put together by the kernel (no UDP_GRO).
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::io {

// The longest there is, over IPv6 without jumbograms, and a little more.
constexpr size_t kDatagramRoom = 65'536;

// IPv6 sockets take IPv6 alone. `shared`: with other sockets of the same port that are shared too (SO_REUSEPORT).
Result<Fd> listen_udp(const Endpoint& where, bool shared = false);
// What comes from this peer alone. `source_port` 0: the kernel chooses; EAGAIN: it has none.
Result<Fd> connect_udp(const Endpoint& to, uint16_t source_port);
// … from an address that need not be this host's (IP_TRANSPARENT, which wants CAP_NET_RAW) and is of the same family.
Result<Fd> connect_udp_as(const Endpoint& source, const Endpoint& to);

// Between whom a datagram passed, and so the way back: what a socket that listens needs beside the bytes.
struct Path {
  Endpoint peer;
  Endpoint local;          // of a broadcast: the address that answers it
  uint32_t interface = 0;  // of link-local peers, who are somebody else on each
};
struct Received {
  ssize_t bytes = -1;  // errno says why
  bool cut = false;    // it was longer than the room
  Path path;           // `local` without its port, which is the socket's; of a connected socket empty
  uint32_t lost = 0;   // datagrams that this socket has dropped since it was made, for its buffer was full
};
Received receive_datagram(int socket, std::span<uint8_t> room);

// errno, or 0. Nothing is sent in part.
int send_datagram(int connected, ByteView bytes);
int send_datagram(int listener, const Path& path, ByteView bytes);

}  // namespace skep::io

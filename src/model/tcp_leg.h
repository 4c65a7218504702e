// What the kernel tells of a TCP connection beyond its bytes: the SYN that began it, and its figures at the end. Values
// only; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace skep {

// The headers of a SYN, IP and TCP, as they came from the wire (TCP_SAVED_SYN, tcp(7)); none where a SYN cookie stood
// in for it. In place, for one is kept at every accept: two headers of at most 60 bytes, or of 40 and 60 in IPv6 with
// room for extension headers.
struct SavedSyn {
  static constexpr size_t kBytesMax = 128;
  std::array<uint8_t, kBytesMax> bytes{};
  uint8_t count = 0;
  std::span<const uint8_t> view() const { return {bytes.data(), count}; }
};

// Figures of one leg as it ended, of the kernel's TCP_INFO. *Out* is what we sent to the peer.
struct TcpFigures {
  uint32_t rtt_us = 0;  // smoothed
  uint32_t rtt_variance_us = 0;
  uint32_t rtt_least_us = 0;
  uint32_t retransmitted = 0;  // segments
  uint32_t segments_out = 0;
  uint32_t segments_in = 0;
  uint32_t mss_out = 0;
  uint32_t mss_in = 0;
  uint32_t path_mtu = 0;
  uint64_t bytes_acknowledged = 0;  // of ours, by the peer
  uint64_t bytes_received = 0;
};

}  // namespace skep

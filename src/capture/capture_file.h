// A capture file, pcap or pcapng, read from beginning to end. libpcap reads it: of a pcapng with interfaces of several
// link types only as far as those of the first. One thread a call.
#pragma once

#include <cstdio>
#include <functional>
#include <string>

#include "base/result.h"
#include "capture/datagram_sessions.h"
#include "capture/tcp_streams.h"

namespace skep::capture {

struct CaptureCounts {
  uint64_t packets = 0;
  uint64_t tcp = 0;
  uint64_t fragments = 0;  // of IP packets: not put together, and not looked into
  uint64_t udp = 0;
  uint64_t other = 0;      // neither
  uint64_t damaged = 0;    // headers that cannot be
  uint64_t cut_short = 0;  // TCP and UDP of which the capture kept a part
};

struct CaptureRead {
  CaptureCounts counts;
  std::string damage;  // why the rest of the file could not be read; "": all was
};

// The streams are finished, the file is closed. `datagrams`: nullptr where nobody wants them. `progress`, if wanted, is
// told now and then how far in the file it is. Errors: it is no capture, or of a link that is not known.
Result<CaptureRead> read_capture(std::FILE* file, TcpStreams& streams, DatagramSessions* datagrams = nullptr,
                                 const std::function<void(uint64_t bytes)>& progress = {});

}  // namespace skep::capture

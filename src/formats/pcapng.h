// pcapng, written as a stream (draft-ietf-opsawg-pcapng): one session as the packets of one TCP connection between the
// attacker and the proxy, made anew from its recorded bytes. Ethernet link type: what every reader takes. Alerts are
// packet comments, systemd journal blocks and custom blocks of their own. Memory is bounded by one packet.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/session.h"

namespace skep::formats {

using Sink = std::function<bool(ByteView)>;  // false: the bytes could not be written

class PcapngWriter {
 public:
  PcapngWriter(Sink sink, const Endpoint& client, const Endpoint& server);

  // The section's head; comments are shown by capinfos.
  bool begin(const std::vector<std::string>& comments);
  // The three-way handshake.
  bool connected(int64_t time_ns);
  // Bytes of one direction; the comments stand at the first packet of them.
  bool data(int64_t time_ns, Direction direction, ByteView bytes, const std::vector<std::string>& comments = {});
  bool finished(int64_t time_ns, Direction from);
  bool reset(int64_t time_ns, Direction from);
  // A row of its own: `message` in a journal block, `json` in a custom block.
  bool event(int64_t time_ns, const std::string& message, uint32_t pid, const std::string& comm, int priority,
             const std::string& json);
  // A packet without bytes that carries only comments (an alert before any byte).
  bool remark(int64_t time_ns, Direction from, const std::vector<std::string>& comments);

 private:
  enum Flag : uint8_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };
  bool packet(int64_t time_ns, Direction direction, uint8_t flags, ByteView payload,
              const std::vector<std::string>& comments);
  bool block(uint32_t type, const Bytes& body);
  Bytes frame(Direction direction, uint8_t flags, ByteView payload);

  Sink sink_;
  const Endpoint ends_[2];  // client, server
  uint32_t next_seq_[2] = {1000, 2000};
  bool finished_[2] = {false, false};
  uint16_t ip_id_ = 1;
};

}  // namespace skep::formats

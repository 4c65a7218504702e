// pcapng, written as a stream (draft-ietf-opsawg-pcapng): one session as the packets of one TCP connection, or the
// datagrams, between the attacker and the proxy, made anew from its recorded bytes. Ethernet link type: what every
// reader takes. What skep says of the session stands beside the packets, in comments, systemd journal blocks and custom
// blocks of its own: docs/formats/pcapng.md. Memory is bounded by one packet. One thread an object.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "formats/saved_syn.h"
#include "model/session.h"

namespace skep::formats {

using Sink = std::function<bool(ByteView)>;  // false: the bytes could not be written

using Comments = std::vector<std::string>;  // UTF-8

// A row that tshark and journalctl show.
struct JournalEntry {
  int64_t time_ns = 0;
  int priority = 6;  // syslog's
  uint32_t pid = 0;  // 0: of no process
  std::string comm;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;  // further ones, names as journald has them: [A-Z0-9_]
};

// Each function: false where the sink takes nothing more.
class PcapngWriter {
 public:
  PcapngWriter(Sink sink, const Endpoint& client, const Endpoint& server, Protocol protocol = Protocol::tcp);

  // The section's head; comments are shown by capinfos.
  bool begin(const Comments& comments);
  // The three-way handshake; of datagrams nothing, as of the ends and remarks below. The SYN's own headers are used
  // where they are the client's; not where a balancer, say, made it.
  bool connected(int64_t time_ns, const std::optional<SynHeaders>& syn = {});
  // Bytes of one direction from `stream_offset` on, which gives their sequence number: where some were lost it shows.
  // The comments stand at the first packet of them. No bytes: nothing. Over UDP: one datagram, of no bytes too; what is
  // longer than one can be is cut, and says so.
  bool data(int64_t time_ns, Direction direction, uint64_t stream_offset, ByteView bytes,
            const Comments& comments = {});
  bool finished(int64_t time_ns, Direction from);
  bool reset(int64_t time_ns, Direction from);
  // A packet without bytes that carries only comments: among datagrams it would be one that nobody sent.
  bool remark(int64_t time_ns, Direction from, const Comments& comments);
  bool journal(const JournalEntry& entry);
  // One object, for programs.
  bool custom(std::string_view json);

 private:
  enum Flag : uint16_t { kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16 };
  // What differs from packet to packet.
  struct Packet {
    int64_t time_ns = 0;
    Direction direction = Direction::to_bait;
    uint16_t flags = 0;
    uint32_t seq = 0;
    ByteView payload;
    const Comments* comments = nullptr;
    const SynHeaders* syn = nullptr;
  };
  bool packet(const Packet& packet);
  bool flag(int64_t time_ns, Direction direction, uint16_t flags, const Comments* comments = nullptr);
  void frame(const Packet& packet);
  void ip_header(const Packet& packet, bool v4, uint16_t carried_bytes);
  void tcp_header(const Packet& packet);
  void udp_header(const Packet& packet);
  bool is_v4() const { return ends_[0].is_v4() && ends_[1].is_v4(); }
  bool datagram(int64_t time_ns, Direction direction, ByteView bytes, const Comments& comments);
  void begin_block(uint32_t type);
  bool end_block();
  uint32_t& next(Direction direction) { return next_seq_[static_cast<size_t>(direction)]; }

  Sink sink_;
  const Endpoint ends_[2];  // client, server
  const Protocol protocol_;
  Bytes block_;            // the one that is being made
  uint32_t first_seq_[2];  // of the SYN
  uint32_t next_seq_[2];
  bool finished_[2] = {false, false};
  uint16_t ip_id_ = 1;
};

}  // namespace skep::formats

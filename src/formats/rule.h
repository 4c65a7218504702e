// A payload rule, as Suricata and Snort write them, understood whole: variables resolved, both ways to name a buffer
// brought into one. What it would take to hold a rule against bytes knows match/. Values only; any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace skep::formats {

enum class RuleAction : uint8_t { alert, log, pass, drop, reject };

// The transport, or the protocol of the application as the engine would have recognised it.
enum class RuleProtocol : uint8_t {
  tcp,
  tcp_packet,
  tcp_stream,
  udp,
  icmp,
  ip,
  http,
  ftp,
  ftp_data,
  smtp,
  imap,
  pop3,
  tls,
  ssh,
  smb,
  dcerpc,
  telnet,
  rdp,
  dns
};

// A tree, as written: a leaf has a range, a list has members, what has neither is `any`.
template <typename Range>
struct RuleSet {
  bool negated = false;
  std::optional<Range> range;
  std::vector<RuleSet> members;  // one that is not negated holds (where there are such), and each negated one does

  template <typename Value>
  bool contains(const Value& value) const {
    return inside(value) != negated;
  }
  size_t size() const {
    size_t all = 1;
    for (const RuleSet& member : members) all += member.size();
    return all;
  }
  bool any() const { return !negated && !range && members.empty(); }
  bool operator==(const RuleSet&) const = default;

 private:
  template <typename Value>
  bool inside(const Value& value) const {
    if (range) return range->contains(value);
    bool wanted = false;
    bool found = false;
    for (const RuleSet& member : members) {
      const bool holds = member.contains(value);
      if (member.negated && !holds) return false;
      if (!member.negated) {
        wanted = true;
        found = found || holds;
      }
    }
    return found || !wanted;
  }
};

using RuleAddress = std::array<uint8_t, 16>;  // IPv4 is v4-mapped

struct AddressRange {
  RuleAddress first{};
  RuleAddress last{};
  bool contains(const RuleAddress& address) const { return first <= address && address <= last; }
  bool operator==(const AddressRange&) const = default;
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  bool contains(uint16_t port) const { return first <= port && port <= last; }
  bool operator==(const PortRange&) const = default;
};

using AddressSet = RuleSet<AddressRange>;
using PortSet = RuleSet<PortRange>;

// What an option looks at.
enum class RuleBuffer : uint8_t {
  payload,
  http_uri,
  http_uri_raw,
  http_method,
  http_protocol,
  http_request_line,
  http_header,
  http_header_raw,
  http_header_names,
  http_cookie,
  http_user_agent,
  http_host,
  http_host_raw,
  http_referer,
  http_accept,
  http_accept_lang,
  http_accept_enc,
  http_connection,
  http_content_type,
  http_content_len,
  http_start,
  http_request_body,
  file_data,    // of a request: its body, or a mail's attachment
  base64_data,  // what the base64_decode before it made
};

enum class Transform : uint8_t {
  dotprefix,
  url_decode,
  strip_whitespace,
  compress_whitespace,
  to_lowercase,
  to_uppercase,
  header_lowercase,
  to_md5,
  to_sha1,
  to_sha256,
  strip_pseudo_headers
};

struct BufferUse {
  RuleBuffer buffer = RuleBuffer::payload;
  std::vector<Transform> transforms;  // in this order
  bool operator==(const BufferUse&) const = default;
};

// A number, or the name of one that byte_extract or byte_math made before.
struct RuleNumber {
  int64_t value = 0;
  std::string variable;  // "": the value
  bool operator==(const RuleNumber&) const = default;
};

struct Content {
  BufferUse where;
  bool negated = false;
  std::string bytes;
  bool nocase = false;
  bool starts_with = false;
  bool ends_with = false;
  bool fast_pattern = false;           // the one to look for first; no part of the meaning
  std::optional<RuleNumber> offset;    // from the buffer's start
  std::optional<RuleNumber> depth;     // bytes from the offset on
  std::optional<RuleNumber> distance;  // from the end of the match before
  std::optional<RuleNumber> within;
  bool operator==(const Content&) const = default;
};

struct Pcre {
  BufferUse where;
  bool negated = false;
  std::string pattern;      // as PCRE wants it
  bool nocase = false;      // i
  bool dot_all = false;     // s
  bool multi_line = false;  // m
  bool extended = false;    // x
  bool anchored = false;    // A
  bool dollar_end = false;  // E
  bool ungreedy = false;    // G
  bool relative = false;    // R: from the end of the match before
  bool operator==(const Pcre&) const = default;
};

// Where a number stands in the bytes, and how it is written there.
struct ByteNumber {
  int64_t bytes = 0;  // how many
  RuleNumber offset;
  bool relative = false;
  bool little_endian = false;
  uint8_t text_base = 0;  // 8, 10, 16: written in digits; 0: binary
  uint32_t bitmask = 0;   // 0: none
  bool operator==(const ByteNumber&) const = default;
};

struct ByteTest {
  BufferUse where;
  ByteNumber number;
  bool negated = false;
  std::string comparison;  // < > = <= >= & ^
  RuleNumber value;
  bool operator==(const ByteTest&) const = default;
};

struct ByteJump {
  BufferUse where;
  ByteNumber number;
  enum class From : uint8_t { here, beginning, end } from = From::here;
  uint32_t multiplier = 1;
  bool align = false;  // to four bytes
  RuleNumber post_offset;
  bool operator==(const ByteJump&) const = default;
};

struct ByteExtract {
  BufferUse where;
  ByteNumber number;
  std::string name;
  uint32_t multiplier = 1;
  uint8_t align = 0;  // 0, 2, 4
  bool operator==(const ByteExtract&) const = default;
};

struct ByteMath {
  BufferUse where;
  ByteNumber number;
  std::string operation;  // + - * / << >>
  RuleNumber value;
  std::string name;
  bool operator==(const ByteMath&) const = default;
};

// isdataat
struct DataAt {
  BufferUse where;
  bool negated = false;
  RuleNumber at;
  bool relative = false;
  bool operator==(const DataAt&) const = default;
};

struct SizeRange {
  uint64_t least = 0;
  uint64_t most = 0;
  bool negated = false;
  bool operator==(const SizeRange&) const = default;
};

// bsize and bufferlen of a buffer; urilen is that of the URI. A complete buffer is wanted: never early.
struct BufferSize {
  BufferUse where;
  SizeRange size;
  bool operator==(const BufferSize&) const = default;
};

// dsize: of one packet. A proxy sees reads.
struct PacketSize {
  SizeRange size;
  bool operator==(const PacketSize&) const = default;
};

struct Base64Decode {
  BufferUse where;
  uint32_t bytes = 0;  // 0: all
  uint32_t offset = 0;
  bool relative = false;
  bool operator==(const Base64Decode&) const = default;
};

using RuleOption = std::variant<Content, Pcre, ByteTest, ByteJump, ByteExtract, ByteMath, DataAt, BufferSize,
                                PacketSize, Base64Decode>;

struct RuleFlow {
  enum class Direction : uint8_t { unsaid, to_server, to_client } direction = Direction::unsaid;
  enum class State : uint8_t { unsaid, established, not_established, stateless } state = State::unsaid;
  enum class Stream : uint8_t { unsaid, only, no } stream = Stream::unsaid;
  bool operator==(const RuleFlow&) const = default;
};

// flowbits and xbits: what a rule that fired leaves for others.
struct RuleBit {
  enum class Deed : uint8_t { set, unset, toggle, isset, isnotset } deed = Deed::set;
  std::vector<std::string> names;                                                      // several: any of them
  enum class Scope : uint8_t { flow, source, destination, pair } scope = Scope::flow;  // xbits have the others
  uint32_t expire_s = 0;                                                               // 0: as long as the scope
  bool operator==(const RuleBit&) const = default;
};

// threshold and detection_filter: how often it is said. For what is suppressed they count as always.
struct RuleThreshold {
  enum class Kind : uint8_t { limit, threshold, both, detection_filter } kind = Kind::limit;
  enum class Track : uint8_t { source, destination, both, rule } track = Track::source;
  uint32_t count = 1;
  uint32_t seconds = 1;
  bool operator==(const RuleThreshold&) const = default;
};

struct RuleReference {
  std::string system;  // cve, bugtraq, url...: in lower case
  std::string id;
  bool operator==(const RuleReference&) const = default;
};

struct Rule {
  RuleAction action = RuleAction::alert;
  RuleProtocol protocol = RuleProtocol::tcp;
  AddressSet source;
  PortSet source_ports;
  AddressSet destination;
  PortSet destination_ports;
  bool both_ways = false;             // <>
  std::vector<std::string> services;  // Snort 3: or what the application speaks; none: the ports alone

  RuleFlow flow;
  std::vector<RuleOption> options;  // in their order: each relative one means the one before it
  std::vector<RuleBit> bits;
  std::optional<RuleThreshold> threshold;
  bool silent = false;  // noalert: it sets bits for others, and says nothing

  uint32_t gid = 1;
  uint32_t sid = 0;
  uint32_t rev = 0;
  uint32_t priority = 0;  // 0: unsaid
  std::string message;
  std::string classtype;
  std::vector<RuleReference> references;
  std::vector<std::string> metadata;

  bool operator==(const Rule&) const = default;
};

}  // namespace skep::formats

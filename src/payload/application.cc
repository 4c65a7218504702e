#include "payload/application.h"

#include <algorithm>
#include <string_view>

#include "base/ascii.h"
#include "http/boundary.h"

namespace skep::payload {

using formats::RuleProtocol;

namespace {

constexpr size_t kEmptyLineBytes = 16;  // before a method

struct Word {
  RuleProtocol protocol;
  std::string_view word;  // in any case
};
constexpr Word kWords[] = {
    {RuleProtocol::ftp, "FEAT"},  {RuleProtocol::ftp, "USER "}, {RuleProtocol::ftp, "PASS "},
    {RuleProtocol::ftp, "PORT "}, {RuleProtocol::smtp, "EHLO"}, {RuleProtocol::smtp, "HELO"},
    {RuleProtocol::smtp, "QUIT"}, {RuleProtocol::ssh, "SSH-"},
};
constexpr std::string_view kImap = "1 capability";  // in this case

// Bytes of which only some bits count.
struct Masked {
  uint8_t value;
  uint8_t mask = 0xff;
};
struct Binary {
  RuleProtocol protocol;
  Masked bytes[8];
  size_t size;
};
constexpr Masked kAny{.value = 0, .mask = 0};
// The shorter first: what is found by a few bytes stays so when a longer one agrees as well.
constexpr Binary kBinaries[] = {
    {RuleProtocol::telnet, {{0xff}, {0xfa, 0xfe}}, 2},                        // IAC SB, WILL
    {RuleProtocol::telnet, {{0xff}, {0xfc, 0xfe}}, 2},                        // WONT, DO
    {RuleProtocol::telnet, {{0xff}, {0xfe}}, 2},                              // DONT
    {RuleProtocol::tls, {{0x16}, {3}, {0, 0xfc}}, 3},                         // a handshake, SSL 3 to TLS 1.3
    {RuleProtocol::tls, {{1}, {3}, {0, 0xfc}}, 3},                            // as Suricata has it
    {RuleProtocol::tls, {{0x80, 0x80}, kAny, {1}, {0}, {2}}, 5},              // SSL 2
    {RuleProtocol::smb, {{0x81}, {0}, {0}, {0x44}, {' '}}, 5},                // the NetBIOS names that come before
    {RuleProtocol::dcerpc, {{5}, {0}, kAny, kAny, {0, 0xee}, {0, 0xfc}}, 6},  // version, type, flags, representation
    {RuleProtocol::rdp, {{3}, {0}, kAny, kAny, kAny, {0xe0, 0xf0}}, 6},       // TPKT with X.224's connection request
    {RuleProtocol::smb, {{0}, kAny, kAny, kAny, {0xff}, {'S'}, {'M'}, {'B'}}, 8},
    {RuleProtocol::smb, {{0}, kAny, kAny, kAny, {0xfe}, {'S'}, {'M'}, {'B'}}, 8},
    {RuleProtocol::smb, {{0}, kAny, kAny, kAny, {0xfd}, {'S'}, {'M'}, {'B'}}, 8},
};

// As far as bytes and pattern both go.
bool agrees(ByteView bytes, const Binary& binary) {
  for (size_t i = 0; i < std::min(bytes.size(), binary.size); ++i)
    if ((bytes[i] & binary.bytes[i].mask) != binary.bytes[i].value) return false;
  return true;
}
bool agrees(ByteView bytes, std::string_view word) {
  for (size_t i = 0; i < std::min(bytes.size(), word.size()); ++i)
    if (upper(bytes[i]) != static_cast<uint8_t>(word[i])) return false;
  return true;
}
bool agrees_and_blank(ByteView bytes, std::string_view word) {
  if (!agrees(bytes, word)) return false;
  return bytes.size() <= word.size() || bytes[word.size()] == ' ' || bytes[word.size()] == '\t';
}

// Of what is tried one after the other: the first that is there whole, or whether one may still be.
class Answer {
 public:
  void add(RuleProtocol protocol, bool agrees, bool whole) {
    if (!agrees || found_.recognition == Recognition::found) return;
    if (whole)
      found_ = {Recognition::found, protocol};
    else
      found_.recognition = Recognition::undecided;
  }
  const Application& get() const { return found_; }

 private:
  Application found_{.recognition = Recognition::none};
};

}  // namespace

Application recognise(ByteView bytes) {
  bytes = bytes.first(std::min(bytes.size(), kApplicationBytes));
  Answer answer;
  const auto begins = std::ranges::find_if(bytes, [](uint8_t byte) { return byte != '\r' && byte != '\n'; });
  const size_t empty = static_cast<size_t>(begins - bytes.begin());
  const ByteView line = bytes.subspan(empty);
  for (const std::string_view method : http::kMethods)
    answer.add(RuleProtocol::http, empty <= kEmptyLineBytes && agrees_and_blank(line, method),
               line.size() > method.size());
  for (const Word& each : kWords) answer.add(each.protocol, agrees(bytes, each.word), bytes.size() >= each.word.size());
  answer.add(RuleProtocol::imap, kImap.starts_with(as_text(bytes).substr(0, kImap.size())),
             bytes.size() >= kImap.size());
  for (const Binary& each : kBinaries) answer.add(each.protocol, agrees(bytes, each), bytes.size() >= each.size);
  return answer.get();
}

}  // namespace skep::payload

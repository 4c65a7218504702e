#include "formats/rule_head.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "formats/rule_text.h"

namespace skep::formats {
namespace {

// The first name of each is the one that is written.
constexpr std::pair<std::string_view, RuleAction> kActions[] = {
    {"alert", RuleAction::alert},      {"log", RuleAction::log},          {"pass", RuleAction::pass},
    {"drop", RuleAction::drop},        {"block", RuleAction::drop},       {"sdrop", RuleAction::drop},
    {"reject", RuleAction::reject},    {"rejectsrc", RuleAction::reject}, {"rejectdst", RuleAction::reject},
    {"rejectboth", RuleAction::reject}};

constexpr std::pair<std::string_view, RuleProtocol> kProtocols[] = {{"tcp", RuleProtocol::tcp},
                                                                    {"tcp-pkt", RuleProtocol::tcp_packet},
                                                                    {"tcp-stream", RuleProtocol::tcp_stream},
                                                                    {"udp", RuleProtocol::udp},
                                                                    {"icmp", RuleProtocol::icmp},
                                                                    {"ip", RuleProtocol::ip},
                                                                    {"http", RuleProtocol::http},
                                                                    {"http1", RuleProtocol::http},
                                                                    {"ftp", RuleProtocol::ftp},
                                                                    {"ftp-data", RuleProtocol::ftp_data},
                                                                    {"smtp", RuleProtocol::smtp},
                                                                    {"imap", RuleProtocol::imap},
                                                                    {"pop3", RuleProtocol::pop3},
                                                                    {"tls", RuleProtocol::tls},
                                                                    {"ssl", RuleProtocol::tls},
                                                                    {"ssh", RuleProtocol::ssh},
                                                                    {"smb", RuleProtocol::smb},
                                                                    {"dcerpc", RuleProtocol::dcerpc},
                                                                    {"telnet", RuleProtocol::telnet},
                                                                    {"rdp", RuleProtocol::rdp},
                                                                    {"dns", RuleProtocol::dns}};

template <typename Table, typename Value>
std::string_view name_in(const Table& table, Value value) {
  for (const auto& [name, each] : table) {
    if (each == value) return name;
  }
  return "";
}

// "1.2.3.4", "1.2.3.4/24", "::1/64", "1.2.3.4-1.2.3.9".
Result<RuleAddress> one_address(std::string_view text, int& bits) {
  const std::string word(text);
  RuleAddress out{};
  if (inet_pton(AF_INET6, word.c_str(), out.data()) == 1) return bits = 128, out;
  out = {};
  out[10] = out[11] = 0xff;
  if (inet_pton(AF_INET, word.c_str(), out.data() + 12) == 1) return bits = 32, out;
  return fail("'{}' is no address", printable(text.substr(0, 60)));
}

// The bits of "24", or of "255.255.255.0".
Result<int64_t> prefix_bits(std::string_view text, int bits) {
  if (bits != 32 || text.find('.') == std::string_view::npos) return rule_number(text, 0, bits);
  int ignored = 0;
  const auto mask = one_address(text, ignored);
  if (!mask) return tl::unexpected<Error>(mask.error());
  uint32_t word = 0;
  std::memcpy(&word, mask->data() + 12, sizeof word);
  word = ntohl(word);
  const int ones = __builtin_popcount(word);
  if (ones != 0 && word != ~uint32_t{0} << (32 - ones)) return fail("'{}' is no mask", printable(text.substr(0, 60)));
  return ones;
}

Result<AddressRange> read_range(std::string_view text, const AddressRange*) {
  int bits = 0;
  const size_t mark = text.find_first_of("/-");
  const auto first = one_address(text.substr(0, mark), bits);
  if (!first) return tl::unexpected<Error>(first.error());
  AddressRange out{*first, *first};
  if (mark == std::string_view::npos) return out;
  if (text[mark] == '-') {
    int other = 0;
    const auto last = one_address(text.substr(mark + 1), other);
    if (!last) return tl::unexpected<Error>(last.error());
    if (other != bits || *last < *first) return fail("'{}' is no range", printable(text.substr(0, 60)));
    out.last = *last;
    return out;
  }
  const auto prefix = prefix_bits(text.substr(mark + 1), bits);
  if (!prefix) return tl::unexpected<Error>(prefix.error());
  for (auto bit = static_cast<size_t>(*prefix + 128 - bits); bit < 128; ++bit) {
    const auto mask = static_cast<uint8_t>(0x80 >> (bit % 8));
    out.first[bit / 8] = static_cast<uint8_t>(out.first[bit / 8] & ~mask);
    out.last[bit / 8] = static_cast<uint8_t>(out.last[bit / 8] | mask);
  }
  return out;
}

// "80", "80:90", ":1023", "1024:".
Result<PortRange> read_range(std::string_view text, const PortRange*) {
  const size_t colon = text.find(':');
  const std::string_view low = text.substr(0, colon);
  const std::string_view high = colon == std::string_view::npos ? low : text.substr(colon + 1);
  if (low.empty() && high.empty()) return fail("'{}' is no port", printable(text.substr(0, 60)));
  const auto first = low.empty() ? Result<int64_t>(0) : rule_number(low, 0, 65535);
  if (!first) return wrap("port", first);
  const auto last = high.empty() ? Result<int64_t>(65535) : rule_number(high, 0, 65535);
  if (!last) return wrap("port", last);
  if (*last < *first) return fail("'{}': no port is in it", printable(text.substr(0, 60)));
  return PortRange{static_cast<uint16_t>(*first), static_cast<uint16_t>(*last)};
}

template <typename Range>
class SetReader {
 public:
  explicit SetReader(const RuleVariables& variables) : variables_(variables) {}

  Result<RuleSet<Range>> read(std::string_view text, int depth) {
    if (depth > kSetDepthMax) return fail("nested deeper than {} (does a variable name itself?)", kSetDepthMax);
    if (++items_ > kSetItemsMax) return fail("more than {} items", kSetItemsMax);
    text = trim(text);
    bool negated = false;
    if (text.starts_with('!')) {
      negated = true;
      text = trim(text.substr(1));
    }
    auto set = plain(text, depth);
    if (!set || !negated) return set;
    if (set->any()) return fail("'!any' holds for nothing");
    set->negated = !set->negated;
    return set;
  }

 private:
  Result<RuleSet<Range>> plain(std::string_view text, int depth) {
    if (text.empty()) return fail("an empty item");
    if (text == "any") return RuleSet<Range>{};
    if (text[0] == '$') {
      const auto found = variables_.find(text.substr(1));
      if (found == variables_.end()) return fail("{} is not defined", printable(text.substr(0, 60)));
      return read(found->second, depth + 1);
    }
    if (text[0] == '[') return list(text, depth);
    auto range = read_range(text, static_cast<const Range*>(nullptr));
    if (!range) return tl::unexpected<Error>(range.error());
    RuleSet<Range> out;
    out.range = *range;
    return out;
  }

  Result<RuleSet<Range>> list(std::string_view text, int depth) {
    if (!text.ends_with(']')) return fail("a ']' is missing");
    text = text.substr(1, text.size() - 2);
    RuleSet<Range> out;
    int open = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
      if (i < text.size() && text[i] == '[') ++open;
      if (i < text.size() && text[i] == ']' && --open < 0) return fail("a ']' without its '['");
      if (i < text.size() && (text[i] != ',' || open > 0)) continue;
      auto member = read(text.substr(begin, i - begin), depth + 1);
      if (!member) return member;
      out.members.push_back(std::move(*member));
      begin = i + 1;
    }
    if (out.members.size() == 1) return std::move(out.members[0]);
    return out;
  }

  const RuleVariables& variables_;
  size_t items_ = 0;
};

bool names_home(std::string_view word) {
  for (const std::string_view name : {"$HOME_NET", "_SERVERS"}) {
    for (size_t at = word.find(name); at != std::string_view::npos; at = word.find(name, at + 1)) {
      const size_t dollar = word.rfind('$', at);
      if (dollar != std::string_view::npos && (dollar == 0 || word[dollar - 1] != '!')) return true;
    }
  }
  return false;
}

}  // namespace

RuleVariables default_rule_variables() {
  RuleVariables out = {{"HOME_NET", "any"},      {"EXTERNAL_NET", "any"},
                       {"HTTP_PORTS", "80"},     {"SHELLCODE_PORTS", "!80"},
                       {"ORACLE_PORTS", "1521"}, {"SSH_PORTS", "22"},
                       {"DNP3_PORTS", "20000"},  {"MODBUS_PORTS", "502"},
                       {"FTP_PORTS", "21"},      {"FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"}};
  for (const char* name : {"AIM", "DNS", "HTTP", "SMTP", "SQL", "TELNET", "SSH", "FTP", "SNMP", "SIP"})
    out[fmt::format("{}_SERVERS", name)] = "$HOME_NET";
  for (const char* name :
       {"DC_SERVERS", "DNP3_SERVER", "DNP3_CLIENT", "MODBUS_SERVER", "MODBUS_CLIENT", "ENIP_SERVER", "ENIP_CLIENT"})
    out[name] = "$HOME_NET";
  return out;
}

Result<AddressSet> read_addresses(std::string_view text, const RuleVariables& variables) {
  return SetReader<AddressRange>(variables).read(text, 0);
}

Result<PortSet> read_ports(std::string_view text, const RuleVariables& variables) {
  return SetReader<PortRange>(variables).read(text, 0);
}

Status read_head(const std::vector<std::string>& words, const RuleVariables& variables, Rule& rule) {
  if (words.size() != 2 && words.size() != 7)
    return fail("wants `action protocol addresses ports -> addresses ports` before the '('");
  const auto* const action =
      std::find_if(std::begin(kActions), std::end(kActions), [&](const auto& each) { return each.first == words[0]; });
  if (action == std::end(kActions))
    return fail("'{}' is no action", printable(std::string_view(words[0]).substr(0, 40)));
  const auto* const protocol = std::find_if(std::begin(kProtocols), std::end(kProtocols),
                                            [&](const auto& each) { return each.first == words[1]; });
  if (protocol == std::end(kProtocols))
    return fail("protocol '{}' is not supported", printable(std::string_view(words[1]).substr(0, 40)));
  rule.action = action->second;
  rule.protocol = protocol->second;
  if (words.size() == 2) return {};
  if (words[4] != "->" && words[4] != "<>")
    return fail("'{}' is no direction (-> or <>)", printable(std::string_view(words[4]).substr(0, 40)));
  rule.both_ways = words[4] == "<>";
  for (const auto& [word, set] : {std::pair{2, &rule.source}, std::pair{5, &rule.destination}}) {
    auto addresses = read_addresses(words[static_cast<size_t>(word)], variables);
    if (!addresses) return wrap(word == 2 ? "source addresses" : "destination addresses", addresses);
    *set = std::move(*addresses);
  }
  for (const auto& [word, set] : {std::pair{3, &rule.source_ports}, std::pair{6, &rule.destination_ports}}) {
    auto ports = read_ports(words[static_cast<size_t>(word)], variables);
    if (!ports) return wrap(word == 3 ? "source ports" : "destination ports", ports);
    *set = std::move(*ports);
  }
  return {};
}

bool outbound(const std::vector<std::string>& words) {
  if (words.size() != 7 || words[4] != "->") return false;
  return names_home(words[2]) && words[5] != "any" && !names_home(words[5]);
}

std::string_view protocol_name(RuleProtocol protocol) {
  return name_in(kProtocols, protocol);
}

std::string_view action_name(RuleAction action) {
  return name_in(kActions, action);
}

}  // namespace skep::formats

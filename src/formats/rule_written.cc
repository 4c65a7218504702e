// A rule written out again (rule_file.h: rule_text).
#include <arpa/inet.h>

#include <algorithm>
#include <limits>

#include "formats/rule_file.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == ';') out += '\\';
    out += c;
  }
  return out + '"';
}

// Bare text, where commas would part it and a quote at its beginning would open one.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == ';' || c == ',') out += '\\';
    out += c;
  }
  return out;
}

bool mapped(const RuleAddress& bytes) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(std::begin(kMapped), std::end(kMapped), bytes.begin());
}

std::string address(const RuleAddress& bytes, bool as_ipv4) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(as_ipv4 ? AF_INET : AF_INET6, bytes.data() + (as_ipv4 ? 12 : 0), text, sizeof text);
  return text;
}

std::string range_text(const AddressRange& range) {
  const bool as_ipv4 = mapped(range.first) && mapped(range.last);
  const std::string first = address(range.first, as_ipv4);
  return range.first == range.last ? first : first + "-" + address(range.last, as_ipv4);
}
std::string range_text(const PortRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}:{}", range.first, range.last);
}

template <typename Range>
std::string set_text(const RuleSet<Range>& set) {
  std::string out = set.negated ? "!" : "";
  if (set.range) return out + range_text(*set.range);
  if (set.members.empty()) return out + "any";
  out += '[';
  for (size_t i = 0; i < set.members.size(); ++i) out += (i > 0 ? "," : "") + set_text(set.members[i]);
  return out + ']';
}

std::string number_text(const RuleNumber& number) {
  return number.variable.empty() ? fmt::format("{}", number.value) : number.variable;
}

std::string size_text(const SizeRange& size) {
  if (size.least == size.most) return fmt::format("{}{}", size.negated ? "!" : "", size.least);
  if (size.most == std::numeric_limits<uint64_t>::max()) return fmt::format(">={}", size.least);
  if (size.least == 0) return fmt::format("<={}", size.most);
  return fmt::format("{}<=>{}", size.least, size.most);
}

std::string number_words(const ByteNumber& number) {
  std::string out;
  if (number.relative) out += ",relative";
  if (number.little_endian) out += ",little";
  if (number.text_base != 0)
    out += number.text_base == 16 ? ",string,hex" : number.text_base == 8 ? ",string,oct" : ",string,dec";
  if (number.bitmask != 0) out += fmt::format(",bitmask 0x{:x}", number.bitmask);
  return out;
}

void write(const Content& content, std::string& out) {
  out += fmt::format("content:{}\"{}\";", content.negated ? "!" : "", pattern_text(content.bytes));
  if (content.nocase) out += " nocase;";
  if (content.starts_with) out += " startswith;";
  if (content.ends_with) out += " endswith;";
  if (content.fast_pattern) out += " fast_pattern;";
  if (content.offset) out += fmt::format(" offset:{};", number_text(*content.offset));
  if (content.depth) out += fmt::format(" depth:{};", number_text(*content.depth));
  if (content.distance) out += fmt::format(" distance:{};", number_text(*content.distance));
  if (content.within) out += fmt::format(" within:{};", number_text(*content.within));
}

void write(const Pcre& pcre, std::string& out) {
  out += fmt::format("pcre:{}\"/{}/", pcre.negated ? "!" : "", pcre.pattern);
  for (const auto& [letter, member] : kPcreFlags) {
    if (pcre.*member) out += letter;
  }
  out += "\";";
}

void write(const ByteTest& test, std::string& out) {
  out += fmt::format("byte_test:{},{}{},{},{}{};", test.number.bytes, test.negated ? "!" : "", test.comparison,
                     number_text(test.value), number_text(test.number.offset), number_words(test.number));
}

void write(const ByteJump& jump, std::string& out) {
  out +=
      fmt::format("byte_jump:{},{}{}", jump.number.bytes, number_text(jump.number.offset), number_words(jump.number));
  if (jump.multiplier != 1) out += fmt::format(",multiplier {}", jump.multiplier);
  if (jump.align) out += ",align";
  if (jump.from == ByteJump::From::beginning) out += ",from_beginning";
  if (jump.from == ByteJump::From::end) out += ",from_end";
  if (jump.post_offset != RuleNumber{}) out += fmt::format(",post_offset {}", number_text(jump.post_offset));
  out += ';';
}

void write(const ByteExtract& extract, std::string& out) {
  out += fmt::format("byte_extract:{},{},{}{}", extract.number.bytes, number_text(extract.number.offset), extract.name,
                     number_words(extract.number));
  if (extract.multiplier != 1) out += fmt::format(",multiplier {}", extract.multiplier);
  if (extract.align != 0) out += fmt::format(",align {}", extract.align);
  out += ';';
}

void write(const ByteMath& math, std::string& out) {
  out += fmt::format("byte_math:bytes {},offset {},oper {},rvalue {},result {}", math.number.bytes,
                     number_text(math.number.offset), math.operation, number_text(math.value), math.name);
  out += number_words(math.number) + ";";
}

void write(const DataAt& data, std::string& out) {
  out +=
      fmt::format("isdataat:{}{}{};", data.negated ? "!" : "", number_text(data.at), data.relative ? ",relative" : "");
}

void write(const BufferSize& size, std::string& out) {
  out += fmt::format("bsize:{};", size_text(size.size));
}

void write(const PacketSize& size, std::string& out) {
  out += fmt::format("dsize:{};", size_text(size.size));
}

void write(const Base64Decode& decode, std::string& out) {
  std::string words;
  if (decode.bytes != 0) words += fmt::format("bytes {},", decode.bytes);
  words += fmt::format("offset {}{}", decode.offset, decode.relative ? ",relative" : "");
  out += fmt::format("base64_decode:{};", words);
}

// Names the buffer where it is another than before, then the option.
void write_options(const Rule& rule, std::string& out) {
  std::optional<BufferUse> current;
  for (const RuleOption& option : rule.options) {
    std::visit(
        [&](const auto& each) {
          if constexpr (requires { each.where; }) {
            if (!current || *current != each.where) {
              out += fmt::format(" {};", buffer_name(each.where.buffer));
              for (const Transform transform : each.where.transforms)
                out += fmt::format(" {};", transform_name(transform));
              current = each.where;
            }
          }
          out += ' ';
          write(each, out);
        },
        option);
  }
}

void write_flow(const RuleFlow& flow, std::string& out) {
  std::string words;
  const auto add = [&](std::string_view word) { words += fmt::format("{}{}", words.empty() ? "" : ",", word); };
  if (flow.state == RuleFlow::State::established) add("established");
  if (flow.state == RuleFlow::State::not_established) add("not_established");
  if (flow.state == RuleFlow::State::stateless) add("stateless");
  if (flow.direction == RuleFlow::Direction::to_server) add("to_server");
  if (flow.direction == RuleFlow::Direction::to_client) add("to_client");
  if (flow.stream == RuleFlow::Stream::only) add("only_stream");
  if (flow.stream == RuleFlow::Stream::no) add("no_stream");
  if (!words.empty()) out += fmt::format(" flow:{};", words);
}

void write_bit(const RuleBit& bit, std::string& out) {
  static constexpr std::string_view kDeeds[] = {"set", "unset", "toggle", "isset", "isnotset"};
  static constexpr std::string_view kScopes[] = {"", "ip_src", "ip_dst", "ip_pair"};
  const bool of_flow = bit.scope == RuleBit::Scope::flow;
  out += fmt::format(" {}:{},{}", of_flow ? "flowbits" : "xbits", kDeeds[static_cast<size_t>(bit.deed)],
                     fmt::join(bit.names, "|"));
  if (!of_flow) out += fmt::format(",track {}", kScopes[static_cast<size_t>(bit.scope)]);
  if (bit.expire_s != 0) out += fmt::format(",expire {}", bit.expire_s);
  out += ';';
}

void write_threshold(const RuleThreshold& threshold, std::string& out) {
  static constexpr std::string_view kKinds[] = {"limit", "threshold", "both"};
  static constexpr std::string_view kTracks[] = {"by_src", "by_dst", "by_both", "by_rule"};
  const bool filter = threshold.kind == RuleThreshold::Kind::detection_filter;
  out +=
      filter ? " detection_filter:" : fmt::format(" threshold:type {},", kKinds[static_cast<size_t>(threshold.kind)]);
  out += fmt::format("track {},count {},seconds {};", kTracks[static_cast<size_t>(threshold.track)], threshold.count,
                     threshold.seconds);
}

void write_words(const Rule& rule, std::string& out) {
  for (const RuleReference& each : rule.references)
    out += fmt::format(" reference:{},{};", each.system, quoted(each.id));
  if (!rule.classtype.empty()) out += fmt::format(" classtype:{};", quoted(rule.classtype));
  for (size_t i = 0; i < rule.metadata.size(); ++i)
    out += fmt::format("{}{}", i == 0 ? " metadata:" : ", ", escaped(rule.metadata[i]));
  if (!rule.metadata.empty()) out += ';';
  if (!rule.services.empty()) out += fmt::format(" service:{};", fmt::join(rule.services, ","));
  if (rule.priority != 0) out += fmt::format(" priority:{};", rule.priority);
  if (rule.gid != 1) out += fmt::format(" gid:{};", rule.gid);
  out += fmt::format(" sid:{}; rev:{};)", rule.sid, rule.rev);
}

}  // namespace

std::string rule_text(const Rule& rule) {
  std::string out = fmt::format("{} {} {} {} {} {} {} (msg:{};", action_name(rule.action), protocol_name(rule.protocol),
                                set_text(rule.source), set_text(rule.source_ports), rule.both_ways ? "<>" : "->",
                                set_text(rule.destination), set_text(rule.destination_ports), quoted(rule.message));
  write_flow(rule.flow, out);
  for (const RuleBit& bit : rule.bits) write_bit(bit, out);
  if (rule.silent) out += " noalert;";
  write_options(rule, out);
  if (rule.threshold) write_threshold(*rule.threshold, out);
  write_words(rule, out);
  return out;
}

}  // namespace skep::formats

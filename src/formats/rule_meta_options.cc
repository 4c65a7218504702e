// msg, sid, reference, flow, flowbits, threshold...: options that look at no bytes.
#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

// A text in quotes, or bare.
Result<std::string> plain_text(const std::string& value) {
  if (!value.starts_with('"')) return unescaped(value);
  const auto quoted = split_quoted(value);
  if (!quoted) return tl::unexpected<Error>(quoted.error());
  if (!quoted->behind.empty()) return fail("'{}' behind the closing quote", printable(quoted->behind.substr(0, 40)));
  return unescaped(quoted->inside);
}

Status read_text(const std::string& value, std::string& out) {
  auto text = plain_text(value);
  if (!text) return tl::unexpected<Error>(text.error());
  out = std::move(*text);
  return {};
}

Status read_msg(RuleReader& reader, const std::string& value) {
  return read_text(value, reader.rule.message);
}
Status read_classtype(RuleReader& reader, const std::string& value) {
  return read_text(value, reader.rule.classtype);
}
Status read_sid(RuleReader& reader, const std::string& value) {
  return take_number(value, 1, UINT32_MAX, reader.rule.sid);
}
Status read_gid(RuleReader& reader, const std::string& value) {
  return take_number(value, 0, UINT32_MAX, reader.rule.gid);
}
Status read_rev(RuleReader& reader, const std::string& value) {
  return take_number(value, 0, UINT32_MAX, reader.rule.rev);
}
Status read_priority(RuleReader& reader, const std::string& value) {
  return take_number(value, 1, 255, reader.rule.priority);
}

Status read_reference(RuleReader& reader, const std::string& value) {
  const size_t comma = value.find(',');
  if (comma == std::string::npos) return fail("wants system and id");
  std::string id;
  if (Status text = read_text(std::string(trim(std::string_view(value).substr(comma + 1))), id); !text) return text;
  std::string system = lower_case(trim(std::string_view(value).substr(0, comma)));
  if (!a_word(system)) return not_understood(system);
  reader.rule.references.push_back({std::move(system), std::move(id)});
  return {};
}

Status read_metadata(RuleReader& reader, const std::string& value) {
  for (const std::string_view part : split_value(value)) {
    std::string text(trim(unescaped(part)));
    if (!text.empty()) reader.rule.metadata.push_back(std::move(text));
  }
  return {};
}

Status read_service(RuleReader& reader, const std::string& value) {
  for (const std::string_view part : split_value(value)) {
    if (!a_word(part)) return not_understood(part);
    reader.rule.services.push_back(lower_case(part));
  }
  return {};
}

Status set_direction(RuleFlow& flow, RuleFlow::Direction direction) {
  if (flow.direction != RuleFlow::Direction::unsaid && flow.direction != direction) return fail("two directions");
  flow.direction = direction;
  return {};
}

Status read_flow(RuleReader& reader, const std::string& value) {
  for (const std::string_view word : split_value(value)) {
    if (Status read = read_flow_word(reader.rule.flow, lower_case(word)); !read) return read;
  }
  return {};
}

Result<RuleBit::Deed> bit_deed(std::string_view word) {
  if (word == "set") return RuleBit::Deed::set;
  if (word == "unset") return RuleBit::Deed::unset;
  if (word == "toggle") return RuleBit::Deed::toggle;
  if (word == "isset") return RuleBit::Deed::isset;
  if (word == "isnotset") return RuleBit::Deed::isnotset;
  return fail("'{}' is not understood", printable(word.substr(0, 40)));
}

// "a|b": any of them.
Status bit_names(std::string_view text, std::vector<std::string>& names) {
  for (const std::string_view part : split(text, '|')) {
    const std::string_view name = trim(part);
    if (name.empty() || name.find_first_of("& \t\"\\") != std::string_view::npos)
      return fail("'{}' is no name of a bit", printable(text.substr(0, 40)));
    names.emplace_back(name);
  }
  return {};
}

Status read_flowbits(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() == 1 && lower_case(parts[0]) == "noalert") return reader.rule.silent = true, Status{};
  if (parts.size() != 2) return fail("wants a deed and a name");
  const auto deed = bit_deed(lower_case(parts[0]));
  if (!deed) return tl::unexpected<Error>(deed.error());
  RuleBit bit;
  bit.deed = *deed;
  if (Status names = bit_names(parts[1], bit.names); !names) return names;
  reader.rule.bits.push_back(std::move(bit));
  return {};
}

Status read_xbits(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 3) return fail("wants a deed, a name and what is tracked");
  const auto deed = bit_deed(lower_case(parts[0]));
  if (!deed) return tl::unexpected<Error>(deed.error());
  RuleBit bit;
  bit.deed = *deed;
  if (Status names = bit_names(parts[1], bit.names); !names) return names;
  for (size_t i = 2; i < parts.size(); ++i) {
    const auto [key, rest] = key_and_rest(parts[i]);
    if (key == "track" && rest == "ip_src") {
      bit.scope = RuleBit::Scope::source;
    } else if (key == "track" && rest == "ip_dst") {
      bit.scope = RuleBit::Scope::destination;
    } else if (key == "track" && rest == "ip_pair") {
      bit.scope = RuleBit::Scope::pair;
    } else if (key == "expire") {
      if (Status expire = take_number(rest, 1, INT32_MAX, bit.expire_s); !expire) return expire;
    } else {
      return not_understood(parts[i]);
    }
  }
  if (bit.scope == RuleBit::Scope::flow) return fail("what is tracked is missing");
  reader.rule.bits.push_back(std::move(bit));
  return {};
}

Status read_noalert(RuleReader& reader, const std::string&) {
  reader.rule.silent = true;
  return {};
}

Status threshold_part(std::string_view part, RuleThreshold& out) {
  const auto [key, rest] = key_and_rest(part);
  using Kind = RuleThreshold::Kind;
  using Track = RuleThreshold::Track;
  if (key == "count") return take_number(rest, 1, UINT32_MAX, out.count);
  if (key == "seconds") return take_number(rest, 1, UINT32_MAX, out.seconds);
  if (key == "type" && out.kind != Kind::detection_filter) {
    if (rest == "limit") return out.kind = Kind::limit, Status{};
    if (rest == "threshold") return out.kind = Kind::threshold, Status{};
    if (rest == "both") return out.kind = Kind::both, Status{};
  }
  if (key == "track") {
    if (rest == "by_src") return out.track = Track::source, Status{};
    if (rest == "by_dst") return out.track = Track::destination, Status{};
    if (rest == "by_both") return out.track = Track::both, Status{};
    if (rest == "by_rule") return out.track = Track::rule, Status{};
  }
  return not_understood(part);
}

Status read_threshold_as(RuleReader& reader, const std::string& value, RuleThreshold::Kind kind) {
  if (reader.rule.threshold) return fail("a second one");
  RuleThreshold out;
  out.kind = kind;
  const std::string words = lower_case(value);
  for (const std::string_view part : split_value(words)) {
    if (Status read = threshold_part(part, out); !read) return read;
  }
  reader.rule.threshold = out;
  return {};
}
Status read_threshold(RuleReader& reader, const std::string& value) {
  return read_threshold_as(reader, value, RuleThreshold::Kind::limit);
}
Status read_detection_filter(RuleReader& reader, const std::string& value) {
  return read_threshold_as(reader, value, RuleThreshold::Kind::detection_filter);
}

constexpr OptionRow kOptions[] = {
    {"msg", read_msg},
    {"sid", read_sid},
    {"gid", read_gid},
    {"rev", read_rev},
    {"priority", read_priority},
    {"classtype", read_classtype},
    {"reference", read_reference},
    {"metadata", read_metadata},
    {"service", read_service},
    {"flow", read_flow},
    {"flowbits", read_flowbits},
    {"xbits", read_xbits},
    {"noalert", read_noalert},
    {"threshold", read_threshold},
    {"detection_filter", read_detection_filter},
};

}  // namespace

std::span<const OptionRow> meta_options() {
  return kOptions;
}

Status read_flow_word(RuleFlow& flow, std::string_view word) {
  if (word == "to_server" || word == "from_client") return set_direction(flow, RuleFlow::Direction::to_server);
  if (word == "to_client" || word == "from_server") return set_direction(flow, RuleFlow::Direction::to_client);
  if (word == "established") return flow.state = RuleFlow::State::established, Status{};
  if (word == "not_established") return flow.state = RuleFlow::State::not_established, Status{};
  if (word == "stateless") return flow.state = RuleFlow::State::stateless, Status{};
  if (word == "only_stream") return flow.stream = RuleFlow::Stream::only, Status{};
  if (word == "no_stream") return flow.stream = RuleFlow::Stream::no, Status{};
  return not_understood(word);
}

}  // namespace skep::formats

// content and its modifiers, pcre, and the sizes of buffers and packets.
#include <algorithm>
#include <limits>

#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

Status set_once(const RuleReader& reader, std::string_view text, int64_t least, std::optional<RuleNumber>& out) {
  if (out) return fail("said twice of one content");
  auto value = reader.number(text, least, kRuleOffsetMax);
  if (!value) return tl::unexpected<Error>(value.error());
  out = std::move(*value);
  return {};
}

Status no_value(std::string_view value) {
  if (!value.empty()) return not_understood(value);
  return {};
}

// One modifier of a content; `known` says whether it is one.
Status modify(const RuleReader& reader, Content& content, std::string_view name, std::string_view value, bool& known) {
  known = true;
  if (name == "offset") return set_once(reader, value, 0, content.offset);
  if (name == "depth") return set_once(reader, value, 1, content.depth);
  if (name == "distance") return set_once(reader, value, -kRuleOffsetMax, content.distance);
  if (name == "within") return set_once(reader, value, 1, content.within);
  if (name == "fast_pattern" || name == "fast_pattern_offset" || name == "fast_pattern_length") {
    content.fast_pattern = true;  // "only" and a part of it are advice, too
    return {};
  }
  if (name == "rawbytes") return no_value(value);  // undone is only what telnet's decoder did, and we have none
  if (name == "nocase") return content.nocase = true, no_value(value);
  if (name == "startswith") return content.starts_with = true, no_value(value);
  if (name == "endswith") return content.ends_with = true, no_value(value);
  known = false;
  return {};
}

Status add_content(RuleReader& reader, const std::string& value, const BufferUse& where) {
  const auto quoted = split_quoted(value);
  if (!quoted) return tl::unexpected<Error>(quoted.error());
  auto bytes = pattern_bytes(quoted->inside);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  Content content;
  content.where = where;
  content.negated = quoted->negated;
  content.bytes = std::move(*bytes);
  for (const std::string_view part : split_value(quoted->behind)) {
    if (part.empty()) continue;  // what stands before the first comma
    const auto [key, rest] = key_and_rest(part);
    bool known = false;
    if (Status modified = modify(reader, content, key, rest, known); !modified)
      return fail("{}: {}", key, modified.error().message);
    if (!known) return not_understood(part);
  }
  if (!quoted->behind.empty() && quoted->behind[0] != ',') return not_understood(quoted->behind);
  reader.last_content = static_cast<std::ptrdiff_t>(reader.rule.options.size());
  reader.behind_said = false;
  reader.rule.options.emplace_back(std::move(content));
  return {};
}

Status read_content(RuleReader& reader, const std::string& value) {
  return add_content(reader, value, reader.sticky);
}

Status read_uricontent(RuleReader& reader, const std::string& value) {
  Status added = add_content(reader, value, {RuleBuffer::http_uri, {}});
  reader.behind_said = true;
  return added;
}

// Flags that name a buffer, as modifiers behind a content do.
constexpr std::pair<char, RuleBuffer> kPcreBuffers[] = {
    {'U', RuleBuffer::http_uri},     {'I', RuleBuffer::http_uri_raw},    {'P', RuleBuffer::http_request_body},
    {'H', RuleBuffer::http_header},  {'D', RuleBuffer::http_header_raw}, {'M', RuleBuffer::http_method},
    {'C', RuleBuffer::http_cookie},  {'V', RuleBuffer::http_user_agent}, {'W', RuleBuffer::http_host},
    {'Z', RuleBuffer::http_host_raw}};

Status pcre_flag(char flag, Pcre& pcre, std::optional<RuleBuffer>& named) {
  if (flag == 'B' || flag == 'O') return {};  // raw bytes, as rawbytes; an engine's own limit set aside: ours stays
  for (const auto& [letter, member] : kPcreFlags) {
    if (letter == flag) return pcre.*member = true, Status{};
  }
  const auto* const found = std::find_if(std::begin(kPcreBuffers), std::end(kPcreBuffers),
                                         [&](const auto& each) { return each.first == flag; });
  if (found == std::end(kPcreBuffers))
    return fail("flag '{}' is not understood", printable(std::string_view(&flag, 1)));
  if (named && *named != found->second) return fail("flags name two buffers");
  named = found->second;
  return {};
}

// From the first quote to the last: a quote in between need not be escaped (seen in public sets).
Status read_pcre(RuleReader& reader, const std::string& value) {
  std::string_view text = value;
  const bool negated = text.starts_with('!');
  if (negated) text = trim(text.substr(1));
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return fail("wants an expression in quotes");
  text = text.substr(1, text.size() - 2);
  if (text.starts_with('m') && text.size() > 1) text.remove_prefix(1);  // m?...?
  if (text.empty()) return fail("an empty expression");
  const char border = text[0];
  const size_t end = text.rfind(border);
  const bool a_border = border > ' ' && border < 0x7f && border != '\\' &&
                        std::string_view("#/!?,~@%=+;:_|'").find(border) != std::string_view::npos;
  if (!a_border || end == 0) return fail("wants /expression/flags");
  Pcre pcre;
  pcre.negated = negated;
  pcre.pattern = text.substr(1, end - 1);
  if (pcre.pattern.empty()) return fail("an empty expression");
  std::optional<RuleBuffer> named;
  for (const char flag : text.substr(end + 1)) {
    if (Status read = pcre_flag(flag, pcre, named); !read) return read;
  }
  pcre.where = reader.sticky;
  if (named && reader.sticky_said && reader.sticky.buffer != *named)
    return fail("its flags name another buffer than the one before it");
  if (named && !reader.sticky_said) pcre.where = {*named, {}};
  reader.rule.options.emplace_back(std::move(pcre));
  return {};
}

// N, <N, >N, <=N, >=N, !N; a<>b without its ends (Suricata), a<=>b with them (Snort 3).
Result<SizeRange> size_range(std::string_view text) {
  constexpr int64_t kMost = UINT32_MAX;
  SizeRange out{0, std::numeric_limits<uint64_t>::max(), false};
  text = trim(text);
  for (const std::string_view between : {"<=>", "<>"}) {
    const size_t at = text.find(between);
    if (at == std::string_view::npos) continue;
    const auto low = rule_number(text.substr(0, at), 0, kMost);
    if (!low) return tl::unexpected<Error>(low.error());
    const auto high = rule_number(text.substr(at + between.size()), 0, kMost);
    if (!high) return tl::unexpected<Error>(high.error());
    const bool ends = between == "<=>";
    if (ends ? *high < *low : *high < *low + 2) return fail("'{}' holds for no size", printable(text.substr(0, 40)));
    out.least = static_cast<uint64_t>(*low + (ends ? 0 : 1));
    out.most = static_cast<uint64_t>(*high - (ends ? 0 : 1));
    return out;
  }
  std::string_view sign = text.substr(0, std::min(text.find_first_not_of("<>=!"), text.size()));
  const auto value = rule_number(text.substr(sign.size()), 0, kMost);
  if (!value) return tl::unexpected<Error>(value.error());
  const auto number = static_cast<uint64_t>(*value);
  if (sign == "<" && number == 0) return fail("less than 0 holds for no size");
  if (sign.empty() || sign == "=" || sign == "!") {
    out = {number, number, sign == "!"};
  } else if (sign == "<") {
    out.most = number - 1;
  } else if (sign == "<=") {
    out.most = number;
  } else if (sign == ">" && *value < kMost) {
    out.least = number + 1;
  } else if (sign == ">=") {
    out.least = number;
  } else {
    return fail("'{}' is not understood", printable(text.substr(0, 40)));
  }
  return out;
}

Status add_size(RuleReader& reader, std::string_view value, const BufferUse& where) {
  auto range = size_range(value);
  if (!range) return tl::unexpected<Error>(range.error());
  reader.rule.options.emplace_back(BufferSize{where, *range});
  return {};
}

Status read_bsize(RuleReader& reader, const std::string& value) {
  if (!reader.sticky_said) return fail("no buffer is named before it");
  return add_size(reader, value, reader.sticky);
}

// The raw URI unless said otherwise, as Suricata has it.
Status read_urilen(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.empty() || parts.size() > 2) return fail("wants a length");
  if (parts.size() == 2 && parts[1] != "norm" && parts[1] != "raw") return not_understood(parts[1]);
  const bool normal = parts.size() == 2 && parts[1] == "norm";
  return add_size(reader, parts[0], {normal ? RuleBuffer::http_uri : RuleBuffer::http_uri_raw, {}});
}

Status read_dsize(RuleReader& reader, const std::string& value) {
  auto range = size_range(value);
  if (!range) return tl::unexpected<Error>(range.error());
  reader.rule.options.emplace_back(PacketSize{*range});
  return {};
}

constexpr OptionRow kOptions[] = {
    {"content", read_content}, {"uricontent", read_uricontent}, {"pcre", read_pcre},       {"dsize", read_dsize},
    {"urilen", read_urilen},   {"bsize", read_bsize},           {"bufferlen", read_bsize},
};

}  // namespace

std::span<const OptionRow> content_options() {
  return kOptions;
}

Status modify_last(RuleReader& reader, std::string_view name, std::string_view value, bool& known) {
  known = false;
  if (reader.last_content < 0) return {};
  const auto at = static_cast<size_t>(reader.last_content);
  Status modified = modify(reader, std::get<Content>(reader.rule.options[at]), name, value, known);
  if (known && at + 1 != reader.rule.options.size() && reader.variables.contains(value))
    return fail("its number is made behind the content");
  return modified;
}

}  // namespace skep::formats

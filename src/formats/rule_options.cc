#include "formats/rule_options.h"

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

constexpr int64_t kOffsetMax = 65535;  // what Suricata takes
constexpr size_t kTransformsMax = 8;

enum class Named : uint8_t {
  before,  // always
  both,    // behind the content, or before it: as the dialect says
};

struct BufferName {
  std::string_view name;
  RuleBuffer buffer;
  Named named;
};

// The first name of each buffer is the one that is written.
constexpr BufferName kBuffers[] = {
    {"pkt_data", RuleBuffer::payload, Named::before},
    {"http.uri", RuleBuffer::http_uri, Named::before},
    {"http_uri", RuleBuffer::http_uri, Named::both},
    {"http.uri.raw", RuleBuffer::http_uri_raw, Named::before},
    {"http_raw_uri", RuleBuffer::http_uri_raw, Named::both},
    {"http.method", RuleBuffer::http_method, Named::before},
    {"http_method", RuleBuffer::http_method, Named::both},
    {"http.protocol", RuleBuffer::http_protocol, Named::before},
    {"http_protocol", RuleBuffer::http_protocol, Named::before},
    {"http.request_line", RuleBuffer::http_request_line, Named::before},
    {"http_request_line", RuleBuffer::http_request_line, Named::before},
    {"http.header", RuleBuffer::http_header, Named::before},
    {"http_header", RuleBuffer::http_header, Named::both},
    {"http.header.raw", RuleBuffer::http_header_raw, Named::before},
    {"http_raw_header", RuleBuffer::http_header_raw, Named::both},
    {"http.header_names", RuleBuffer::http_header_names, Named::before},
    {"http_header_names", RuleBuffer::http_header_names, Named::before},
    {"http.cookie", RuleBuffer::http_cookie, Named::before},
    {"http_cookie", RuleBuffer::http_cookie, Named::both},
    {"http.user_agent", RuleBuffer::http_user_agent, Named::before},
    {"http_user_agent", RuleBuffer::http_user_agent, Named::both},
    {"http.host", RuleBuffer::http_host, Named::before},
    {"http_host", RuleBuffer::http_host, Named::both},
    {"http.host.raw", RuleBuffer::http_host_raw, Named::before},
    {"http_raw_host", RuleBuffer::http_host_raw, Named::both},
    {"http.referer", RuleBuffer::http_referer, Named::before},
    {"http_referer", RuleBuffer::http_referer, Named::before},
    {"http.accept", RuleBuffer::http_accept, Named::before},
    {"http_accept", RuleBuffer::http_accept, Named::before},
    {"http.accept_lang", RuleBuffer::http_accept_lang, Named::before},
    {"http_accept_lang", RuleBuffer::http_accept_lang, Named::before},
    {"http.accept_enc", RuleBuffer::http_accept_enc, Named::before},
    {"http_accept_enc", RuleBuffer::http_accept_enc, Named::before},
    {"http.connection", RuleBuffer::http_connection, Named::before},
    {"http_connection", RuleBuffer::http_connection, Named::before},
    {"http.content_type", RuleBuffer::http_content_type, Named::before},
    {"http_content_type", RuleBuffer::http_content_type, Named::before},
    {"http.content_len", RuleBuffer::http_content_len, Named::before},
    {"http_content_len", RuleBuffer::http_content_len, Named::before},
    {"http.start", RuleBuffer::http_start, Named::before},
    {"http_start", RuleBuffer::http_start, Named::before},
    {"http.request_body", RuleBuffer::http_request_body, Named::before},
    {"http_client_body", RuleBuffer::http_request_body, Named::both},
    {"file.data", RuleBuffer::file_data, Named::before},
    {"file_data", RuleBuffer::file_data, Named::before},
    {"base64_data", RuleBuffer::base64_data, Named::before},
};

constexpr std::pair<std::string_view, Transform> kTransforms[] = {
    {"dotprefix", Transform::dotprefix},
    {"url_decode", Transform::url_decode},
    {"strip_whitespace", Transform::strip_whitespace},
    {"compress_whitespace", Transform::compress_whitespace},
    {"to_lowercase", Transform::to_lowercase},
    {"to_uppercase", Transform::to_uppercase},
    {"header_lowercase", Transform::header_lowercase},
    {"to_md5", Transform::to_md5},
    {"to_sha1", Transform::to_sha1},
    {"to_sha256", Transform::to_sha256},
    {"strip_pseudo_headers", Transform::strip_pseudo_headers},
};

// What a server sends; a rule that looks at it is not about a client's bytes.
constexpr std::string_view kServerBuffers[] = {
    "http.stat_code",     "http_stat_code",     "http.stat_msg",    "http_stat_msg",        "http.response_line",
    "http_response_line", "http.response_body", "http_server_body", "http.server",          "http.location",
    "tls.cert_subject",   "tls.cert_issuer",    "tls.cert_serial",  "tls.cert_fingerprint", "tls.certs",
    "ja3s.hash",          "ja3s.string",        "ssh.server.proto", "ssh.server.software"};

// Known, and about packets that a proxy never sees: its kernel took them.
constexpr std::string_view kPacketOptions[] = {"flags",   "ack",         "seq",       "window",     "id",
                                               "ttl",     "tos",         "ip_proto",  "itype",      "icode",
                                               "icmp_id", "icmp_seq",    "fragbits",  "fragoffset", "ipopts",
                                               "sameip",  "stream_size", "tcp.flags", "tcp.mss",    "geoip"};

// They say nothing about bytes: words for people, or what another engine is to do after a match.
constexpr std::string_view kPassedOver[] = {"tag",  "target", "requires", "rem",          "logto", "session",
                                            "resp", "react",  "author",   "activated_by", "sync"};

template <typename List>
bool among(const List& list, std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

const BufferName* find_buffer(std::string_view name) {
  const auto* const found =
      std::find_if(std::begin(kBuffers), std::end(kBuffers), [&](const BufferName& each) { return each.name == name; });
  return found == std::end(kBuffers) ? nullptr : found;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

bool a_word(std::string_view text) {
  const auto of_a_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), of_a_word);
}

Status not_understood(std::string_view word) {
  return fail("'{}' is not understood", printable(word.substr(0, 40)));
}

template <typename T>
Status take(std::string_view text, int64_t least, int64_t most, T& out) {
  const auto value = rule_number(text, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  out = static_cast<T>(*value);
  return {};
}

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
  return take(value, 1, UINT32_MAX, reader.rule.sid);
}
Status read_gid(RuleReader& reader, const std::string& value) {
  return take(value, 0, UINT32_MAX, reader.rule.gid);
}
Status read_rev(RuleReader& reader, const std::string& value) {
  return take(value, 0, UINT32_MAX, reader.rule.rev);
}
Status read_priority(RuleReader& reader, const std::string& value) {
  return take(value, 1, 255, reader.rule.priority);
}

Status read_reference(RuleReader& reader, const std::string& value) {
  const size_t comma = value.find(',');
  if (comma == std::string::npos) return fail("wants system and id");
  std::string id;
  if (const Status text = read_text(std::string(trim(std::string_view(value).substr(comma + 1))), id); !text)
    return text;
  std::string system = lower(trim(std::string_view(value).substr(0, comma)));
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
    reader.rule.services.push_back(lower(part));
  }
  return {};
}

Status set_direction(RuleFlow& flow, RuleFlow::Direction direction) {
  if (flow.direction != RuleFlow::Direction::unsaid && flow.direction != direction) return fail("two directions");
  flow.direction = direction;
  return {};
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

Status read_flow(RuleReader& reader, const std::string& value) {
  for (const std::string_view word : split_value(value)) {
    if (const Status read = read_flow_word(reader.rule.flow, lower(word)); !read) return read;
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
    if (name.empty() || name.find_first_of("& \t\"") != std::string_view::npos)
      return fail("'{}' is no name of a bit", printable(text.substr(0, 40)));
    names.emplace_back(name);
  }
  return {};
}

Status read_flowbits(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() == 1 && lower(parts[0]) == "noalert") return reader.rule.silent = true, Status{};
  if (parts.size() != 2) return fail("wants a deed and a name");
  const auto deed = bit_deed(lower(parts[0]));
  if (!deed) return tl::unexpected<Error>(deed.error());
  RuleBit bit;
  bit.deed = *deed;
  if (const Status names = bit_names(parts[1], bit.names); !names) return names;
  reader.rule.bits.push_back(std::move(bit));
  return {};
}

Status read_xbits(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 3) return fail("wants a deed, a name and what is tracked");
  const auto deed = bit_deed(lower(parts[0]));
  if (!deed) return tl::unexpected<Error>(deed.error());
  RuleBit bit;
  bit.deed = *deed;
  if (const Status names = bit_names(parts[1], bit.names); !names) return names;
  for (size_t i = 2; i < parts.size(); ++i) {
    const auto [key, rest] = key_and_rest(parts[i]);
    if (key == "track" && rest == "ip_src") {
      bit.scope = RuleBit::Scope::source;
    } else if (key == "track" && rest == "ip_dst") {
      bit.scope = RuleBit::Scope::destination;
    } else if (key == "track" && rest == "ip_pair") {
      bit.scope = RuleBit::Scope::pair;
    } else if (key == "expire") {
      if (const Status expire = take(rest, 1, INT32_MAX, bit.expire_s); !expire) return expire;
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
  if (key == "count") return take(rest, 1, UINT32_MAX, out.count);
  if (key == "seconds") return take(rest, 1, UINT32_MAX, out.seconds);
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
  const std::string words = lower(value);
  for (const std::string_view part : split_value(words)) {
    if (const Status read = threshold_part(part, out); !read) return read;
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

// The content that a modifier speaks of.
Result<Content*> last_content(RuleReader& reader) {
  if (reader.last_content < 0) return fail("no content stands before it");
  return &std::get<Content>(reader.rule.options[static_cast<size_t>(reader.last_content)]);
}

Status set_once(const RuleReader& reader, std::string_view text, int64_t least, std::optional<RuleNumber>& out) {
  if (out) return fail("said twice of one content");
  auto value = reader.number(text, least, kOffsetMax);
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
  if (name == "distance") return set_once(reader, value, -kOffsetMax, content.distance);
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
    if (const Status modified = modify(reader, content, key, rest, known); !modified)
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
  const Status added = add_content(reader, value, {RuleBuffer::http_uri, {}});
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
  switch (flag) {
    case 'i':
      pcre.nocase = true;
      return {};
    case 's':
      pcre.dot_all = true;
      return {};
    case 'm':
      pcre.multi_line = true;
      return {};
    case 'x':
      pcre.extended = true;
      return {};
    case 'A':
      pcre.anchored = true;
      return {};
    case 'E':
      pcre.dollar_end = true;
      return {};
    case 'G':
      pcre.ungreedy = true;
      return {};
    case 'R':
      pcre.relative = true;
      return {};
    case 'B':
      return {};  // raw bytes: as rawbytes
    case 'O':
      return {};  // an engine's own limit set aside; ours stays
    default:
      break;
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
    if (const Status read = pcre_flag(flag, pcre, named); !read) return read;
  }
  pcre.where = reader.sticky;
  if (named && reader.sticky_said && reader.sticky.buffer != *named)
    return fail("its flags name another buffer than the one before it");
  if (named && !reader.sticky_said) pcre.where = {*named, {}};
  reader.rule.options.emplace_back(std::move(pcre));
  return {};
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

struct Row {
  std::string_view name;
  Status (*read)(RuleReader& reader, const std::string& value);
};

constexpr Row kOptions[] = {
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
    {"content", read_content},
    {"uricontent", read_uricontent},
    {"pcre", read_pcre},
    {"byte_test", read_byte_test},
    {"byte_jump", read_byte_jump},
    {"byte_extract", read_byte_extract},
    {"byte_math", read_byte_math},
    {"isdataat", read_isdataat},
    {"dsize", read_dsize},
    {"urilen", read_urilen},
    {"bsize", read_bsize},
    {"bufferlen", read_bsize},
    {"base64_decode", read_base64_decode},
};

Status name_buffer(RuleReader& reader, const BufferName& named, const std::string& value) {
  if (!value.empty()) return not_understood(value);
  if (named.named == Named::before || reader.dialect == RuleDialect::before) {
    if (named.buffer == RuleBuffer::base64_data && !reader.decoded) return fail("no base64_decode stands before it");
    reader.sticky = {named.buffer, {}};
    reader.sticky_said = true;
    return {};
  }
  auto content = last_content(reader);
  if (!content) return tl::unexpected<Error>(content.error());
  if (reader.behind_said || reader.sticky_said) return fail("a content of two buffers");
  (*content)->where = {named.buffer, {}};
  reader.behind_said = true;
  return {};
}

Status read_option(RuleReader& reader, const OptionText& option) {
  const std::string& name = option.name;
  for (const Row& row : kOptions) {
    if (row.name == name) return row.read(reader, option.value);
  }
  if (const BufferName* const buffer = find_buffer(name)) return name_buffer(reader, *buffer, option.value);
  for (const auto& [word, transform] : kTransforms) {
    if (word != name) continue;
    if (!option.value.empty()) return not_understood(option.value);
    if (!reader.sticky_said) return fail("no buffer is named before it");
    if (reader.sticky.transforms.size() >= kTransformsMax) return fail("more than {} of one buffer", kTransformsMax);
    reader.sticky.transforms.push_back(transform);
    return {};
  }
  if (reader.last_content >= 0) {
    bool known = false;
    auto content = last_content(reader);
    const Status modified = modify(reader, **content, name, option.value, known);
    const bool last = static_cast<size_t>(reader.last_content) + 1 == reader.rule.options.size();
    if (known && !last && reader.variables.contains(option.value)) return fail("its number is made behind the content");
    if (known) return modified;
  }
  if (among(kPassedOver, name)) return {};
  if (among(kPacketOptions, name)) return fail("a header's field, which no proxy sees");
  if (among(kServerBuffers, name)) return fail("of what a server sends");
  return fail("not supported");
}

// What each engine would take, and could never hold.
Status check_content(const Content& content) {
  const auto size = static_cast<int64_t>(content.bytes.size());
  const bool absolute = content.offset || content.depth;
  const bool relative = content.distance || content.within;
  if (absolute && relative) return fail("content: offset or depth, and distance or within");
  if (content.starts_with && (absolute || relative)) return fail("content: startswith, and a place besides");
  for (const auto& [name, limit] : {std::pair{"depth", &content.depth}, std::pair{"within", &content.within}}) {
    if (*limit && (*limit)->variable.empty() && (*limit)->value < size)
      return fail("content: {} {} is less than its {} bytes", name, (*limit)->value, size);
  }
  return {};
}

bool asks_for_bits(const Rule& rule) {
  return std::any_of(rule.bits.begin(), rule.bits.end(), [](const RuleBit& bit) {
    return bit.deed == RuleBit::Deed::isset || bit.deed == RuleBit::Deed::isnotset;
  });
}

Status check_rule(const Rule& rule) {
  for (const RuleOption& option : rule.options) {
    if (const auto* const content = std::get_if<Content>(&option)) {
      if (Status checked = check_content(*content); !checked) return checked;
    }
  }
  if (rule.sid == 0) return fail("it has no sid");
  if (rule.options.empty() && !asks_for_bits(rule))
    return fail("it looks at no bytes, and would hold for every session");
  return {};
}

}  // namespace

BufferUse RuleReader::where(bool relative) const {
  if (!relative || sticky_said || rule.options.empty()) return sticky;
  return std::visit(
      [&](const auto& option) -> BufferUse {
        if constexpr (requires { option.where; })
          return option.where;
        else
          return sticky;
      },
      rule.options.back());
}

Result<RuleNumber> RuleReader::number(std::string_view text, int64_t least, int64_t most) const {
  if (variables.contains(text)) return RuleNumber{0, std::string(text)};
  const auto value = rule_number(text, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  return RuleNumber{*value, {}};
}

Status RuleReader::define(const std::string& name) {
  const auto of_a_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  if (name.empty() || (name[0] >= '0' && name[0] <= '9') || !std::all_of(name.begin(), name.end(), of_a_name))
    return fail("'{}' is no name of a number", printable(std::string_view(name).substr(0, 40)));
  variables.insert(name);
  return {};
}

std::pair<std::string, std::string_view> key_and_rest(std::string_view part) {
  const size_t space = part.find_first_of(" \t");
  if (space == std::string_view::npos) return {lower(part), {}};
  return {lower(part.substr(0, space)), trim(part.substr(space + 1))};
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

// Marks of Snort 3: modifiers inside the content; a buffer's old name before any content. Marks of the others:
// modifiers as options of their own, and an old name as the last word about bytes.
RuleDialect dialect_of(const RuleText& text) {
  bool content_before = false;
  bool dangling = false;  // an old name, and nothing about bytes after it
  for (const OptionText& option : text.options) {
    const BufferName* const buffer = find_buffer(option.name);
    if (buffer != nullptr && buffer->named == Named::both) {
      if (!content_before) return RuleDialect::before;
      dangling = true;
    } else if (option.name == "content") {
      const auto quoted = split_quoted(option.value);
      if (quoted && quoted->behind.starts_with(',')) return RuleDialect::before;
      content_before = true;
      dangling = false;
    } else if (option.name == "uricontent" || option.name == "nocase" || option.name == "depth" ||
               option.name == "offset" || option.name == "distance" || option.name == "within") {
      return RuleDialect::behind;
    } else if (option.name == "pcre" || option.name.starts_with("byte_") || option.name == "isdataat" ||
               option.name == "bufferlen") {
      dangling = false;
    }
  }
  return dangling ? RuleDialect::behind : RuleDialect::unclear;
}

Status read_options(const RuleText& text, RuleDialect dialect, Rule& rule) {
  RuleReader reader{rule, dialect, {}, false, false, false, -1, {}};
  for (const OptionText& option : text.options) {
    if (const Status read = read_option(reader, option); !read)
      return fail("{}: {}", printable(std::string_view(option.name).substr(0, 40)), read.error().message);
  }
  return check_rule(rule);
}

RuleFlow::Direction direction_of(const RuleText& text) {
  RuleFlow flow;
  bool of_a_server = false;
  for (const OptionText& option : text.options) {
    if (option.name == "flow") {
      for (const std::string_view word : split_value(option.value)) {
        if (!read_flow_word(flow, lower(word))) continue;  // it is refused where all is read
      }
    }
    of_a_server = of_a_server || among(kServerBuffers, option.name);
  }
  if (flow.direction != RuleFlow::Direction::unsaid || !of_a_server) return flow.direction;
  return RuleFlow::Direction::to_client;
}

uint32_t sid_of(const RuleText& text) {
  for (const OptionText& option : text.options) {
    if (option.name != "sid") continue;
    const auto sid = rule_number(option.value, 1, UINT32_MAX);
    return sid ? static_cast<uint32_t>(*sid) : 0;
  }
  return 0;
}

std::string_view buffer_name(RuleBuffer buffer) {
  const auto* const found = std::find_if(std::begin(kBuffers), std::end(kBuffers),
                                         [&](const BufferName& each) { return each.buffer == buffer; });
  return found->name;
}

std::string_view transform_name(Transform transform) {
  const auto* const found = std::find_if(std::begin(kTransforms), std::end(kTransforms),
                                         [&](const auto& each) { return each.second == transform; });
  return found->first;
}

}  // namespace skep::formats

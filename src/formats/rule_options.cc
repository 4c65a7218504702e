#include "formats/rule_options.h"

#include <algorithm>

#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

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

Status name_buffer(RuleReader& reader, const BufferName& named, const std::string& value) {
  if (!value.empty()) return not_understood(value);
  if (named.named == Named::before || reader.dialect == RuleDialect::before) {
    if (named.buffer == RuleBuffer::base64_data && !reader.decoded) return fail("no base64_decode stands before it");
    reader.sticky = {named.buffer, {}};
    reader.sticky_said = true;
    return {};
  }
  if (reader.last_content < 0) return fail("no content stands before it");
  if (reader.behind_said || reader.sticky_said) return fail("a content of two buffers");
  std::get<Content>(reader.rule.options[static_cast<size_t>(reader.last_content)]).where = {named.buffer, {}};
  reader.behind_said = true;
  return {};
}

Status read_option(RuleReader& reader, const OptionText& option) {
  const std::string& name = option.name;
  for (const auto& family : {meta_options(), content_options(), byte_options()}) {
    for (const OptionRow& row : family) {
      if (row.name == name) return row.read(reader, option.value);
    }
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
  bool known = false;
  if (Status modified = modify_last(reader, name, option.value, known); known) return modified;
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

// Sizes are no match that anything is counted from.
BufferUse RuleReader::where(bool relative) const {
  if (!relative || sticky_said) return sticky;
  for (auto option = rule.options.rbegin(); option != rule.options.rend(); ++option) {
    if (std::holds_alternative<BufferSize>(*option) || std::holds_alternative<PacketSize>(*option)) continue;
    return std::visit(
        [&](const auto& each) -> BufferUse {
          if constexpr (requires { each.where; }) return each.where;
          return sticky;
        },
        *option);
  }
  return sticky;
}

Result<RuleNumber> RuleReader::number(std::string_view text, int64_t least, int64_t most) const {
  if (variables.contains(text)) return RuleNumber{0, std::string(text)};
  const auto value = rule_number(text, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  return RuleNumber{*value, {}};
}

Status RuleReader::define(const std::string& name) {
  if (!a_word(name) || name[0] == '-' || (name[0] >= '0' && name[0] <= '9'))
    return fail("'{}' is no name of a number", printable(std::string_view(name).substr(0, 40)));
  variables.insert(name);
  return {};
}

std::pair<std::string, std::string_view> key_and_rest(std::string_view part) {
  const size_t space = part.find_first_of(" \t");
  if (space == std::string_view::npos) return {lower_case(part), {}};
  return {lower_case(part.substr(0, space)), trim(part.substr(space + 1))};
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
  RuleReader reader{.rule = rule, .dialect = dialect};
  for (const OptionText& option : text.options) {
    if (Status read = read_option(reader, option); !read)
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
        static_cast<void>(read_flow_word(flow, lower_case(word)));  // refused where all is read
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

#include "http/buffers.h"

#include <algorithm>
#include <string_view>

#include "base/ascii.h"
#include "http/kept_memory.h"

namespace skep::http {

using formats::RuleBuffer;

namespace {

void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void append(Bytes& out, std::string_view text) {
  append(out, as_bytes(text));
}
void append_header(Bytes& out, ByteView name, ByteView value) {
  append(out, name);
  append(out, ": ");
  append(out, value);
  append(out, "\r\n");
}

constexpr std::string_view kCookie = "cookie";

}  // namespace

void Buffers::begin(const HeadBytes& bytes) {
  head_.begin(bytes);
  at_ = At::nothing;
  whole_ = false;
  forget_formed();
}

bool Buffers::read_line(size_t end) {
  head_.read_line(end);
  if (is_connect() && !head_.uri()) return false;
  at_ = At::line;
  return true;
}

void Buffers::set_head(bool whole) {
  at_ = At::head;
  whole_ = whole;
  if (!formed_.empty()) reserve();
}

void Buffers::read_again() {
  head_.read_again();
  set_head(true);
}

void Buffers::forget_formed() {
  forms_ = {};
  empty(formed_);
}

std::optional<ByteView> Buffers::buffer(RuleBuffer which) {
  if (at_ == At::nothing) return std::nullopt;
  if (const auto found = of_line(which)) return found;
  return at_ == At::head ? of_head(which) : std::nullopt;
}

std::optional<ByteView> Buffers::of_line(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_uri:
      return uri();
    case RuleBuffer::http_uri_raw:
      return head_.uri();
    case RuleBuffer::http_method:
      return head_.method();
    case RuleBuffer::http_protocol:
      return head_.protocol();
    case RuleBuffer::http_request_line:
      return head_.line();
    default:
      return std::nullopt;
  }
}

std::optional<ByteView> Buffers::of_head(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_header:
      return header();
    case RuleBuffer::http_header_names:
      return header_names();
    case RuleBuffer::http_start:
      return start();
    case RuleBuffer::http_header_raw:
      if (head_.headers_raw().empty()) return std::nullopt;
      return head_.headers_raw();
    case RuleBuffer::http_host:
      return host();
    case RuleBuffer::http_host_raw:
      return host_raw();
    case RuleBuffer::http_cookie:
      return head_.value(kCookie);
    case RuleBuffer::http_user_agent:
      return head_.value("user-agent");
    case RuleBuffer::http_referer:
      return head_.value("referer");
    case RuleBuffer::http_accept:
      return head_.value("accept");
    case RuleBuffer::http_accept_lang:
      return head_.value("accept-language");
    case RuleBuffer::http_accept_enc:
      return head_.value("accept-encoding");
    case RuleBuffer::http_connection:
      return head_.value("connection");
    case RuleBuffer::http_content_type:
      return head_.value("content-type");
    case RuleBuffer::http_content_len:
      return head_.value("content-length");
    default:
      return std::nullopt;
  }
}

Uri Buffers::split() const {
  const auto uri = head_.uri();
  if (!uri) return {};
  return is_connect() ? split_authority(*uri) : split_uri(*uri);
}

std::optional<ByteView> Buffers::host_of_uri() const {
  const auto uri = head_.uri();
  if (!uri || (uri->front() == '/' && !is_connect())) return std::nullopt;
  return split().host;
}

// Room for all that there may be to form: what was formed stays where it is while others are.
void Buffers::reserve() {
  size_t room = 0;
  if (const auto raw = head_.uri(); raw && !is_plain_uri(*raw)) room += 2 * raw->size();
  if (at_ == At::head) {
    size_t headers = 0;
    head_.each_header([&](ByteView name, ByteView value) {
      headers += name.size() + value.size() + 4;
      room += name.size() + 2;
    });
    room += headers + 4;
    if (const auto host = head_.value("host")) room += host->size();
    if (!head_.canonical()) room += headers + head_.line()->size() + 4;
  }
  formed_.reserve(formed_.size() + room);
}

template <typename Deed>
ByteView Buffers::formed(Form which, Deed deed) {
  Formed& form = forms_[which];
  if (!form.there) {
    if (formed_.empty()) reserve();
    const size_t from = formed_.size();
    deed(formed_);
    form = {true, static_cast<uint32_t>(from), static_cast<uint32_t>(formed_.size() - from)};
  }
  return ByteView(formed_).subspan(form.from, form.size);
}

std::optional<ByteView> Buffers::uri() {
  const auto raw = head_.uri();
  if (raw && is_plain_uri(*raw) && !is_connect()) return raw;
  return formed(kUri, [this](Bytes& out) { append_decoded(out, split()); });
}

std::optional<ByteView> Buffers::host() {
  if (!whole_) return std::nullopt;  // as Suricata has it
  if (host_of_uri()) return host_raw();
  const auto value = head_.value("host");
  const auto host = value ? host_in(*value) : std::nullopt;
  if (!host || std::ranges::all_of(*host, [](uint8_t byte) { return lower(byte) == byte; })) return host;
  return formed(kHost, [&](Bytes& out) {
    for (const uint8_t byte : *host) out.push_back(lower(byte));
  });
}

std::optional<ByteView> Buffers::host_raw() {
  const auto of_uri = host_of_uri();
  if (!of_uri) return head_.value("host");
  return formed(kHostOfUri, [&](Bytes& out) { append_decoded_host(out, *of_uri); });
}

// Headers of which there are none are lacking for Suricata: no rule on them holds, not even one on what is not in them.
std::optional<ByteView> Buffers::header() {
  const bool cookies = head_.value(kCookie).has_value();
  if (head_.header_count() == (cookies ? 1 : 0)) return std::nullopt;
  if (head_.canonical() && !cookies) return head_.headers_raw().first(head_.headers_raw().size() - 2);
  return formed(kHeader, [this](Bytes& out) {
    head_.each_header([&out](ByteView name, ByteView value) {
      if (!same_letters(name, kCookie)) append_header(out, name, value);
    });
  });
}

std::optional<ByteView> Buffers::header_names() {
  if (head_.header_count() == 0) return std::nullopt;
  return formed(kHeaderNames, [this](Bytes& out) {
    append(out, "\r\n");
    head_.each_header([&out](ByteView name, ByteView) {
      append(out, name);
      append(out, "\r\n");
    });
    append(out, "\r\n");
  });
}

std::optional<ByteView> Buffers::start() {
  const bool headers = head_.header_count() != 0;
  if (head_.canonical()) return head_.all().first(head_.all().size() - (headers ? 0 : 2));
  return formed(kStart, [&](Bytes& out) {
    append(out, *head_.line());
    append(out, "\r\n");
    head_.each_header([&out](ByteView name, ByteView value) { append_header(out, name, value); });
    if (headers) append(out, "\r\n");
  });
}

}  // namespace skep::http

#include "payload/http_buffers.h"

#include <htp/htp.h>

#include <string_view>

namespace skep::payload {

using formats::RuleBuffer;

namespace {

ByteView view(const bstr* text) {
  return {bstr_ptr(text), bstr_len(text)};
}
std::optional<ByteView> maybe(const bstr* text) {
  if (text == nullptr) return std::nullopt;
  return view(text);
}
void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void append(Bytes& out, std::string_view text) {
  append(out, as_bytes(text));
}

template <typename Deed>
void each_header(const htp_tx_t& request, Deed deed) {
  for (size_t i = 0, count = htp_table_size(request.request_headers); i < count; ++i)
    deed(*static_cast<htp_header_t*>(htp_table_get_index(request.request_headers, i, nullptr)));
}

void append_header(Bytes& out, const htp_header_t& header) {
  append(out, view(header.name));
  append(out, ": ");
  append(out, view(header.value));
  append(out, "\r\n");
}

constexpr size_t kKept = 8192;  // of memory, from one request to the next

void empty(Bytes& bytes) {
  if (bytes.capacity() > kKept)
    bytes = Bytes();
  else
    bytes.clear();
}

}  // namespace

std::optional<ByteView> HttpBuffers::buffer(RuleBuffer which) {
  if (request_ == nullptr) return std::nullopt;
  if (const auto found = of_line(which)) return found;
  return head_ ? of_head(which) : std::nullopt;
}

std::optional<ByteView> HttpBuffers::of_line(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_uri:
      return formed(kUri, &HttpBuffers::form_uri);
    case RuleBuffer::http_uri_raw:
      return maybe(request_->request_uri);
    case RuleBuffer::http_method:
      return maybe(request_->request_method);
    case RuleBuffer::http_protocol:
      return maybe(request_->request_protocol);
    case RuleBuffer::http_request_line:
      return maybe(request_->request_line);
    default:
      return std::nullopt;
  }
}

std::optional<ByteView> HttpBuffers::of_head(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_header:
      return formed(kHeader, &HttpBuffers::form_header);
    case RuleBuffer::http_header_names:
      return formed(kHeaderNames, &HttpBuffers::form_header_names);
    case RuleBuffer::http_start:
      return formed(kStart, &HttpBuffers::form_start);
    case RuleBuffer::http_header_raw:
      if (raw_.empty()) return std::nullopt;
      return ByteView(raw_);
    case RuleBuffer::http_host:
      return maybe(request_->request_hostname);
    case RuleBuffer::http_host_raw:
      return host_raw();
    case RuleBuffer::http_cookie:
      return value("cookie");
    case RuleBuffer::http_user_agent:
      return value("user-agent");
    case RuleBuffer::http_referer:
      return value("referer");
    case RuleBuffer::http_accept:
      return value("accept");
    case RuleBuffer::http_accept_lang:
      return value("accept-language");
    case RuleBuffer::http_accept_enc:
      return value("accept-encoding");
    case RuleBuffer::http_connection:
      return value("connection");
    case RuleBuffer::http_content_type:
      return value("content-type");
    case RuleBuffer::http_content_len:
      return value("content-length");
    default:
      return std::nullopt;
  }
}

std::optional<ByteView> HttpBuffers::value(const char* name) const {
  const auto* header = static_cast<htp_header_t*>(htp_table_get_c(request_->request_headers, name));
  if (header == nullptr) return std::nullopt;
  return view(header->value);
}

std::optional<ByteView> HttpBuffers::host_raw() const {
  if (request_->parsed_uri != nullptr && request_->parsed_uri->hostname != nullptr)
    return view(request_->parsed_uri->hostname);
  return value("host");
}

template <typename Form>
std::optional<ByteView> HttpBuffers::formed(Formed which, Form form) {
  if (!is_formed_[which]) {
    is_formed_[which] = true;
    (this->*form)(bytes_[which]);
  }
  // Headers of which there are none are lacking for Suricata: no rule on them holds, not even one on what is not in
  // them.
  if (which != kUri && bytes_[which].empty()) return std::nullopt;
  return ByteView(bytes_[which]);
}

void HttpBuffers::form_uri(Bytes& out) const {
  const htp_uri_t* const parts = request_->parsed_uri;
  if (parts == nullptr) return;
  if (parts->path != nullptr) append(out, view(parts->path));
  if (parts->query != nullptr) {
    bstr* const query = bstr_dup(parts->query);
    if (query != nullptr) {
      uint64_t flags = 0;
      htp_urldecode_inplace(request_->cfg, HTP_DECODER_URLENCODED, query, &flags);
      append(out, "?");
      append(out, view(query));
      bstr_free(query);
    }
  }
  if (parts->fragment != nullptr) {
    append(out, "#");
    append(out, view(parts->fragment));
  }
}

void HttpBuffers::form_header(Bytes& out) const {
  each_header(*request_, [&](const htp_header_t& header) {
    if (bstr_cmp_c_nocase(header.name, "cookie") != 0) append_header(out, header);
  });
}

void HttpBuffers::form_header_names(Bytes& out) const {
  if (htp_table_size(request_->request_headers) == 0) return;
  append(out, "\r\n");
  each_header(*request_, [&](const htp_header_t& header) {
    append(out, view(header.name));
    append(out, "\r\n");
  });
  append(out, "\r\n");
}

void HttpBuffers::form_start(Bytes& out) const {
  if (request_->request_line == nullptr) return;
  append(out, view(request_->request_line));
  append(out, "\r\n");
  each_header(*request_, [&](const htp_header_t& header) { append_header(out, header); });
  if (htp_table_size(request_->request_headers) != 0) append(out, "\r\n");
}

void HttpBuffers::clear() {
  request_ = nullptr;
  head_ = promises_body_ = false;
  empty(raw_);
  for (Bytes& bytes : bytes_) empty(bytes);
  is_formed_ = {};
}

size_t HttpBuffers::bytes_held() const {
  size_t held = raw_.capacity();
  for (const Bytes& bytes : bytes_) held += bytes.capacity();
  return held;
}

}  // namespace skep::payload

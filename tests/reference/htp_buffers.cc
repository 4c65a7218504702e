#include "reference/htp_buffers.h"

#include <htp/htp.h>

#include <string_view>

namespace skep::reference {

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

}  // namespace

std::optional<ByteView> HtpBuffers::buffer(RuleBuffer which) {
  if (request_ == nullptr) return std::nullopt;
  if (const auto found = of_line(which)) return found;
  return head_ ? of_head(which) : std::nullopt;
}

std::optional<ByteView> HtpBuffers::of_line(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_uri:
      return formed(kUri, &HtpBuffers::form_uri);
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

std::optional<ByteView> HtpBuffers::of_head(RuleBuffer which) {
  switch (which) {
    case RuleBuffer::http_header:
      return formed(kHeader, &HtpBuffers::form_header);
    case RuleBuffer::http_header_names:
      return formed(kHeaderNames, &HtpBuffers::form_header_names);
    case RuleBuffer::http_start:
      return formed(kStart, &HtpBuffers::form_start);
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

std::optional<ByteView> HtpBuffers::value(const char* name) const {
  const auto* header = static_cast<htp_header_t*>(htp_table_get_c(request_->request_headers, name));
  if (header == nullptr) return std::nullopt;
  return view(header->value);
}

std::optional<ByteView> HtpBuffers::host_raw() const {
  if (request_->parsed_uri != nullptr && request_->parsed_uri->hostname != nullptr)
    return view(request_->parsed_uri->hostname);
  return value("host");
}

template <typename Form>
std::optional<ByteView> HtpBuffers::formed(Formed which, Form form) {
  if (!is_formed_[which]) {
    is_formed_[which] = true;
    (this->*form)(bytes_[which]);
  }
  // Headers of which there are none are lacking for Suricata: no rule on them holds, not even one on what is not in
  // them.
  if (which != kUri && bytes_[which].empty()) return std::nullopt;
  return ByteView(bytes_[which]);
}

void HtpBuffers::form_uri(Bytes& out) const {
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

void HtpBuffers::form_header(Bytes& out) const {
  each_header(*request_, [&](const htp_header_t& header) {
    if (bstr_cmp_c_nocase(header.name, "cookie") != 0) append_header(out, header);
  });
}

void HtpBuffers::form_header_names(Bytes& out) const {
  if (htp_table_size(request_->request_headers) == 0) return;
  append(out, "\r\n");
  each_header(*request_, [&](const htp_header_t& header) {
    append(out, view(header.name));
    append(out, "\r\n");
  });
  append(out, "\r\n");
}

void HtpBuffers::form_start(Bytes& out) const {
  if (request_->request_line == nullptr) return;
  append(out, view(request_->request_line));
  append(out, "\r\n");
  each_header(*request_, [&](const htp_header_t& header) { append_header(out, header); });
  if (htp_table_size(request_->request_headers) != 0) append(out, "\r\n");
}

void HtpBuffers::clear() {
  request_ = nullptr;
  head_ = promises_body_ = false;
  raw_.clear();
  for (Bytes& bytes : bytes_) bytes.clear();
  is_formed_ = {};
}

}  // namespace skep::reference

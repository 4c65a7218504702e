#include "reference/htp_parser.h"

#include <htp/htp.h>
#include <strings.h>

#include <limits>
#include <string_view>

#include "base/text.h"
#include "http/head.h"

namespace skep::reference {

using http::BodyKind;
using http::Framing;
using http::kHeaders;
using http::Packing;

namespace {

Packing packing(htp_tx_t& request) {
  const auto* header = static_cast<htp_header_t*>(htp_table_get_c(request.request_headers, "content-encoding"));
  if (header == nullptr) return Packing::none;
  for (const char* name : {"gzip", "x-gzip"})
    if (bstr_cmp_c_nocasenorzero(header->value, name) == 0) return Packing::gzip;
  for (const char* name : {"deflate", "x-deflate"})
    if (bstr_cmp_c_nocasenorzero(header->value, name) == 0) return Packing::deflate;
  return Packing::none;
}

// Is one of the values, with commas between them, `name`? As later versions of libhtp look at it.
bool has_value(const htp_tx_t& request, const char* header_name, std::string_view name) {
  const auto* header = static_cast<htp_header_t*>(htp_table_get_c(request.request_headers, header_name));
  if (header == nullptr) return false;
  std::string_view rest(reinterpret_cast<const char*>(bstr_ptr(header->value)), bstr_len(header->value));
  for (size_t comma = 0; comma != rest.npos; rest.remove_prefix(comma == rest.npos ? 0 : comma + 1)) {
    comma = rest.find(',');
    const std::string_view value = trim(rest.substr(0, comma));
    if (value.size() == name.size() && strncasecmp(value.data(), name.data(), name.size()) == 0) return true;
  }
  return false;
}

BodyKind body_kind(htp_tx_t& request) {
  BodyKind kind;
  if (has_value(request, "transfer-encoding", "chunked")) kind.framing = Framing::chunked;
  if (request.request_transfer_coding == HTP_CODING_IDENTITY) {
    kind.framing = Framing::length;
    kind.length = static_cast<uint64_t>(request.request_content_length);
  }
  kind.packing = packing(request);
  return kind;
}

}  // namespace

// What libhtp calls. Nothing here throws: there is C above.
struct HtpHooks {
  static HtpParser& of(htp_tx_t* request) { return *static_cast<HtpParser*>(htp_connp_get_user_data(request->connp)); }
  static int started(htp_tx_t* request) {
    of(request).request_ = request;
    return HTP_OK;
  }
  static int line(htp_tx_t* request) {
    of(request).has_line_ = true;
    // As it is where headers lie in the same piece. There are none in HTTP/0.9, but who knows before they come?
    request->is_protocol_0_9 = 0;
    return HTP_OK;
  }
  static int head(htp_tx_t* request) {
    HtpParser& parser = of(request);
    parser.has_head_ = true;
    parser.body_ = body_kind(*request);
    if (parser.body_.framing == Framing::chunked) request->flags &= ~HTP_REQUEST_INVALID;
    // There will be no body, for libhtp. An invalid one it gives up at, as it is.
    if (!(request->flags & HTP_REQUEST_INVALID)) request->request_transfer_coding = HTP_CODING_NO_BODY;
    request->request_method_number = HTP_M_UNKNOWN;  // CONNECT would wait for the answer
    // libhtp leaves a name as it is where a port follows; rules on it are written for lower case.
    if (request->request_hostname != nullptr) bstr_to_lowercase(request->request_hostname);
    return HTP_OK;
  }
  static int cut_short(htp_tx_t* request) {
    of(request).has_head_ = true;
    return HTP_OK;
  }
  // As Suricata has it where nothing is configured, but for bodies, which do not come here.
  static htp_cfg_t* config() {
    static htp_cfg_t* const shared = [] {
      htp_cfg_t* config = htp_config_create();
      htp_config_set_server_personality(config, HTP_SERVER_IDS);
      htp_config_set_convert_lowercase(config, HTP_DECODER_URL_PATH, 0);
      htp_config_set_plusspace_decode(config, HTP_DECODER_URLENCODED, 0);
      htp_config_set_parse_request_cookies(config, 0);
      htp_config_set_parse_request_auth(config, 0);
      htp_config_set_number_headers_limit(config, kHeaders);
      // How long a head may be is held by who feeds: libhtp counts only what it had to keep between two pieces.
      htp_config_set_field_limits(config, std::numeric_limits<int>::max(), std::numeric_limits<int>::max());
      htp_config_set_log_level(config, HTP_LOG_ERROR);  // messages are kept until the connection's end
      htp_config_register_request_start(config, started);
      htp_config_register_request_line(config, line);
      htp_config_register_request_headers(config, head);
      htp_config_register_request_trailer(config, cut_short);  // how the head of a connection that closes ends
      return config;
    }();
    return shared;
  }
};

HtpParser::~HtpParser() {
  htp_connp_destroy_all(connection_);
}

bool HtpParser::feed(ByteView bytes) {
  if (connection_ == nullptr) {
    connection_ = htp_connp_create(HtpHooks::config());
    if (connection_ == nullptr) {
      why_ = "no memory";
      return false;
    }
    htp_connp_set_user_data(connection_, this);
    htp_connp_open(connection_, nullptr, 0, nullptr, 0, nullptr);
  }
  if (htp_connp_req_data(connection_, nullptr, bytes.data(), bytes.size()) == HTP_STREAM_DATA) return true;
  why_ = reason();
  return false;
}

void HtpParser::close() {
  if (connection_ != nullptr) htp_connp_req_close(connection_, nullptr);
}

std::string HtpParser::reason() const {
  const uint64_t flags = request_ != nullptr ? request_->flags : 0;
  if (flags & HTP_REQUEST_INVALID_T_E) return "Transfer-Encoding is another than chunked";
  if (flags & HTP_REQUEST_INVALID_C_L) return "Content-Length is no number";
  if (flags & HTP_HEADERS_TOO_MANY) return "more than " + std::to_string(kHeaders) + " headers";
  const htp_log_t* const error = htp_connp_get_last_error(connection_);
  return error != nullptr ? error->msg : "libhtp gave up";
}

void HtpParser::drop() {
  if (request_ == nullptr) return;
  htp_conn_t* const connection = request_->conn;
  request_->request_progress = HTP_REQUEST_COMPLETE;  // else it is not let go
  request_->response_progress = HTP_RESPONSE_COMPLETE;
  htp_tx_destroy(request_);
  htp_list_pop(connection->transactions);  // where it stood stays as an empty place otherwise
  request_ = nullptr;
  has_line_ = has_head_ = false;
  body_ = {};
}

}  // namespace skep::reference

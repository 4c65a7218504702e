// The heads of HTTP requests, read by libhtp: it is fed request heads and no more, neither bodies nor responses, so
// that it never waits for an answer, and one request lies there at a time. One thread at a time.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "http/framing.h"

struct htp_connp_t;
struct htp_tx_t;

namespace skep::reference {

class HtpParser {
 public:
  HtpParser() = default;
  ~HtpParser();
  HtpParser(const HtpParser&) = delete;
  HtpParser& operator=(const HtpParser&) = delete;

  // Of one head, in any pieces, but never beyond its line, nor beyond its end: libhtp decides by what else lies in the
  // same piece, and what comes out is not to depend on that. False: it gives up (why()).
  bool feed(ByteView bytes);
  // No more bytes come: what there is of a head counts as whole. The last call.
  void close();
  const std::string& why() const { return why_; }

  htp_tx_t* request() const { return request_; }  // nullptr: none has begun
  bool has_line() const { return has_line_; }
  bool has_head() const { return has_head_; }
  const http::BodyKind& body() const { return body_; }
  // The request whose head was whole is over.
  void drop();

 private:
  friend struct HtpHooks;
  std::string reason() const;

  htp_connp_t* connection_ = nullptr;
  htp_tx_t* request_ = nullptr;
  bool has_line_ = false;
  bool has_head_ = false;
  http::BodyKind body_;
  std::string why_;
};

}  // namespace skep::reference

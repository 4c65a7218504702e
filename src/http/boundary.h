// Where the next request begins behind one that does not say how long its body is: at a line that begins with a method.
// Anything else belongs to the body, as libhtp has it (of what it finds in one piece; here, wherever it is cut). One
// thread at a time.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace skep::http {

// Those that libhtp and Suricata know.
inline constexpr std::string_view kMethods[] = {
    "GET",
    "PUT",
    "POST",
    "HEAD",
    "TRACE",
    "OPTIONS",
    "CONNECT",
    "DELETE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "MERGE",
    "INVALID",
    "VERSION-CONTROL",
    "BASELINE-CONTROL",
};

class Boundary {
 public:
  enum class Found : uint8_t { nothing, body, request };
  // As many of these bytes as it takes, at least one: nothing yet; or pending() is of the body, or the beginning of a
  // request.
  Found take(ByteView bytes, size_t& taken);
  ByteView pending() const { return ByteView(pending_).first(size_); }
  void clear();
  // In the midst of a line of the body; how many of the bytes are the rest of it.
  bool in_body_line() const { return in_body_line_; }
  size_t body_line(ByteView bytes);

 private:
  Found take(uint8_t byte);

  std::array<uint8_t, 32> pending_{};
  size_t size_ = 0;
  size_t token_ = 0;  // of those, how many are of the first word
  bool in_body_line_ = false;
};

}  // namespace skep::http

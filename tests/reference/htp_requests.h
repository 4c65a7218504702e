// HttpRequests as libhtp reads their heads: what the project's own reader is held against, in tests and in fuzzing. One
// thread at a time.
#pragma once

#include <memory>
#include <string_view>

#include "payload/http_requests.h"

namespace skep::reference {

// As payload::HttpRequests.
class HtpRequests {
 public:
  explicit HtpRequests(const payload::HttpLimits& limits);
  ~HtpRequests();
  HtpRequests(const HtpRequests&) = delete;
  HtpRequests& operator=(const HtpRequests&) = delete;

  void take(ByteView bytes, payload::HttpEvents& events);
  void finish(payload::HttpEvents& events);
  std::string_view broken() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace skep::reference

// Requests as libhtp reads their heads: what the project's own reader is held against, in tests and in fuzzing. One
// thread at a time.
#pragma once

#include <memory>
#include <string_view>

#include "http/requests.h"

namespace skep::reference {

// As http::Requests.
class HtpRequests {
 public:
  explicit HtpRequests(const http::Limits& limits);
  ~HtpRequests();
  HtpRequests(const HtpRequests&) = delete;
  HtpRequests& operator=(const HtpRequests&) = delete;

  void take(ByteView bytes, http::Events& events);
  void finish(http::Events& events);
  std::string_view broken() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace skep::reference

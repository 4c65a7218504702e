// What a request's head says of its body. One thread at a time.
#pragma once

#include <cstdint>
#include <string_view>

namespace skep::payload {

class HttpHead;

enum class HttpFraming : uint8_t { none, length, chunked };
enum class HttpPacking : uint8_t { none, gzip, deflate };

struct HttpBodyKind {
  HttpFraming framing = HttpFraming::none;
  uint64_t length = 0;
  HttpPacking packing = HttpPacking::none;
  std::string_view why = {};  // it can not be told where the body ends; "": it can
};

HttpBodyKind body_kind(const HttpHead& head);

}  // namespace skep::payload

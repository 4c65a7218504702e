// What a request's head says of its body. One thread at a time.
#pragma once

#include <cstdint>
#include <string_view>

namespace skep::http {

class Head;

enum class Framing : uint8_t { none, length, chunked };
enum class Packing : uint8_t { none, gzip, deflate };

struct BodyKind {
  Framing framing = Framing::none;
  uint64_t length = 0;
  Packing packing = Packing::none;
  std::string_view why = {};  // it can not be told where the body ends; "": it can
};

BodyKind body_kind(const Head& head);

}  // namespace skep::http

// A literal, and how it is told that one was found. Values only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace skep::payload {

struct Literal {
  std::string bytes;
  bool nocase = false;
};

// Called for each place: the literal's number, and where it ends, in the buffer or in the stream. A plain function: it
// is called often.
struct LiteralFound {
  void (*call)(void* context, uint32_t literal, uint64_t end) = nullptr;
  void* context = nullptr;
};

}  // namespace skep::payload

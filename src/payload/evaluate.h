// A whole rule held against what there is of its buffers. What is not there yet leaves it open, never wrong: so that it does not
// matter how the bytes were cut. Functions of values, with a scratch; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "payload/compiled_rule.h"

namespace skep::payload {

// As much of a buffer as is in sight.
struct View {
  ByteView bytes;
  uint64_t start = 0;    // of the first byte, in the buffer
  bool complete = true;  // nothing follows the last one
};

enum class Presence : uint8_t {
  absent,  // there is no such buffer, and will be none
  awaited,
  there
};
struct Look {
  Presence presence = Presence::absent;
  View view;
};

// Where a rule finds its buffers; transforms are done already.
class BufferSource {
 public:
  virtual Look look(const Part& part) = 0;

 protected:
  ~BufferSource() = default;
};

enum class Holds : uint8_t { no, open, yes };

struct Judgement {
  Holds holds = Holds::no;
  uint64_t reached = 0;  // in the payload, where it holds: the end of what it took
  uint32_t effort = 0;   // what it took: steps, and bytes searched
  bool expression_limit = false;
  bool effort_limit = false;
};

Judgement judge(const CompiledRule& rule, BufferSource& buffers, ExpressionScratch& scratch);

}  // namespace skep::payload

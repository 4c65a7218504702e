// A whole rule held against what there is of its buffers. What is not there yet leaves it open, never wrong: so that it
// does not matter how the bytes were cut. Functions of values, with a scratch; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

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

// Left open, and will stay so until one of these contents ends behind what was searched: the rest of the rule holds, or
// waits for them.
struct Awaited {
  static constexpr size_t kNeedlesMax = 4;
  const Part* part = nullptr;  // nullptr: there are other ways for it to be decided
  std::array<const Needle*, kNeedlesMax> needles{};
  uint8_t count = 0;
  uint64_t searched = 0;  // of the part's buffer
};

struct Judgement {
  Holds holds = Holds::no;
  Awaited awaited;
  uint64_t reached = 0;  // in the payload, where it holds: the end of what it took
  uint32_t effort = 0;   // what it took: steps, and bytes searched
  bool expression_limit = false;
  bool effort_limit = false;
};

// Whether one has come, in what is in sight; else `awaited` is moved on. The second: what it took.
std::pair<bool, uint32_t> has_come(Awaited& awaited, const View& view);
Judgement judge(const CompiledRule& rule, BufferSource& buffers, ExpressionScratch& scratch);

}  // namespace skep::payload

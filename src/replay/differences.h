// Where two messages of the same kind differ: token by token. Pure. Time is linear in their size, but for a bounded
// table where they differ.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace skep::replay {

// [from, to) of the one stands where [other_from, other_to) of the other does. Words are never cut; binary messages are
// compared by bytes.
struct Difference {
  uint32_t from = 0, to = 0;
  uint32_t other_from = 0, other_to = 0;
};

std::vector<Difference> differences(ByteView one, ByteView other);

}  // namespace skep::replay

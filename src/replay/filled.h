// A message that was filled, and where its fields stand in it. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "replay/plan.h"

namespace skep::replay {

struct Filled {
  struct Part {
    const Field* field = nullptr;  // of the plan
    uint32_t from = 0, to = 0;
  };
  Bytes bytes;
  std::vector<Part> parts;  // in order
};
Result<Filled> fill_with_parts(const Recording& recording, const Plan& plan, uint32_t message,
                               const Surroundings& around);
// What stands in the place of one field that is no length and no checksum.
Result<Bytes> fill_field(const Recording& recording, const Field& field, const Surroundings& around);

}  // namespace skep::replay

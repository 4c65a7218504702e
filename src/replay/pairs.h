// Two recordings of one dialogue, message beside message. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "replay/recording.h"

namespace skep::replay {

// By message of the one: that of the other which stands beside it; nullopt: none does.
using Pairs = std::vector<std::optional<uint32_t>>;
Pairs pairs_of(const Recording& one, const Recording& other);

}  // namespace skep::replay

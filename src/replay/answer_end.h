// Where an answer is over: told by what the recorded one looked like, for protocols are not known here. Pure; any
// thread.
#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"

namespace skep::replay {

// What came so far is as long as the recorded answer, or ends as that ended, or has as many lines.
bool looks_whole(ByteView recorded, ByteView came);

// Of an answer behind which the service says another without being asked: how many of the bytes that came are of the
// first; nullopt: it cannot be told.
std::optional<size_t> end_of_first(ByteView recorded, ByteView came);

}  // namespace skep::replay

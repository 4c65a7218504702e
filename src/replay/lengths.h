// Lengths that lie around fields whose size may change: found in the messages that have such fields. Pure.
#pragma once

#include "replay/draft.h"

namespace skep::replay {

// After all fields that may change their size have been claimed.
void claim_lengths(Draft& draft);

}  // namespace skep::replay

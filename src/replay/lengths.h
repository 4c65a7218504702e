// Lengths that lie around fields whose size may change: found in the messages that have such fields; or all of them,
// where bytes are going to be left out. Pure.
#pragma once

#include "replay/draft.h"

namespace skep::replay {

// After all fields that may change their size have been claimed. `of_any`: as if each byte were such a field.
void claim_lengths(Draft& draft, bool of_any = false);

}  // namespace skep::replay

// Numbers that the client wrote otherwise than the server: decimal, hex, little- and big-endian integers.
#pragma once

#include "replay/draft.h"

namespace skep::replay {

void claim_number_echoes(Draft& draft);

}  // namespace skep::replay

// The checksums that protocols carry beside their bytes. Pure.
#pragma once

#include "base/bytes.h"
#include "replay/draft.h"

namespace skep::replay {

uint32_t checksum(ChecksumKind kind, ByteView bytes);
// In messages whose fields may change: a checksum at the same place of each, that holds in all of them. After all other
// fields have been claimed.
void claim_checksums(Draft& draft);

}  // namespace skep::replay

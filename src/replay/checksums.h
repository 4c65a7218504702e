// The checksums that protocols carry beside their bytes. Pure.
#pragma once

#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

uint32_t checksum(ChecksumKind kind, ByteView bytes);

}  // namespace skep::replay

// What is done when the disk runs full, in stages, each of which is said: the
// oldest harmless sessions go; then no harmless session's bytes are kept any
// more; then nobody's. Each ends by itself once there is room again.
#pragma once

#include <cstdint>
#include <string_view>

#include "archive/disk_room.h"

namespace skep::archive {

enum class DiskStage : uint8_t {
  roomy = 0,
  dropping = 1,       // disk-full: retention takes the oldest harmless sessions,
                      // whatever its own limits say
  tagged_only = 2,    // there are none left: a finished segment loses its harmless
                      // sessions at once
  metadata_only = 3,  // that does not suffice: stream bytes are not recorded, events are
};
std::string_view to_string(DiskStage stage);

// Below this retention is called for: eight segments, or as many as writers may begin at once; of a small disk an
// eighth.
uint64_t low_room(const DiskRoom& room, uint64_t segment_bytes, unsigned writers);
// `droppable`: harmless sessions are left that may go. A stage begins where
// less than `low`, a half, a quarter of it is free, and ends a quarter above
// that.
DiskStage next_stage(DiskStage now, uint64_t free, uint64_t low, bool droppable);

}  // namespace skep::archive

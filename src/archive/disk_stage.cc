#include "archive/disk_stage.h"

#include <algorithm>

namespace skep::archive {
namespace {

constexpr uint64_t kLowSegments = 8;
constexpr uint64_t kLowPart = 8;

uint64_t beginning_of(DiskStage stage, uint64_t low) {
  switch (stage) {
    case DiskStage::metadata_only:
      return low / 4;
    case DiskStage::tagged_only:
      return low / 2;
    default:
      return low;
  }
}

// Nothing left to be dropped, or the dropping does not come along.
bool called_for(DiskStage stage, uint64_t free, uint64_t low, bool droppable) {
  const uint64_t begins = beginning_of(stage, low);
  if (stage == DiskStage::dropping) return free < begins;
  return free < (droppable ? begins / 4 : begins);
}

}  // namespace

std::string_view to_string(DiskStage stage) {
  static constexpr std::string_view kNames[] = {"roomy", "disk-full", "tagged-only", "metadata-only"};
  return kNames[static_cast<size_t>(stage)];
}

uint64_t low_room(const DiskRoom& room, uint64_t segment_bytes, unsigned writers) {
  return std::min(std::max<uint64_t>(kLowSegments, writers) * segment_bytes, room.total / kLowPart);
}

DiskStage next_stage(DiskStage now, uint64_t free, uint64_t low, bool droppable) {
  DiskStage wanted = DiskStage::roomy;
  for (const DiskStage stage : {DiskStage::dropping, DiskStage::tagged_only, DiskStage::metadata_only}) {
    if (called_for(stage, free, low, droppable)) wanted = stage;
  }
  if (wanted >= now) return wanted;
  const uint64_t begins = beginning_of(now, low);
  return free >= begins + begins / 4 ? wanted : now;
}

}  // namespace skep::archive

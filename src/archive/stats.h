// What an archive holds, in numbers. It reads only.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace skep::archive {

struct ArchiveStats {
  uint64_t segments = 0;
  uint64_t sealed = 0;         // of them, compressed
  uint64_t segment_bytes = 0;  // on the disk
  uint64_t days = 0;           // of the index
  uint64_t days_sealed = 0;
  uint64_t index_bytes = 0;
  uint64_t copies = 0;  // of files that alerts concern
  uint64_t copies_bytes = 0;
  uint64_t sessions[4] = {};  // by class
  uint64_t sessions_open = 0;
  int64_t oldest_ns = 0;  // when the oldest session began; 0: there is none
  int64_t newest_ns = 0;
  uint32_t dropped_up_to = 0;  // retention has been at the segments up to this one
  uint64_t disk_free = 0;
  uint64_t disk_total = 0;
};

Result<ArchiveStats> archive_stats(const std::string& folder);

}  // namespace skep::archive

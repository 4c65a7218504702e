// Sealing: a finished segment becomes a sealed one, whole or without the
// records that need not be kept. The old file goes when the new one is on the
// disk under its name, so that a crash at any moment leaves one of them whole.
// Any thread; for one segment one at a time.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/result.h"
#include "formats/sealed_segment.h"
#include "model/session.h"

namespace skep::archive {

struct SealJob {
  std::string folder;
  uint32_t number = 0;
  std::function<bool(SessionId)> keep;                // none: all of it
  formats::Kept kept = formats::Kept::all;            // what is said of it then
  const std::atomic<bool>* stop = nullptr;            // set: leave off, and the segment as it was
  std::function<void(uint64_t place)> after_a_frame;  // for the tests
};

enum class Sealed {
  done,
  nothing_kept,  // the segment is gone
  stopped,
  damaged,  // it cannot be read to its end: left as it is
};
// Errors: the disk refuses.
Result<Sealed> seal_segment(const SealJob& job);

// What a former life left half.
Status remove_half_sealed(const std::string& folder);

}  // namespace skep::archive

// Verify: is an archive whole? Every record's CRC, every session's chain of
// records, the index against the segments, the copied files against their
// names; what is damaged, missing or none of ours is named. It reads only, and
// may do so while skep-proxy writes: what is then still on its way is no
// problem. Memory: some 80 bytes a session.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace skep::archive {

struct Finding {
  bool foreign = false;  // a file that is none of ours: told, and no problem
  std::string where;     // file or session
  std::string what;
};

struct VerifyReport {
  uint64_t segments = 0;
  uint64_t sealed = 0;  // of them, compressed
  uint64_t records = 0;
  uint64_t bytes = 0;  // of records
  uint64_t sessions = 0;
  uint64_t rows = 0;  // of the index
  uint64_t copies = 0;
  uint64_t problems = 0;
  uint64_t foreign = 0;
  uint32_t dropped_up_to = 0;
  bool live = false;  // somebody writes there, or was killed and what the ring
                      // holds is still to be taken in
};

// Errors: there is no archive, or it cannot be read at all.
Result<VerifyReport> verify_archive(const std::string& folder, const std::function<void(const Finding&)>& found);

// Somebody holds the lock: skep-proxy runs there.
bool is_written(const std::string& folder);

}  // namespace skep::archive

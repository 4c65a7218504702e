// What a former life of the proxy left: first its rings are stored, then torn tails are cut, and what the index may
// lack is read from the segments. Before the writers begin; one thread.
#pragma once

#include <map>
#include <string>

#include "archive/index.h"
#include "archive/summary.h"

namespace skep::archive {

struct Recovered {
  std::map<uint64_t, SessionSummary> rows;  // sessions that were open, or that the index may not know as they ended
  uint32_t last_segment = 0;
  uint64_t last_id = 0;  // the greatest of all
};

// All that are there, however many writers there are now.
Status take_in_rings(const std::string& folder);
Result<Recovered> recover_log(const std::string& folder, Index& index);

}  // namespace skep::archive

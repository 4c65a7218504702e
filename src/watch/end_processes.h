// Ends what an attack has left running: processes that were begun since its flow was opened, and still work for it. The
// service's own, that only served it, are older; one of a pool that was begun in that moment its service replaces.
#pragma once

#include "base/result.h"
#include "model/watch_records.h"
#include "watch/kernel.h"

namespace skep::watch {

// How many were sent the signal.
Result<uint32_t> end_processes(const Kernel& kernel, const skep_end_order& order);

}  // namespace skep::watch

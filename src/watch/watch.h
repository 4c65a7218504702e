// The privileged half of skep-monitor as a whole: loads the kernel programs, starts the guard and the judge, does what
// the judge orders, ends everything in order. Blocks until it is told to stop.
#pragma once

#include <functional>

#include "base/fd.h"

namespace skep::watch {

// What the judge's process is given. The rings are BPF map descriptors, to be mapped before privileges are dropped.
struct JudgePipes {
  Fd orders;        // SOCK_SEQPACKET, records of model/watch_records.h
  Fd table_memory;  // memfd of sizeof(skep_table) bytes, read here after SKEP_SET_TABLE
  Fd alerts_ring;
  Fd telemetry_ring;
  Fd journal;  // memfd, the judge's own from life to life
};

// Runs `judge` in a child (again, should it die) and serves it. Returns the program's exit code: 0 after SIGTERM or
// SIGINT, 1 where the machine refused something, or what the judge returned where it ended before it had sealed its
// start.
int run(bool follow, const std::function<int(JudgePipes)>& judge);

}  // namespace skep::watch

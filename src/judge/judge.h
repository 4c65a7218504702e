// The unprivileged half of skep-monitor as a whole: reads the kernel's records, says whose session it was, speaks with
// the proxy and with the operator. Blocks until it is told to stop or watch is gone.
#pragma once

#include "base/fd.h"
#include "formats/options.h"

namespace skep::judge {

struct JudgeInheritance {
  Fd orders;        // SOCK_SEQPACKET to watch, records of model/watch_records.h
  Fd table_memory;  // the compiled table is written here, then SKEP_SET_TABLE sent
  Fd alerts_ring;   // BPF ring buffers, to be mapped before privileges are dropped
  Fd telemetry_ring;
  Fd journal;  // memory that outlives this process: what must reach the proxy is kept there
  formats::MonitorOptions options;
};

// Returns the exit code: 0 told to stop, 1 the machine refused something or watch is gone, 2 options or signatures
// unusable.
int run(JudgeInheritance inheritance);

}  // namespace skep::judge

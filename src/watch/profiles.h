// Profiles on their way to the kernel: they come in parts, and are in force when the last one has come. Watch's thread
// only.
#pragma once

#include "model/watch_records.h"
#include "watch/kernel.h"

namespace skep::watch {

class Profiles {
 public:
  explicit Profiles(Kernel& kernel) : kernel_(kernel) {}

  // Checks every bound of the part. A folder that is not there is left out, and said in the log: nothing can be read
  // from it or written to it.
  Status take(const skep_profile_order& order);

 private:
  Status add(const skep_profile_entry& entry);

  Kernel& kernel_;
  uint32_t slot_ = SKEP_SERVICES_MAX;  // whose parts are coming; SKEP_SERVICES_MAX: nobody's
  KernelProfile coming_;
};

}  // namespace skep::watch

// Names of threads, as `top -H`, ps and perf show them.
#pragma once

#include <pthread.h>

#include <string>
#include <thread>

namespace skep {

// At most 15 bytes are kept.
inline void name_thread(std::thread& thread, const std::string& name) {
  ::pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
}

}  // namespace skep

// What a program tells the service manager that started it (sd_notify(3)): that it is ready, alive, stopping. Without
// NOTIFY_SOCKET each call does nothing. Never blocks: a manager that does not listen misses a word. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace skep {

class Systemd {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so that no child speaks
  // for the program. Connects at once: call it before the file system is out of reach.
  static Systemd from_environment();

  void ready() { send("READY=1"); }
  void stopping() { send("STOPPING=1"); }
  // Follow it with ready() when it is done, well or not.
  void reloading(int64_t now_monotonic_ns);
  // One line for `systemctl status`; sent only where it is another than before.
  void status(std::string_view words);
  // Call it from the loop that is to be watched, as often as it turns: WATCHDOG=1 goes out when a third of the
  // manager's patience has passed.
  void alive(int64_t now_monotonic_ns);
  // How often `alive` wants to be called at the least; 0: nobody watches.
  int64_t alive_every_ns() const { return alive_every_ns_; }

 private:
  void send(std::string_view message);
  Fd socket_;
  int64_t alive_every_ns_ = 0;
  int64_t last_alive_ns_ = 0;
  std::string last_status_;
};

}  // namespace skep

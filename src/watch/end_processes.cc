#include "watch/end_processes.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "base/fd.h"

namespace skep::watch {
namespace {

bool same_ends(const skep_flow& one, const skep_flow& other) {
  return one.remote_port == other.remote_port && one.local_port == other.local_port &&
         std::memcmp(one.remote, other.remote, sizeof one.remote) == 0 &&
         std::memcmp(one.local, other.local, sizeof one.local) == 0;
}

bool is_left_by(const skep_flow& flow, const skep_process_record& process) {
  const skep_flow& of = process.label.flow;
  return process.label.source != SKEP_LABEL_NONE && same_ends(of, flow) && of.opened_ns <= flow.opened_ns &&
         process.start_ns >= of.opened_ns;
}

}  // namespace

Result<uint32_t> end_processes(const Kernel& kernel, const skep_end_order& order) {
  if (order.signal != SIGTERM && order.signal != SIGKILL) return fail("signal {} ends nothing", order.signal);
  // Held first, then looked at again: by then no other process can have come to its number.
  std::map<uint32_t, Fd> held;
  auto listed = kernel.list_processes([&](const skep_process_record& process) {
    if (!is_left_by(order.flow, process)) return;
    held[process.pid] = Fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
  });
  if (!listed) return tl::unexpected<Error>(listed.error());
  if (held.empty()) return 0;
  uint32_t ended = 0;
  listed = kernel.list_processes([&](const skep_process_record& process) {
    const auto found = held.find(process.pid);
    if (found == held.end() || !found->second || !is_left_by(order.flow, process)) return;
    if (::syscall(SYS_pidfd_send_signal, found->second.get(), static_cast<int>(order.signal), nullptr, 0) == 0) ++ended;
  });
  if (!listed) return tl::unexpected<Error>(listed.error());
  return ended;
}

}  // namespace skep::watch

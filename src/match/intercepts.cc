#include "match/intercepts.h"

#include <asm/unistd_64.h>
#include <linux/sched.h>
#include <sys/socket.h>

#include <algorithm>

#include "match/syscalls.h"
#include "match/values.h"
#include "model/signature_table.h"
#include "model/watch_records.h"

namespace skep::match {
namespace {

constexpr uint16_t kBase[] = {
    __NR_execve,           __NR_execveat,       __NR_listen,       __NR_ptrace,          __NR_process_vm_writev,
    __NR_memfd_create,     __NR_init_module,    __NR_finit_module, __NR_delete_module,   __NR_mount,
    __NR_umount2,          __NR_pivot_root,     __NR_move_mount,   __NR_open_tree,       __NR_fsopen,
    __NR_fsmount,          __NR_mount_setattr,  __NR_unshare,      __NR_setns,           __NR_bpf,
    __NR_userfaultfd,      __NR_io_uring_setup, __NR_kexec_load,   __NR_kexec_file_load, __NR_perf_event_open,
    SKEP_CALL_FOREIGN_ABI,
};

constexpr struct {
  uint16_t call;
  std::string_view why;
} kNever[] = {
    {__NR_clone3, "a launched service gets ENOSYS for it always, because its flags lie where no filter can look"},
    // The child that has just put the filter on sends the listener away by sendmsg: nobody could answer yet. To ask
    // about one way of sending alone would refuse half.
    {SKEP_CALL_SENDTO, "a service's filter is itself handed over by sendmsg"},
};

// The tests of watch/seccomp_filter.cc, which looks at the lower half of the register.
constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
constexpr uint32_t kSocketTypeMask = 0xf;

bool is_packet(uint64_t value) {
  return value == AF_PACKET;
}
bool is_raw(uint64_t value) {
  return value <= UINT32_MAX && (value & kSocketTypeMask) == SOCK_RAW;
}
bool has_namespace_flag(uint64_t value) {
  return (value & kNamespaceFlags) != 0;
}
bool within_namespace_flags(uint64_t value) {
  return value != 0 && (value & ~uint64_t{kNamespaceFlags}) == 0;
}

constexpr struct {
  uint16_t call;
  std::string_view field;
  bool intersects;  // else = and in
  bool (*asked)(uint64_t value);
} kByArgument[] = {
    {__NR_socket, "evt.arg.0", false, is_packet},
    {__NR_socket, "evt.arg.1", false, is_raw},
    {__NR_clone, "evt.arg.0", false, has_namespace_flag},
    {__NR_clone, "evt.arg.0", true, within_namespace_flags},
};

constexpr struct {
  uint16_t call;
  std::string_view words;
} kAskedAbout[] = {{__NR_socket, "AF_PACKET and SOCK_RAW"}, {__NR_clone, "the CLONE_NEW flags"}};

// Does the predicate hold for such calls alone that are asked about?
bool implies_asking(uint16_t call, const formats::Predicate& predicate) {
  using formats::Comparison;
  if (predicate.negated || predicate.comparison == Comparison::less || predicate.comparison == Comparison::greater)
    return false;
  const bool intersects = predicate.comparison == Comparison::intersects;
  return std::any_of(std::begin(kByArgument), std::end(kByArgument), [&](const auto& row) {
    return row.call == call && row.field == predicate.field && row.intersects == intersects &&
           std::all_of(predicate.values.begin(), predicate.values.end(), [&](const std::string& text) {
             const auto value = number_of(text);
             return value && row.asked(*value);
           });
  });
}

}  // namespace

std::span<const uint16_t> base_intercepts() {
  return kBase;
}

Result<std::vector<uint16_t>> intercepts_of(const std::vector<std::string>& names) {
  std::vector<uint16_t> calls(std::begin(kBase), std::end(kBase));
  for (const std::string& name : names) {
    const auto number = call_number(name);
    if (!number) {
      const std::string_view near = nearest_call(name);
      return fail("intercept: no system call is named '{}'{}", name,
                  near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
    }
    const std::string_view why = why_not_intercepted(static_cast<uint16_t>(skep_canonical_call(*number)));
    if (!why.empty()) return fail("intercept: {} cannot be intercepted: {}", name, why);
    if (std::find(calls.begin(), calls.end(), *number) == calls.end()) calls.push_back(*number);
  }
  if (calls.size() > SKEP_INTERCEPTS_MAX)
    return fail("intercept: {} calls with those that always are, but {} are the most", calls.size(),
                int{SKEP_INTERCEPTS_MAX});
  return calls;
}

std::string_view why_not_intercepted(uint16_t call) {
  const auto* const row =
      std::find_if(std::begin(kNever), std::end(kNever), [&](const auto& each) { return each.call == call; });
  return row == std::end(kNever) ? std::string_view{} : row->why;
}

bool asked_by_arguments(uint16_t call, const formats::Disjunction& condition) {
  return !condition.empty() && std::all_of(condition.begin(), condition.end(), [&](const formats::Conjunction& all) {
    return std::any_of(all.begin(), all.end(),
                       [&](const formats::Predicate& predicate) { return implies_asking(call, predicate); });
  });
}

std::string_view arguments_asked_about(uint16_t call) {
  const auto* const row =
      std::find_if(std::begin(kAskedAbout), std::end(kAskedAbout), [&](const auto& each) { return each.call == call; });
  return row == std::end(kAskedAbout) ? std::string_view{} : row->words;
}

}  // namespace skep::match

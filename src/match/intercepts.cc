#include "match/intercepts.h"

#include <asm/unistd_64.h>
#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

#include "match/syscalls.h"
#include "match/values.h"
#include "model/signature_table.h"
#include "model/watch_records.h"

namespace skep::match {
namespace {

constexpr uint16_t kBase[] = {
    __NR_execve,
    __NR_execveat,
    __NR_listen,
    __NR_ptrace,
    __NR_process_vm_writev,
    __NR_memfd_create,
    __NR_init_module,
    __NR_finit_module,
    __NR_delete_module,
    __NR_mount,
    __NR_umount2,
    __NR_pivot_root,
    __NR_move_mount,
    __NR_open_tree,
    __NR_fsopen,
    __NR_fsmount,
    __NR_mount_setattr,
    __NR_unshare,
    __NR_setns,
    __NR_bpf,
    __NR_userfaultfd,
    __NR_io_uring_setup,
    __NR_kexec_load,
    __NR_kexec_file_load,
    __NR_perf_event_open,
    __NR_io_uring_enter,
    __NR_io_uring_register,
    __NR_pidfd_getfd,
    __NR_process_vm_readv,
    __NR_open_by_handle_at,
    __NR_add_key,
    __NR_request_key,
    __NR_keyctl,
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

constexpr uint32_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
constexpr uint32_t kSocketTypeMask = 0xf;
constexpr uint32_t kWhole = ~0u;

const std::vector<ArgumentTest>& tests() {
  static const std::vector<ArgumentTest> kTests = {
      // Those that pass the network hooks, and those that stay on this host.
      {__NR_socket, "rare families as AF_PACKET", {{0, kWhole, {}, {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_ALG}}}},
      {__NR_socket, "SOCK_RAW", {{1, kSocketTypeMask, SOCK_RAW}}},
      {__NR_clone, "the CLONE_NEW flags", {{0, kNamespaceFlags, {}}}},
      {__NR_mprotect, "PROT_EXEC", {{2, PROT_EXEC, {}}}},
      {__NR_pkey_mprotect, "PROT_EXEC", {{2, PROT_EXEC, {}}}},
      {__NR_mmap, "PROT_EXEC with MAP_ANONYMOUS", {{2, PROT_EXEC, {}}, {3, MAP_ANONYMOUS, {}}}},
  };
  return kTests;
}

bool passes(const ArgumentCheck& check, uint64_t value) {
  const uint32_t masked = static_cast<uint32_t>(value) & check.mask;
  if (!check.none_of.empty())
    return value <= UINT32_MAX && std::find(check.none_of.begin(), check.none_of.end(), masked) == check.none_of.end();
  return check.value ? value <= UINT32_MAX && masked == *check.value : masked != 0;
}

// Does the predicate hold for such registers alone that pass?
bool implies(const formats::Predicate& predicate, const ArgumentCheck& check) {
  using formats::Comparison;
  if (predicate.negated || predicate.comparison == Comparison::less || predicate.comparison == Comparison::greater)
    return false;
  if (predicate.field != fmt::format("evt.arg.{}", check.argument)) return false;
  const bool intersects = predicate.comparison == Comparison::intersects;
  if (intersects && (check.value || !check.none_of.empty())) return false;
  return std::all_of(predicate.values.begin(), predicate.values.end(), [&](const std::string& text) {
    const auto value = number_of(text);
    if (!value) return false;
    // Whatever has a bit of `value` has one of the mask, if no other bit is asked for.
    return intersects ? *value != 0 && (*value & ~uint64_t{check.mask}) == 0 : passes(check, *value);
  });
}

bool implies_asking(const formats::Conjunction& all, const ArgumentTest& test) {
  return std::all_of(test.all.begin(), test.all.end(), [&](const ArgumentCheck& check) {
    return std::any_of(all.begin(), all.end(),
                       [&](const formats::Predicate& predicate) { return implies(predicate, check); });
  });
}

}  // namespace

std::span<const uint16_t> base_intercepts() {
  return kBase;
}

std::span<const ArgumentTest> argument_tests() {
  return tests();
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
    return std::any_of(tests().begin(), tests().end(),
                       [&](const ArgumentTest& test) { return test.call == call && implies_asking(all, test); });
  });
}

std::string arguments_asked_about(uint16_t call) {
  std::string words;
  for (const ArgumentTest& test : tests()) {
    if (test.call == call) words += (words.empty() ? "" : " and ") + std::string(test.words);
  }
  return words;
}

}  // namespace skep::match

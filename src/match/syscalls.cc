#include "match/syscalls.h"

#include <asm/unistd_64.h>
#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

constexpr std::string_view kForeignAbi = "foreign_abi";
constexpr uint16_t kIntercepted[] = {
    __NR_execve,       __NR_execveat,       __NR_listen,           __NR_ptrace,          __NR_process_vm_writev,
    __NR_memfd_create, __NR_init_module,    __NR_finit_module,     __NR_delete_module,   __NR_mount,
    __NR_umount2,      __NR_pivot_root,     __NR_move_mount,       __NR_open_tree,       __NR_fsopen,
    __NR_fsmount,      __NR_mount_setattr,  __NR_unshare,          __NR_setns,           __NR_bpf,
    __NR_userfaultfd,  __NR_io_uring_setup, __NR_kexec_load,       __NR_kexec_file_load, __NR_perf_event_open,
    __NR_clone,        __NR_socket,         SKEP_CALL_FOREIGN_ABI,
};

}  // namespace

std::optional<uint16_t> call_number(std::string_view name) {
  if (name == kForeignAbi) return SKEP_CALL_FOREIGN_ABI;
  for (const NamedCall& call : all_calls()) {
    if (call.name == name) return call.number;
  }
  return std::nullopt;
}

std::string call_name(uint32_t number) {
  if (number == SKEP_CALL_FOREIGN_ABI) return std::string(kForeignAbi);
  for (const NamedCall& call : all_calls()) {
    if (call.number == number) return std::string(call.name);
  }
  return fmt::format("call {}", number);
}

std::string_view nearest_call(std::string_view name) {
  std::vector<std::string_view> names = {kForeignAbi};
  for (const NamedCall& call : all_calls()) names.push_back(call.name);
  const std::string_view near = nearest(name, names);
  return near;
}

std::span<const uint16_t> base_intercepts() {
  return kIntercepted;
}

}  // namespace skep::match

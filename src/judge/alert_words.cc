#include "judge/alert_words.h"

#include <asm/unistd_64.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "base/text.h"
#include "judge/learned.h"
#include "match/syscalls.h"
#include "model/session.h"

namespace skep::judge {
namespace {

constexpr uint64_t kCrashIds = uint64_t{1} << 63;  // the kernel's ids are counted on from a time, far below

template <size_t N>
std::string text_of(const char (&bytes)[N], size_t count) {
  return std::string(bytes, std::min(count, N));
}

std::string address_of(const skep_alert_record& record) {
  Endpoint endpoint;
  std::memcpy(endpoint.address.data(), record.address, sizeof record.address);
  endpoint.port = record.port;
  return to_string(endpoint);
}

// How many arguments a call has; the registers beyond hold what was left there.
size_t argument_count(uint32_t call) {
  static constexpr std::pair<uint32_t, size_t> kCounts[] = {
      {__NR_listen, 2},
      {__NR_ptrace, 4},
      {__NR_process_vm_writev, 6},
      {__NR_memfd_create, 2},
      {__NR_init_module, 3},
      {__NR_finit_module, 3},
      {__NR_delete_module, 2},
      {__NR_mount, 5},
      {__NR_umount2, 2},
      {__NR_pivot_root, 2},
      {__NR_move_mount, 5},
      {__NR_open_tree, 3},
      {__NR_fsopen, 2},
      {__NR_fsmount, 3},
      {__NR_mount_setattr, 5},
      {__NR_unshare, 1},
      {__NR_setns, 2},
      {__NR_bpf, 3},
      {__NR_userfaultfd, 1},
      {__NR_io_uring_setup, 2},
      {__NR_kexec_load, 4},
      {__NR_kexec_file_load, 5},
      {__NR_perf_event_open, 5},
      {__NR_clone, 5},
      {__NR_socket, 3},
      {__NR_connect, 3},
      {__NR_bind, 3},
      {__NR_dup2, 2},
      {__NR_mprotect, 3},
      {__NR_pkey_mprotect, 4},
      {__NR_io_uring_register, 4},
      {__NR_pidfd_getfd, 3},
      {__NR_open_by_handle_at, 3},
      {__NR_add_key, 5},
      {__NR_request_key, 4},
      {__NR_keyctl, 5},
  };
  for (const auto& [number, count] : kCounts) {
    if (number == call) return count;
  }
  return std::size(skep_alert_record{}.args);
}

std::string registers_of(const skep_alert_record& record) {
  std::string text;
  for (size_t i = 0; i < argument_count(record.call); ++i)
    text += fmt::format("{}{:#x}", text.empty() ? "" : ", ", record.args[i]);
  return text;
}

// What was first seen: "file_read /etc/passwd".
std::string first_seen_of(const skep_alert_record& record) {
  const auto number = static_cast<uint32_t>(record.args[1]);
  const size_t bytes = std::min<size_t>(record.path_bytes, sizeof record.path);
  const std::string path = printable(path_of_parts(std::string_view(record.path, bytes)));
  switch (record.args[0]) {
    case SKEP_PROFILE_PROGRAM:
      return fmt::format("program {}", path);
    case SKEP_PROFILE_PORT:
      return number == 0 ? "port of the kernel's choice" : fmt::format("port {}", number);
    case SKEP_PROFILE_PEER: {
      Endpoint peer;
      std::memcpy(peer.address.data(), record.address, sizeof record.address);
      return fmt::format("peer {}", address_text(peer));
    }
    case SKEP_PROFILE_FOLDER_WRITTEN:
      return fmt::format("folder_written {}", path.substr(0, std::max<size_t>(path.rfind('/') + 1, 2) - 1));
    case SKEP_PROFILE_FILE_READ:
      return fmt::format("file_read {}", path);
    case SKEP_PROFILE_CALL:
      return fmt::format("call {}", match::call_name(number));
    default:
      return registers_of(record);
  }
}

// The call's arguments for a person.
std::string arguments_of(const skep_alert_record& record) {
  if (record.call == SKEP_CALL_FIRST_SEEN) return first_seen_of(record);
  if (record.stage == SKEP_STAGE_EXEC) {
    const std::string path = text_of(record.path, record.path_bytes);
    const std::string args =
        arguments_text(record.exec_args, std::min<size_t>(record.args_bytes, sizeof record.exec_args));
    return fmt::format("{} [{}]", path, args);
  }
  if (record.call == __NR_listen && record.port != 0) return fmt::format("TCP port {}", record.port);
  if (record.stage == SKEP_STAGE_HOOK) return address_of(record);
  return registers_of(record);
}

std::string_view provenance_of(uint8_t provenance) {
  static constexpr std::string_view kNames[] = {"register", "kernel", "user"};
  return provenance < std::size(kNames) ? kNames[provenance] : "unknown";
}

void fill_lineage(uint32_t pid, const ProcessTable& processes, wire::Alert& message) {
  for (const ProcessInfo& info : processes.lineage(pid)) {
    wire::Process& process = *message.add_lineage();
    process.set_pid(info.pid);
    process.set_parent(info.parent);
    process.set_uid(info.uid);
    process.set_start_ns(static_cast<uint64_t>(info.start_ns));
    process.set_exe(info.exe);
    process.set_args(info.args);
    process.set_comm(info.comm);
  }
}

std::string exe_of(uint32_t pid, const ProcessTable& processes) {
  const ProcessInfo* info = processes.find(pid);
  return info == nullptr ? "" : info->exe.empty() ? info->comm : info->exe;
}

void fill_session(const Attributed& attributed, wire::Alert& message) {
  message.set_confidence(static_cast<uint32_t>(attributed.confidence));
  message.set_serial(attributed.flow.serial);
  if (attributed.flow.serial != 0) fill_tuple(attributed.flow, *message.mutable_flow());
  for (const uint64_t candidate : attributed.candidates) message.add_candidates(candidate);
}

// What led to it, in the order in which it was: of evidence, with what each call added.
void fill_steps(const skep_alert_record& record, const match::SignatureInfo* signature, wire::Alert& message) {
  if (record.step_count < 2) return;
  std::vector<skep_step> steps(record.steps, record.steps + std::min<size_t>(record.step_count, SKEP_STEPS_MAX));
  std::erase_if(steps, [](const skep_step& step) { return step.time_ns == 0; });  // left out, or not that many yet
  std::stable_sort(steps.begin(), steps.end(),
                   [](const skep_step& a, const skep_step& b) { return a.time_ns < b.time_ns; });
  for (const skep_step& step : steps) {
    const uint32_t weight = step.call >> SKEP_STEP_WEIGHT_SHIFT;
    const uint32_t call = step.call & ((1u << SKEP_STEP_WEIGHT_SHIFT) - 1);
    const bool weighed = weight != 0 && signature != nullptr && weight <= signature->weights.size();
    message.add_steps(fmt::format("{} thread {} {}{}", format_time(static_cast<int64_t>(to_realtime_ns(step.time_ns))),
                                  step.tid, match::call_name(call),
                                  weighed ? fmt::format(", +{} points", signature->weights[weight - 1]) : ""));
  }
}

// What the signature says of itself, and of the level that its evidence has come to.
void fill_signature(const skep_alert_record& record, const match::SignatureInfo& signature, wire::Alert& message) {
  for (const std::string& tag : signature.tags) message.add_tags(tag);
  if (signature.maturity != formats::Maturity::stable)
    message.add_tags(signature.maturity == formats::Maturity::sandbox ? "maturity:sandbox" : "maturity:incubating");
  if (signature.monitored) message.add_tags("mode:monitor");
  if (record.level == 0 || record.level > signature.levels.size()) return;
  const auto& level = signature.levels[record.level - 1];
  message.set_suspect(level.suspect);
  message.set_description(fmt::format("{}: {} points, {} are a level", signature.description, record.score, level.at));
}

match::SignatureInfo words_of(const skep_alert_record& record, const match::SignatureInfo* signature) {
  if (signature != nullptr) return *signature;
  match::SignatureInfo words;
  if (record.signature == SKEP_SIGNATURE_CONTAINMENT) {
    words.name = "containment";
    words.priority = "CRITICAL";
    words.description = record.action == SKEP_OBSERVED
                            ? "the service sent to another than its own peers, within the limit of `outgoing:`"
                            : "the service would have sent to another than its own peers";
    return words;
  }
  words.name = fmt::format("signature {} of table {}", record.signature, record.generation);
  words.priority = "WARNING";
  words.description = "the signature set has changed since";
  return words;
}

}  // namespace

uint64_t to_realtime_ns(uint64_t boot_ns) {
  return static_cast<uint64_t>(now_realtime_ns() - now_boottime_ns()) + boot_ns;
}

void fill_tuple(const skep_flow& flow, wire::FlowTuple& tuple) {
  tuple.set_remote_address(flow.remote, sizeof flow.remote);
  tuple.set_remote_port(flow.remote_port);
  tuple.set_local_address(flow.local, sizeof flow.local);
  tuple.set_local_port(flow.local_port);
}

skep_flow ends_of(const wire::FlowTuple& tuple) {
  skep_flow flow{};
  tuple.remote_address().copy(reinterpret_cast<char*>(flow.remote), sizeof flow.remote);
  tuple.local_address().copy(reinterpret_cast<char*>(flow.local), sizeof flow.local);
  flow.remote_port = static_cast<uint16_t>(tuple.remote_port());
  flow.local_port = static_cast<uint16_t>(tuple.local_port());
  return flow;
}

wire::Alert alert_message(const Attributed& attributed, const match::SignatureInfo* signature,
                          const ProcessTable& processes, const std::string& service) {
  const skep_alert_record& record = attributed.alert;
  wire::Alert message;
  message.set_id(record.id);
  message.set_time_ns(to_realtime_ns(record.head.time_ns));
  const match::SignatureInfo words = words_of(record, signature);
  message.set_rule(words.name);
  message.set_priority(words.priority);
  message.set_description(words.description);
  message.set_pid(record.pid);
  message.set_tid(record.tid);
  message.set_exe(record.stage == SKEP_STAGE_EXEC ? text_of(record.path, record.path_bytes)
                                                  : exe_of(record.pid, processes));
  message.set_syscall(match::call_name(record.call));
  message.set_arguments(arguments_of(record));
  message.set_provenance(std::string(provenance_of(record.provenance)));
  message.set_action(record.action);
  message.set_stream_offset(record.label.stream_offset);
  message.set_service(service);
  fill_steps(record, signature, message);
  if (signature != nullptr) fill_signature(record, *signature, message);
  fill_lineage(record.pid, processes, message);
  fill_session(attributed, message);
  if (record.writer.flow.serial != 0) {
    message.set_writer(record.writer.flow.serial);
    fill_tuple(record.writer.flow, *message.mutable_writer_flow());
    message.set_writer_confidence(static_cast<uint32_t>(writer_confidence(record.writer)));
    message.set_writer_offset(record.writer.stream_offset);
  }
  return message;
}

wire::Alert crash_message(const skep_process_record& record, const Attributed& attributed,
                          const ProcessTable& processes, const std::string& service) {
  wire::Alert message;
  message.set_time_ns(to_realtime_ns(record.head.time_ns));
  message.set_id(crash_id(message.time_ns()));
  message.set_rule("crash");
  message.set_priority("NOTICE");
  message.set_description(fmt::format("serving process ended by {}", signal_name(record.status & 0x7f)));
  message.set_pid(record.pid);
  message.set_tid(record.tid);
  message.set_exe(exe_of(record.pid, processes));
  message.set_crash(true);
  message.set_action(SKEP_OBSERVED);
  message.set_provenance("kernel");
  message.set_stream_offset(record.label.stream_offset);
  message.set_service(service);
  fill_lineage(record.pid, processes, message);
  fill_session(attributed, message);
  return message;
}

uint64_t crash_id(uint64_t realtime_ns) {
  return kCrashIds | realtime_ns;
}

void fill_crash_state(const skep_crash_record& record, wire::CrashState& state) {
  state.set_pid(record.pid);
  state.set_tid(record.tid);
  state.set_comm(record.comm, ::strnlen(record.comm, sizeof record.comm));
  state.set_signal(record.signal);
  state.set_code(record.code);
  state.set_address(record.address);
  for (const uint64_t value : record.registers) state.add_registers(value);
  state.set_code_bytes(record.code_at, std::min<size_t>(record.code_bytes, sizeof record.code_at));
  state.set_stack(record.stack_at, std::min<size_t>(record.stack_bytes, sizeof record.stack_at));
}

bool is_exec_call(uint32_t call) {
  return call == __NR_execve || call == __NR_execveat;
}

}  // namespace skep::judge

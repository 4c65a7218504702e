// The kernel programs, loaded: tables and services in, verdicts out. One thread at a time, but for `decide`, which the
// notifier calls from its own. Closing it detaches everything.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/kernel_event.h"
#include "model/outgoing.h"
#include "model/signature_table.h"
#include "watch/bpf/state.h"
#include "watch/table_needs.h"

struct supervisor;
struct bpf_link;

namespace skep::watch {

struct ServiceMark {
  uint32_t slot = 0;
  uint32_t epoch = 0;
};

// What a service is held to, or (learning, and empty) learns from nothing.
struct KernelProfile {
  skep_profile_mode mode = SKEP_PROFILE_NONE;
  std::vector<skep_profile_key> keys;
  skep_known_calls calls{};
};

class Kernel {
 public:
  // Loads and attaches all programs, the network hooks at `cgroup_root` (a cgroup v2 directory). `follow`: also what
  // carries labels over pipes and files, which comes by at every return of the host.
  static Result<std::unique_ptr<Kernel>> load(const std::string& cgroup_root, bool follow);
  ~Kernel();

  // `table` must be valid (skep_table_valid). Returns when no program uses the former table any more. No call goes
  // unjudged meanwhile: returns are watched for before the table that judges them is in force.
  Status set_table(const skep_table& table);

  // The slot's tasks are supervised from here on. `netns` is the inode of the service's network namespace.
  // `reads_data_alone`: nothing that it reads is a script.
  Result<ServiceMark> open_service(uint32_t slot, const std::vector<uint16_t>& ports, uint32_t netns,
                                   bool reads_data_alone);
  Status set_ports(uint32_t slot, const std::vector<uint16_t>& ports);
  // What the service may send beside its answers. Limits count on; `open_service` begins them anew.
  Status set_outgoing(uint32_t slot, const skep_outgoing& rules);
  // Its tasks count as unsupervised from the next call on.
  Status close_service(uint32_t slot);
  Status allow_program(uint32_t slot, uint64_t file, skep_program_kind kind);
  // `file`, of kind SKEP_PROGRAM_OF_PARENTS, may be started by a process that runs `parent`.
  Status allow_parent(uint32_t slot, uint64_t file, uint64_t parent);
  Status forget_programs(uint32_t slot);
  bool is_allowed(uint32_t slot, uint64_t file) const;

  // A supervised session has had the file open to write: `key` as in skep_wrote_record.
  bool is_written(uint64_t key) const;

  // In the place of the slot's former one, as a whole: meanwhile nothing is first seen. The first one of all loads the
  // programs for it, which takes some tenths of a second.
  Status set_profile(uint32_t slot, const KernelProfile& profile);

  // False where there is no such task.
  Result<bool> mark(pid_t tid, ServiceMark service, uint32_t flags);
  // 0: let it run; > 0: errno; -1: kill. Any thread.
  int decide(const skep_notice& notice) const;

  int alerts_ring() const;
  int telemetry_ring() const;
  Result<skep_counters> counters() const;
  Status list_processes(const std::function<void(const skep_process_record&)>& tell) const;
  // Every supervised process and every open flow, as records.
  Status snapshot(const std::function<void(const skep_record*)>& tell) const;

 private:
  Kernel() = default;
  Status attach(const std::string& cgroup_root);
  Status clear_limits(uint32_t slot);
  Status swap_table(const skep_table& table);
  Status fill_profile(uint32_t slot, const KernelProfile& profile);
  Status set_profile_mode(uint32_t slot, skep_profile_mode mode);
  Status load_profiles();
  Status attach_profiles();
  Status widen(const TableNeeds& needs);
  void narrow(const TableNeeds& needs);
  CallBits watched(const TableNeeds& needs) const;

  supervisor* programs_ = nullptr;
  std::vector<bpf_link*> links_;
  // on_return: it slows every call of the host, so it is only there while a step wants it, or work is followed.
  bpf_link* returns_ = nullptr;
  CallBits followed_{};                     // what carries labels: always watched
  supervisor* profile_programs_ = nullptr;  // from the first profile on
  std::vector<bpf_link*> profile_links_;    // while there is a profile: they are asked at every return of the host too
  uint64_t profiled_ = 0;                   // bit n: slot n has one
  Fd cgroup_;
  bpf_link* process_iterator_ = nullptr;
  bpf_link* flow_iterator_ = nullptr;
  Fd table_;  // the inner map in force
};

}  // namespace skep::watch

// The courtroom: where the kernel's records become what the proxy is told. Takes the rings' records and the proxy's
// frames, gives frames; does no I/O and asks nobody the time but to put boot time into words.
#pragma once

#include <deque>
#include <vector>

#include "base/bytes.h"
#include "judge/attribution.h"
#include "judge/enforcement.h"
#include "judge/flows.h"
#include "judge/process_table.h"
#include "wire/control.pb.h"

namespace skep::judge {

struct CourtCounters {
  uint64_t records = 0;
  uint64_t malformed_records = 0;  // of no known type, or of the wrong size
  uint64_t alerts = 0;
  uint64_t crashes = 0;
  uint64_t alerts_unsent = 0;  // found no proxy and no room to wait for one
};

class Courtroom {
 public:
  static constexpr size_t kWaitingMax = 10'000;

  explicit Courtroom(const Enforcement& enforcement) : enforcement_(enforcement) {}

  void take_record(ByteView record, int64_t now_monotonic_ns);
  void take_time(int64_t now_monotonic_ns);
  std::optional<int64_t> next_deadline_ns() const { return attribution_.next_deadline_ns(); }

  // Frames for the proxy, in order. While there is none only alerts are kept, up to kWaitingMax.
  std::vector<wire::Frame> take_frames(bool connected);
  // What a proxy that has just come must know: every open flow, and who serves it.
  std::vector<wire::Frame> introduction() const;

  const CourtCounters& counters() const { return counters_; }
  const Flows& flows() const { return flows_; }
  const ProcessTable& processes() const { return processes_; }

 private:
  void take_flow(const skep_flow_record& record);
  void take_process(const skep_process_record& record);
  void take_exit(const skep_process_record& record);
  void tell(const Attributed& attributed);
  void tell_process(const skep_process_record& record, wire::ProcessEvent::Kind kind);
  wire::Frame opened_frame(const skep_flow& flow) const;

  const Enforcement& enforcement_;
  Flows flows_;
  ProcessTable processes_;
  Attribution attribution_{flows_};
  std::deque<wire::Frame> frames_;
  CourtCounters counters_;
};

}  // namespace skep::judge

// The courtroom: where the kernel's records become what the proxy is told. Takes the rings' records and the proxy's
// frames, puts frames into the outbox; does no I/O and asks nobody the time but to put boot time into words.
#pragma once

#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "judge/attribution.h"
#include "judge/enforcement.h"
#include "judge/exhibits.h"
#include "judge/flows.h"
#include "judge/outbox.h"
#include "judge/process_table.h"
#include "judge/written.h"
#include "wire/control.pb.h"

namespace skep::judge {

struct CourtCounters {
  uint64_t records = 0;
  uint64_t malformed_records = 0;  // of no known type, or of the wrong size
  uint64_t alerts = 0;
  uint64_t crashes = 0;
};

class Courtroom {
 public:
  Courtroom(const Enforcement& enforcement, Outbox& outbox, Exhibits& exhibits)
      : enforcement_(enforcement), outbox_(outbox), exhibits_(exhibits) {}

  void take_record(ByteView record, int64_t now_monotonic_ns);
  void take_time(int64_t now_monotonic_ns);
  std::optional<int64_t> next_deadline_ns() const { return attribution_.next_deadline_ns(); }

  // What a proxy that has just come must know: every open flow, and who serves it.
  std::vector<wire::Frame> introduction() const;

  const CourtCounters& counters() const { return counters_; }
  const Flows& flows() const { return flows_; }
  const ProcessTable& processes() const { return processes_; }
  const WrittenFiles& written() const { return written_; }

 private:
  void take_flow(const skep_flow_record& record);
  void take_process(const skep_process_record& record);
  void take_exit(const skep_process_record& record, int64_t now_ns);
  void tell_crash(const skep_process_record& record, int64_t now_ns);
  void take_crash(const skep_crash_record& record, int64_t now_ns);
  void open_exhibits(const skep_alert_record& alert, int64_t now_ns);
  Exhibits::Subject running_program(uint64_t alert, uint32_t pid, uint32_t service) const;
  void tell(const Attributed& attributed, int64_t now_ns);
  void add_written(Exhibits::Subject subject, const skep_flow& flow, wire::FileFound::Role role, int64_t now_ns);
  void tell_process(const skep_process_record& record, wire::ProcessEvent::Kind kind);
  wire::Frame opened_frame(const skep_flow& flow) const;

  const Enforcement& enforcement_;
  Outbox& outbox_;
  Exhibits& exhibits_;
  Flows flows_;
  ProcessTable processes_;
  Attribution attribution_{flows_};
  static constexpr size_t kCrashesMax = 1024;  // signals seen whose process has not ended yet
  struct Crash {
    skep_crash_record record;
    uint64_t alert;  // the id that its alert will have
  };
  void forget_crash(std::map<uint32_t, Crash>::iterator at);
  std::map<uint32_t, Crash> crashes_;  // by pid
  WrittenFiles written_{static_cast<uint64_t>(now_boottime_ns())};
  CourtCounters counters_;
};

}  // namespace skep::judge

#include "judge/courtroom.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "judge/alert_words.h"

namespace skep::judge {
namespace {

// The record as its type, if it has that type's size; the ring's memory is only borrowed.
template <typename Record>
const Record* as(ByteView bytes) {
  return bytes.size() == sizeof(Record) ? reinterpret_cast<const Record*>(bytes.data()) : nullptr;
}

wire::Frame served_frame(uint64_t serial, uint32_t pid, uint32_t tid) {
  wire::Frame frame;
  frame.mutable_flow_served()->set_serial(serial);
  frame.mutable_flow_served()->set_pid(pid);
  frame.mutable_flow_served()->set_tid(tid);
  return frame;
}

}  // namespace

void Courtroom::take_record(ByteView bytes, int64_t now_ns) {
  ++counters_.records;
  skep_record head{};
  if (bytes.size() >= sizeof head) std::memcpy(&head, bytes.data(), sizeof head);
  const auto* const flow = as<skep_flow_record>(bytes);
  const auto* const process = as<skep_process_record>(bytes);
  const auto* const alert = as<skep_alert_record>(bytes);
  const auto* const confirm = as<skep_confirm_record>(bytes);
  const auto* const crash = as<skep_crash_record>(bytes);
  switch (head.type) {
    case SKEP_FLOW_OPENED:
    case SKEP_FLOW_SERVED:
    case SKEP_FLOW_CLOSED:
      if (flow != nullptr) return take_flow(*flow);
      break;
    case SKEP_FORK:
    case SKEP_EXEC:
      if (process != nullptr) return take_process(*process);
      break;
    case SKEP_EXIT:
      if (process != nullptr) return take_exit(*process);
      break;
    case SKEP_ALERT:
      if (alert == nullptr) break;
      open_exhibit(*alert, now_ns);
      for (const Attributed& decided : attribution_.alert(*alert, now_ns)) tell(decided);
      return;
    case SKEP_CONFIRM:
      if (confirm == nullptr) break;
      for (const Attributed& decided : attribution_.confirmed(*confirm)) tell(decided);
      return;
    case SKEP_CRASH:
      if (crash != nullptr) return take_crash(*crash);
      break;
    default:
      break;
  }
  ++counters_.malformed_records;
}

void Courtroom::take_time(int64_t now_ns) {
  for (const Attributed& decided : attribution_.expired(now_ns)) tell(decided);
}

wire::Frame Courtroom::opened_frame(const skep_flow& flow) const {
  wire::Frame frame;
  wire::FlowOpened& opened = *frame.mutable_flow_opened();
  opened.set_serial(flow.serial);
  fill_tuple(flow, *opened.mutable_flow());
  opened.set_service(enforcement_.services().name_of(flow.service));
  opened.set_time_ns(to_realtime_ns(flow.opened_ns));
  return frame;
}

void Courtroom::take_flow(const skep_flow_record& record) {
  switch (record.head.type) {
    case SKEP_FLOW_OPENED:
      if (flows_.opened(record.flow)) outbox_.put(opened_frame(record.flow));
      if (record.pid != 0) flows_.served(record.flow, record.pid);  // of a snapshot
      return;
    case SKEP_FLOW_SERVED:
      if (flows_.served(record.flow, record.pid)) outbox_.put(served_frame(record.flow.serial, record.pid, record.tid));
      return;
    default:
      flows_.closed(record.flow.serial);
      wire::Frame frame;
      frame.mutable_flow_closed()->set_serial(record.flow.serial);
      outbox_.put(std::move(frame));
  }
}

void Courtroom::tell_process(const skep_process_record& record, wire::ProcessEvent::Kind kind) {
  // Processes of no session are nobody's log; a thousand of them at a service's start would only be noise.
  if (record.label.source == SKEP_LABEL_NONE || record.label.flow.serial == 0) return;
  wire::Frame frame;
  wire::ProcessEvent& event = *frame.mutable_process();
  event.set_kind(kind);
  event.set_serial(record.label.flow.serial);
  event.set_pid(record.pid);
  event.set_parent(record.parent);
  event.set_status(record.status);
  event.set_time_ns(to_realtime_ns(record.head.time_ns));
  const ProcessInfo* info = processes_.find(record.pid);
  if (info != nullptr) event.set_exe(info->exe);
  outbox_.put(std::move(frame));
}

void Courtroom::take_process(const skep_process_record& record) {
  const bool fork = record.head.type == SKEP_FORK;
  if (fork) {
    processes_.forked(record);
  } else {
    processes_.executed(record);
  }
  tell_process(record, fork ? wire::ProcessEvent::FORK : wire::ProcessEvent::EXEC);
}

void Courtroom::take_exit(const skep_process_record& record) {
  tell_process(record, wire::ProcessEvent::EXIT);
  static constexpr uint32_t kCrashSignals = 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 11 | 1u << 31;
  const uint32_t signal = record.status & 0x7f;
  if (signal != 0 && signal < 32 && (kCrashSignals >> signal & 1)) {
    ++counters_.crashes;
    const std::string service = enforcement_.services().name_of(record.service);
    const Attributed attributed = attribution_.crash(record);
    if (attributed.flow.serial != 0 || !attributed.candidates.empty()) {
      wire::Frame frame;
      *frame.mutable_alert() = crash_message(record, attributed, processes_, service);
      const auto crash = crashes_.find(record.pid);
      if (crash != crashes_.end() && crash->second.start_ns == record.start_ns)
        fill_crash_state(crash->second, *frame.mutable_alert()->mutable_crash_state());
      outbox_.put(std::move(frame));
    } else {
      log::warning("service {}: process {} was ended by signal {} and served no session", service, record.pid, signal);
    }
  }
  crashes_.erase(record.pid);
  processes_.exited(record.pid);
}

void Courtroom::take_crash(const skep_crash_record& record) {
  if (crashes_.size() >= kCrashesMax) crashes_.erase(crashes_.begin());
  crashes_[record.pid] = record;
}

// Asked for at once, not when it is decided whose the alert is: a process that was ended is soon gone.
void Courtroom::open_exhibit(const skep_alert_record& alert, int64_t now_ns) {
  Exhibits::Subject subject;
  subject.alert = alert.id;
  subject.pid = alert.pid;
  subject.service = alert.service;
  subject.running = !is_exec_call(alert.call);
  if (subject.running) {
    const ProcessInfo* const info = processes_.find(alert.pid);
    if (info != nullptr) subject.path = info->exe;
    const ProcessTable::FileId program = processes_.program_of(alert.pid);
    subject.device = program.device;
    subject.inode = program.inode;
  } else {
    subject.path.assign(alert.path, std::min<size_t>(alert.path_bytes, sizeof alert.path));
    subject.device = alert.exe_device;
    subject.inode = alert.exe_inode;
  }
  exhibits_.open(subject, now_ns);
}

void Courtroom::tell(const Attributed& attributed) {
  ++counters_.alerts;
  const skep_alert_record& record = attributed.alert;
  wire::Frame frame;
  *frame.mutable_alert() = alert_message(attributed, enforcement_.signature(record.generation, record.signature),
                                         processes_, enforcement_.services().name_of(record.service));
  const wire::Alert& alert = frame.alert();
  log::warning("alert {}: {} {} by pid {} of service {}, {}, flow {} ({})", alert.rule(), alert.syscall(),
               alert.arguments(), alert.pid(), alert.service(), to_string(static_cast<AlertAction>(alert.action())),
               alert.serial(), to_string(attributed.confidence));
  outbox_.put(std::move(frame));
  exhibits_.told(record.id);
}

std::vector<wire::Frame> Courtroom::introduction() const {
  std::vector<wire::Frame> frames;
  for (const auto& [serial, open] : flows_.all()) {
    frames.push_back(opened_frame(open.flow));
    if (open.pid != 0) frames.push_back(served_frame(serial, open.pid, open.pid));
  }
  return frames;
}

}  // namespace skep::judge

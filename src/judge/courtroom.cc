#include "judge/courtroom.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
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

// What must be said of a written file whatever becomes of its copy.
std::string words_of(const WrittenFiles::File& file) {
  std::string why;
  if (!file.former_path.empty()) why = fmt::format("written as {}", file.former_path);
  if (!file.whole) why += std::string(why.empty() ? "" : "; ") + "the end of a longer name";
  if (!file.certain) why += std::string(why.empty() ? "" : "; ") + "its session was not certain when it was written";
  return why;
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
  const auto* const wrote = as<skep_wrote_record>(bytes);
  const auto* const renamed = as<skep_renamed_record>(bytes);
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
      if (process != nullptr) return take_exit(*process, now_ns);
      break;
    case SKEP_ALERT:
      if (alert == nullptr) break;
      open_exhibits(*alert, now_ns);
      for (const Attributed& decided : attribution_.alert(*alert, now_ns)) tell(decided, now_ns);
      return;
    case SKEP_CONFIRM:
      if (confirm == nullptr) break;
      for (const Attributed& decided : attribution_.confirmed(*confirm)) tell(decided, now_ns);
      return;
    case SKEP_CRASH:
      if (crash != nullptr) return take_crash(*crash, now_ns);
      break;
    case SKEP_WROTE:
      if (wrote != nullptr) return written_.take(*wrote);
      break;
    case SKEP_RENAMED:
      if (renamed != nullptr) return written_.take(*renamed);
      break;
    default:
      break;
  }
  ++counters_.malformed_records;
}

void Courtroom::take_time(int64_t now_ns) {
  for (const Attributed& decided : attribution_.expired(now_ns)) tell(decided, now_ns);
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

void Courtroom::take_exit(const skep_process_record& record, int64_t now_ns) {
  tell_process(record, wire::ProcessEvent::EXIT);
  static constexpr uint32_t kCrashSignals = 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | 1u << 8 | 1u << 11 | 1u << 31;
  const uint32_t signal = record.status & 0x7f;
  if (signal != 0 && signal < 32 && (kCrashSignals >> signal & 1)) tell_crash(record, now_ns);
  if (const auto crash = crashes_.find(record.pid); crash != crashes_.end()) forget_crash(crash);
  processes_.exited(record.pid);
}

void Courtroom::tell_crash(const skep_process_record& record, int64_t now_ns) {
  ++counters_.crashes;
  const Attributed attributed = attribution_.crash(record);
  if (attributed.flow.serial == 0 && attributed.candidates.empty()) {
    log::warning("service {}: process {} was ended by signal {} and served no session",
                 enforcement_.services().name_of(record.service), record.pid, record.status & 0x7f);
    return;
  }
  wire::Frame frame;
  wire::Alert& alert = *frame.mutable_alert();
  alert = crash_message(record, attributed, processes_, enforcement_.services().name_of(record.service));
  const auto crash = crashes_.find(record.pid);
  const bool seen = crash != crashes_.end() && crash->second.record.start_ns == record.start_ns;
  if (seen) {
    fill_crash_state(crash->second.record, *alert.mutable_crash_state());
    alert.set_id(crash->second.alert);
  }
  const Exhibits::Subject subject = running_program(alert.id(), record.pid, record.service);
  outbox_.put(std::move(frame));
  if (!seen) exhibits_.open(subject, now_ns);
  exhibits_.told(subject.alert);
  add_written(subject, attributed.flow, wire::FileFound::WRITTEN, now_ns);
}

// Its program is asked for at once: the process still stands, for a moment.
void Courtroom::take_crash(const skep_crash_record& record, int64_t now_ns) {
  if (const auto former = crashes_.find(record.pid); former != crashes_.end()) forget_crash(former);
  if (crashes_.size() >= kCrashesMax) forget_crash(crashes_.begin());
  const uint64_t alert = crash_id(to_realtime_ns(record.head.time_ns));
  crashes_[record.pid] = {record, alert};
  exhibits_.open(running_program(alert, record.pid, record.service), now_ns);
}

// What its alert has not taken is nobody's.
void Courtroom::forget_crash(std::map<uint32_t, Crash>::iterator at) {
  exhibits_.forget(at->second.alert);
  crashes_.erase(at);
}

Exhibits::Subject Courtroom::running_program(uint64_t alert, uint32_t pid, uint32_t service) const {
  Exhibits::Subject subject;
  subject.alert = alert;
  subject.pid = pid;
  subject.service = service;
  subject.how = SKEP_FILE_RUNNING;
  if (const ProcessInfo* const info = processes_.find(pid); info != nullptr) {
    subject.path = info->exe;
    subject.other_pid = info->parent;
  }
  const ProcessTable::FileId program = processes_.program_of(pid);
  subject.device = program.device;
  subject.inode = program.inode;
  return subject;
}

// Asked for at once, not when it is decided whose the alert is: a process that was ended is soon gone.
void Courtroom::open_exhibits(const skep_alert_record& alert, int64_t now_ns) {
  Exhibits::Subject subject = running_program(alert.id, alert.pid, alert.service);
  if (!is_exec_call(alert.call)) return exhibits_.open(subject, now_ns);
  subject.how = SKEP_FILE_PENDING;
  subject.path.assign(alert.path, std::min<size_t>(alert.path_bytes, sizeof alert.path));
  subject.device = alert.exe_device;
  subject.inode = alert.exe_inode;
  exhibits_.open(subject, now_ns);
  if (alert.interpreter_bytes == 0) return;
  subject.how = SKEP_FILE_NAMED;
  subject.role = wire::FileFound::INTERPRETER;
  subject.path.assign(alert.interpreter, std::min<size_t>(alert.interpreter_bytes, sizeof alert.interpreter));
  exhibits_.open(subject, now_ns);
}

void Courtroom::tell(const Attributed& attributed, int64_t now_ns) {
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
  Exhibits::Subject subject;
  subject.alert = record.id;
  subject.pid = record.pid;
  subject.service = record.service;
  add_written(subject, attributed.flow, wire::FileFound::WRITTEN, now_ns);
  add_written(subject, record.writer.flow, wire::FileFound::WRITTEN_BY_WRITER, now_ns);
}

// What the session of `flow` has written, once; where that is a set of sessions it is nobody's.
void Courtroom::add_written(Exhibits::Subject subject, const skep_flow& flow, wire::FileFound::Role role,
                            int64_t now_ns) {
  if (flow.serial == 0) return;
  subject.role = role;
  subject.how = SKEP_FILE_WRITTEN;
  const WrittenFiles::Untold untold = written_.take_untold(flow);
  subject.path = subject.former_path = "";
  subject.device = subject.inode = 0;
  subject.why = untold.unknown ? "what was written before is not known: the judge has begun anew since, or has "
                                 "forgotten the session"
                               : fmt::format("{} files more were written before these", untold.left_out);
  if (untold.unknown || untold.left_out > 0) exhibits_.left_out(subject, untold.left_out);
  for (const WrittenFiles::File& file : untold.files) {
    subject.path = file.path;
    subject.former_path = file.former_path;
    subject.device = file.device;
    subject.inode = file.inode;
    subject.key = file.key;
    subject.other_pid = file.pid;
    subject.why = words_of(file);
    exhibits_.add(subject, now_ns);
  }
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

#include "cli/session_export.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "archive/evidence_store.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/session_evidence.h"
#include "cli/session_text.h"
#include "formats/community_id.h"
#include "formats/event_codec.h"
#include "formats/pcapng.h"

namespace skep::cli {
namespace {

using formats::RecordType;

class OutputFile {
 public:
  static Result<OutputFile> open(const std::string& path) {
    OutputFile file;
    file.path_ = path;
    file.fd_.reset(path == "-" ? ::dup(STDOUT_FILENO)
                               : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!file.fd_) return fail_errno("write " + path);
    return file;
  }
  bool put(ByteView bytes) {
    while (!bytes.empty() && error_ == 0) {
      const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) error_ = errno;
      if (written > 0) bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return error_ == 0;
  }
  Status status() const {
    errno = error_;
    if (error_ != 0) return fail_errno("write " + path_);
    return {};
  }

 private:
  std::string path_;
  Fd fd_;
  int error_ = 0;
};

std::string alert_comment(const Alert& alert) {
  return fmt::format("skep alert {}: {} {} by pid {} ({}), {}, {}", alert.rule, alert.syscall, alert.arguments,
                     alert.pid, alert.exe, to_string(alert.action), to_string(alert.confidence));
}

// The packets of the session in order; an alert is a comment at the attacker's packet that holds the last byte the
// service had read when it happened.
class Packets {
 public:
  Packets(formats::PcapngWriter& writer, const archive::SessionSummary& session) : writer_(writer), session_(session) {}

  void take(const formats::Record& record) {
    if (record.type == RecordType::opened) writer_.connected(record.time_ns);
    if (record.type == RecordType::data) data(record);
    if (record.type == RecordType::half_closed) writer_.finished(record.time_ns, record.direction);
    if (record.type == RecordType::alert) event(record);
    if (record.type == RecordType::closed) closed(record);
  }

 private:
  std::vector<std::string> comments_for(uint64_t begin, uint64_t end) const {
    std::vector<std::string> comments;
    for (const Alert& alert : session_.alerts) {
      if (alert.stream_offset > begin && alert.stream_offset <= end) comments.push_back(alert_comment(alert));
    }
    return comments;
  }
  void data(const formats::Record& record) {
    std::vector<std::string> comments;
    if (record.direction == Direction::to_bait)
      comments = comments_for(record.stream_offset, record.stream_offset + record.payload.size());
    writer_.data(record.time_ns, record.direction, record.payload, comments);
  }
  void event(const formats::Record& record) {
    const auto alert = formats::decode<Alert>(record.payload);
    if (!alert) return;
    const std::string comment = alert_comment(*alert);
    if (alert->stream_offset == 0) writer_.remark(record.time_ns, Direction::to_bait, {comment});
    JsonWriter json;
    json.begin_object()
        .field("rule", alert->rule)
        .field("pid", alert->pid)
        .field("exe", alert->exe)
        .field("syscall", alert->syscall)
        .field("arguments", alert->arguments);
    json.field("action", to_string(alert->action))
        .field("confidence", to_string(alert->confidence))
        .field("stream_offset", alert->stream_offset)
        .end_object();
    writer_.event(record.time_ns, comment, alert->pid, alert->lineage.empty() ? "" : alert->lineage.back().comm,
                  alert->crash ? 5 : 1, json.text());
  }
  void closed(const formats::Record& record) {
    const auto event = formats::decode<formats::ClosedEvent>(record.payload);
    if (!event) return;
    switch (event->reason) {
      case EndReason::client_closed:
      case EndReason::server_closed:
        writer_.finished(record.time_ns, Direction::to_bait);
        writer_.finished(record.time_ns, Direction::to_client);
        return;
      case EndReason::reset_by_client:
        writer_.reset(record.time_ns, Direction::to_bait);
        return;
      case EndReason::crash_recovered:
        return;  // nobody saw how it ended
      default:
        writer_.reset(record.time_ns, Direction::to_client);
    }
  }

  formats::PcapngWriter& writer_;
  const archive::SessionSummary& session_;
};

}  // namespace

Status export_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const std::string& path) {
  auto file = OutputFile::open(path);
  if (!file) return tl::unexpected<Error>(file.error());
  formats::PcapngWriter writer([&](ByteView bytes) { return file->put(bytes); }, session.client, session.entrance);
  std::vector<std::string> comments = {
      fmt::format("skep session {} class {} service {}", to_string(session.id), to_string(session.session_class),
                  session.service),
      fmt::format("community id {} outside, {} inside", formats::community_id(session.client, session.entrance),
                  formats::community_id(session.leg, session.bait))};
  for (const Alert& alert : session.alerts) comments.push_back(alert_comment(alert));
  const auto evidence = evidence_of(reader, session);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  for (const formats::FileEvent& kept : evidence->files) comments.push_back("skep " + role_text(kept));
  writer.begin(comments);
  Packets packets(writer, session);
  if (auto read = reader.for_each(session, {}, [&](const formats::Record& record) { packets.take(record); }); !read)
    return read;
  return file->status();
}

namespace {

// Beside the streams: the stored copies, by their SHA-256. Never executable: they are attackers' programs.
Status export_files(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder) {
  const auto evidence = evidence_of(reader, session);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  for (const formats::FileEvent& file : evidence->files) {
    if (file.state != formats::FileState::stored) continue;
    if (auto made = make_directories(folder); !made) return made;
    const auto content = read_file(archive::evidence_path(reader.folder(), file.sha256));
    if (!content) return tl::unexpected<Error>(content.error());
    if (auto written = write_file(folder + "/" + file.sha256, *content, 0440); !written) return written;
  }
  return {};
}

// "passed on by 192.0.2.9:4000, belongs to session 2026…".
std::string origin_text(const formats::OriginEvent& event) {
  std::string text;
  if (event.balancer.port != 0) text = "passed on by " + to_string(event.balancer);
  if (event.parent.value != 0)
    text += (text.empty() ? "belongs to session " : ", belongs to session ") + to_string(event.parent);
  return text;
}

}  // namespace

Status export_raw(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder) {
  if (auto made = make_directories(folder); !made) return made;
  const std::string base = folder + "/" + to_string(session.id);
  auto in = OutputFile::open(base + ".in");
  if (!in) return tl::unexpected<Error>(in.error());
  auto out = OutputFile::open(base + ".out");
  if (!out) return tl::unexpected<Error>(out.error());
  auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
    if (record.type == RecordType::data) (record.direction == Direction::to_bait ? *in : *out).put(record.payload);
  });
  if (!read) return read;
  if (auto whole = in->status(); !whole) return whole;
  if (auto whole = out->status(); !whole) return whole;
  return export_files(reader, session, base + ".files");
}

std::string record_text(const formats::Record& record) {
  const std::string time = format_time(record.time_ns);
  switch (record.type) {
    case RecordType::data:
      return fmt::format("{} {} {} bytes at {}\n{}", time, record.direction == Direction::to_bait ? ">>>" : "<<<",
                         record.payload.size(), record.stream_offset, hex_dump(record.payload, record.stream_offset));
    case RecordType::opened:
      return fmt::format("{} opened\n", time);
    case RecordType::connected:
      return fmt::format("{} connected to the bait\n", time);
    case RecordType::origin:
      if (const auto event = formats::decode<formats::OriginEvent>(record.payload))
        return fmt::format("{} {}\n", time, origin_text(*event));
      break;
    case RecordType::half_closed:
      return fmt::format("{} {} has ended its direction\n", time,
                         record.direction == Direction::to_bait ? "the attacker" : "the bait");
    case RecordType::served:
      if (const auto event = formats::decode<formats::ServedEvent>(record.payload))
        return fmt::format("{} served by pid {}\n", time, event->pid);
      break;
    case RecordType::process:
      if (const auto event = formats::decode<formats::ProcessEvent>(record.payload)) {
        static constexpr std::string_view kKinds[] = {"forked", "runs", "ended"};
        return fmt::format("{} pid {} {} {}\n", time, event->pid, kKinds[static_cast<size_t>(event->kind)],
                           printable(event->exe));
      }
      break;
    case RecordType::alert:
      if (const auto alert = formats::decode<Alert>(record.payload))
        return fmt::format("{} ALERT {}\n", time, printable(alert_comment(*alert)));
      break;
    case RecordType::note:
      if (const auto event = formats::decode<formats::NoteEvent>(record.payload))
        return fmt::format("{} note: {}\n", time, printable(event->words));
      break;
    case RecordType::file:
      if (const auto event = formats::decode<formats::FileEvent>(record.payload))
        return fmt::format("{} {}\n", time, role_text(*event));
      break;
    case RecordType::crash:
      if (const auto event = formats::decode<formats::CrashEvent>(record.payload))
        return fmt::format("{} crash {}\n{}", time, crash_text(event->state), crash_details(event->state));
      break;
    case RecordType::closed:
      if (const auto event = formats::decode<formats::ClosedEvent>(record.payload))
        return fmt::format("{} closed: {}\n", time, to_string(event->reason));
      break;
  }
  return fmt::format("{} an event that cannot be read\n", time);
}

Status export_text(archive::Reader& reader, const archive::SessionSummary& session, const std::string& path) {
  auto file = OutputFile::open(path);
  if (!file) return tl::unexpected<Error>(file.error());
  const auto told = story(reader, session);
  if (!told) return tl::unexpected<Error>(told.error());
  file->put(as_bytes(*told + "\n"));
  if (auto read = reader.for_each(session, {},
                                  [&](const formats::Record& record) { file->put(as_bytes(record_text(record))); });
      !read)
    return read;
  return file->status();
}

}  // namespace skep::cli

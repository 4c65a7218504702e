#include "view/session_evidence.h"

#include <algorithm>

#include "formats/event_codec.h"

namespace skep::view {
namespace {

using formats::FileEvent;
using formats::FileRole;
using formats::FileState;

std::string why_of(const FileEvent& file) {
  if (file.state != FileState::coming) return file.why;
  return file.why + (file.why.empty() ? "" : "; ") + "its copy is on its way, or was cut";
}

bool same_file(const FileEvent& a, const FileEvent& b) {
  return a.alert == b.alert && a.pid == b.pid && a.role == b.role && a.device == b.device && a.inode == b.inode;
}

bool is_of(const FileEvent& file, const Alert& alert, FileRole role) {
  return file.alert == alert.id && file.pid == alert.pid && file.role == role;
}

// Of no file: that more were written than are told.
bool is_note(const FileEvent& file) {
  return file.role == FileRole::written && file.inode == 0;
}

std::string_view role_name(FileRole role) {
  static constexpr std::string_view kNames[] = {"program", "interpreter", "written"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace

const FileEvent* SessionEvidence::file_of(const Alert& alert, FileRole role) const {
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const FileEvent& file) { return is_of(file, alert, role); });
  return found == files.end() ? nullptr : &*found;
}

std::vector<const FileEvent*> SessionEvidence::written_by(const Alert& alert) const {
  std::vector<const FileEvent*> written;
  for (const FileEvent& file : files) {
    if (is_of(file, alert, FileRole::written)) written.push_back(&file);
  }
  return written;
}

uint64_t SessionEvidence::written_left_out() const {
  uint64_t count = 0;
  for (const FileEvent& file : files) count += file.left_out;
  return count;
}

Result<SessionEvidence> evidence_of(archive::Reader& reader, const archive::SessionSummary& session) {
  SessionEvidence evidence;
  const auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
    if (record.type == formats::RecordType::opened)
      evidence.opened = formats::decode<formats::OpenedEvent>(record.payload);
    if (record.type == formats::RecordType::closed)
      evidence.closed = formats::decode<formats::ClosedEvent>(record.payload);
    if (record.type == formats::RecordType::crash) {
      if (auto crash = formats::decode<formats::CrashEvent>(record.payload)) evidence.crashes[crash->alert] = *crash;
    }
    if (record.type == formats::RecordType::note) {
      const auto note = formats::decode<formats::NoteEvent>(record.payload);
      if (note && note->kind == formats::NoteKind::kernel_lost) evidence.losses.push_back(note->words);
    }
    if (record.type != formats::RecordType::file) return;
    auto file = formats::decode<FileEvent>(record.payload);
    if (!file) return;
    // The later record of a file says what became of its copy.
    const auto known = std::find_if(evidence.files.begin(), evidence.files.end(),
                                    [&](const FileEvent& each) { return same_file(each, *file); });
    if (known == evidence.files.end()) {
      evidence.files.push_back(std::move(*file));
    } else {
      *known = std::move(*file);
    }
  });
  if (!read) return tl::unexpected<Error>(read.error());
  evidence.beginning_dropped = reader.beginning_dropped();
  return evidence;
}

void programs_json(JsonWriter& json, const SessionEvidence& evidence, const Alert& alert) {
  const auto fields = [&](const FileEvent* file, const std::string& prefix) {
    if (file == nullptr) return;
    json.field(prefix + "_path", file->path).field(prefix + "_sha256", file->sha256);
    json.field(prefix + "_device", file->device).field(prefix + "_inode", file->inode);
  };
  fields(evidence.file_of(alert), "exe");
  fields(evidence.file_of(alert, FileRole::interpreter), "interpreter");
}

void files_json(JsonWriter& json, const SessionEvidence& evidence) {
  json.key("files").begin_array();
  for (const FileEvent& file : evidence.files) {
    if (is_note(file)) continue;
    json.begin_object().field("alert", file.alert).field("pid", file.pid).field("role", role_name(file.role));
    json.field("path", file.path);
    json.field("device", file.device).field("inode", file.inode).field("sha256", file.sha256);
    json.field("bytes", file.bytes).field("copied", file.copied).field("stored", file.state == FileState::stored);
    json.field("why", why_of(file)).end_object();
  }
  json.end_array().field("written_left_out", evidence.written_left_out());
  json.key("written_notes").begin_array();
  for (const FileEvent& file : evidence.files) {
    if (is_note(file)) json.value(file.why);
  }
  json.end_array();
}

void crash_json(JsonWriter& json, const CrashState& state) {
  json.begin_object().field("signal", signal_name(state.signal)).field("code", state.code);
  json.field("address", fmt::format("{:#x}", state.address)).field("tid", state.tid).field("comm", state.comm);
  json.key("registers").begin_object();
  for (size_t i = 0; i < std::min(state.registers.size(), std::size(kRegisterNames)); ++i)
    json.field(kRegisterNames[i], fmt::format("{:#x}", state.registers[i]));
  json.end_object().field("code_at_rip", hex(as_bytes(state.code_bytes)));
  json.field("stack", hex(as_bytes(state.stack))).end_object();
}

std::string file_text(const FileEvent& file) {
  if (is_note(file)) return printable(file.why);
  const std::string name = file.path.empty() ? "(no name)" : printable(file.path);
  std::string text = fmt::format("{} inode {} on device {:#x}, {} bytes", name, file.inode, file.device, file.bytes);
  if (!file.sha256.empty()) text += " sha256 " + file.sha256;
  text += file.state == FileState::stored ? ", stored" : ", not stored";
  const std::string why = why_of(file);
  return text + (why.empty() ? "" : " (" + printable(why) + ")");
}

std::string role_text(const FileEvent& file) {
  static constexpr std::string_view kWords[] = {"file", "interpreter", "written file"};
  return fmt::format("{} {}", kWords[static_cast<size_t>(file.role)], file_text(file));
}

std::string crash_text(const CrashState& state) {
  const auto at = [&](size_t which) { return which < state.registers.size() ? state.registers[which] : 0; };
  return fmt::format("{} at {:#x} rip {:#x} rsp {:#x}, thread {} ({}), code {}", signal_name(state.signal),
                     state.address, at(0), at(1), state.tid, printable(state.comm), state.code);
}

std::string crash_details(const CrashState& state) {
  std::string text;
  for (size_t i = 0; i < std::min(state.registers.size(), std::size(kRegisterNames)); ++i)
    text += fmt::format("{}{} {:#x}", i % 6 == 0 ? "\n   " : "", kRegisterNames[i], state.registers[i]) +
            (i % 6 == 5 ? "" : " ");
  if (!state.code_bytes.empty()) text += "\n   code at rip: " + hex(as_bytes(state.code_bytes));
  if (!state.stack.empty()) text += "\n   stack: " + hex(as_bytes(state.stack));
  return text.empty() ? text : text.substr(1) + "\n";
}

}  // namespace skep::view

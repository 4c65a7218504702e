#include "cli/session_evidence.h"

#include <algorithm>

#include "formats/event_codec.h"

namespace skep::cli {
namespace {

using formats::FileEvent;
using formats::FileState;

std::string why_of(const FileEvent& file) {
  if (file.state != FileState::coming) return file.why;
  return file.why + (file.why.empty() ? "" : "; ") + "its copy is on its way, or was cut";
}

bool same_file(const FileEvent& a, const FileEvent& b) {
  return a.alert == b.alert && a.pid == b.pid && a.device == b.device && a.inode == b.inode;
}

}  // namespace

const FileEvent* SessionEvidence::file_of(const Alert& alert) const {
  const auto found = std::find_if(files.begin(), files.end(), [&](const FileEvent& file) {
    return file.alert == alert.id && file.pid == alert.pid;
  });
  return found == files.end() ? nullptr : &*found;
}

Result<SessionEvidence> evidence_of(archive::Reader& reader, const archive::SessionSummary& session) {
  SessionEvidence evidence;
  const auto read = reader.for_each(session, {}, [&](const formats::Record& record) {
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
  return evidence;
}

void exe_json(JsonWriter& json, const FileEvent& file) {
  json.field("exe_sha256", file.sha256).field("exe_device", file.device).field("exe_inode", file.inode);
}

void files_json(JsonWriter& json, const SessionEvidence& evidence) {
  json.key("files").begin_array();
  for (const FileEvent& file : evidence.files) {
    json.begin_object().field("alert", file.alert).field("pid", file.pid).field("path", file.path);
    json.field("device", file.device).field("inode", file.inode).field("sha256", file.sha256);
    json.field("bytes", file.bytes).field("copied", file.copied).field("stored", file.state == FileState::stored);
    json.field("why", why_of(file)).end_object();
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
  const std::string name = file.path.empty() ? "(no name)" : printable(file.path);
  std::string text = fmt::format("{} inode {} on device {:#x}, {} bytes", name, file.inode, file.device, file.bytes);
  if (!file.sha256.empty()) text += " sha256 " + file.sha256;
  text += file.state == FileState::stored ? ", stored" : ", not stored";
  const std::string why = why_of(file);
  return text + (why.empty() ? "" : " (" + printable(why) + ")");
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

}  // namespace skep::cli

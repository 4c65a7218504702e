#include "judge/written.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "judge/learned.h"

namespace skep::judge {
namespace {

std::string path_of(const skep_wrote_record& record) {
  const size_t bytes = std::min<size_t>(record.name_bytes, sizeof record.name);
  return path_of_parts(std::string_view(record.name, bytes));
}

std::string_view last_part(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// The new name from the root on, as far as the kernel could tell the folder where it begins.
std::string path_of(const skep_renamed_record& record) {
  std::string_view name(record.name, ::strnlen(record.name, sizeof record.name));
  if (name.starts_with('/')) return std::string(name);
  while (name.starts_with("./")) name.remove_prefix(2);
  const size_t bytes = std::min<size_t>(record.folder_bytes, sizeof record.folder);
  return fmt::format("{}/{}", path_of_parts(std::string_view(record.folder, bytes)), name);
}

}  // namespace

void WrittenFiles::rename(File& file, std::string path, bool whole) {
  if (file.path == path) return;
  if (file.former_path.empty()) file.former_path = file.path;
  file.path = std::move(path);
  file.whole = whole;
}

// A file that is written again is the newest, and is told again: it holds something else by now.
void WrittenFiles::take(const skep_wrote_record& record) {
  const uint64_t serial = record.label.flow.serial;
  if (serial == 0) return;
  Session& session = session_of(serial);
  const auto known = std::find_if(session.files.begin(), session.files.end(), [&](const Kept& kept) {
    return kept.file.key == record.key && kept.file.device == record.device && kept.file.inode == record.inode;
  });
  Kept kept;
  if (known != session.files.end()) {
    kept = std::move(*known);
    session.files.erase(known);
    kept.told = false;
  } else {
    kept.file.path = path_of(record);
    kept.file.whole = record.whole != 0;
  }
  kept.file.device = record.device;
  kept.file.inode = record.inode;
  kept.file.key = record.key;
  kept.file.pid = record.pid;
  kept.file.certain = skep_label_waits(&record.label) == 0;
  rename(kept.file, path_of(record), record.whole != 0);
  session.files.push_back(std::move(kept));
  if (session.files.size() > kFilesMax) {
    if (!session.files.front().told) ++session.left_out;
    session.files.pop_front();
  }
}

void WrittenFiles::take(const skep_renamed_record& record) {
  const auto session = sessions_.find(record.serial);
  const std::string_view former = last_part({record.former, ::strnlen(record.former, sizeof record.former)});
  if (session == sessions_.end() || former.empty() || record.name[0] == 0) return;
  auto& files = session->second.files;
  const auto meant =
      std::find_if(files.rbegin(), files.rend(), [&](const Kept& kept) { return last_part(kept.file.path) == former; });
  if (meant != files.rend()) rename(meant->file, path_of(record), record.whole != 0 || record.name[0] == '/');
}

// The oldest makes room.
WrittenFiles::Session& WrittenFiles::session_of(uint64_t serial) {
  const auto known = sessions_.find(serial);
  if (known != sessions_.end()) return known->second;
  if (sessions_.size() >= kSessionsMax) {
    forgotten_ = std::max(forgotten_, sessions_.begin()->first);
    sessions_.erase(sessions_.begin());
  }
  Session& fresh = sessions_[serial];
  fresh.lost = serial <= forgotten_;
  return fresh;
}

WrittenFiles::Untold WrittenFiles::take_untold(const skep_flow& flow) {
  const bool older = flow.opened_ns < began_ns_;
  if (!older && flow.serial > forgotten_ && !sessions_.contains(flow.serial)) return {};
  Session& session = session_of(flow.serial);
  Untold untold;
  untold.left_out = std::exchange(session.left_out, 0);
  untold.unknown = (older || session.lost) && !std::exchange(session.said, true);
  for (Kept& kept : session.files) {
    if (!std::exchange(kept.told, true)) untold.files.push_back(kept.file);
  }
  return untold;
}

}  // namespace skep::judge

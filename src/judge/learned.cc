#include "judge/learned.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "match/syscalls.h"

namespace skep::judge {
namespace {

// Never taken whole, however many of their files are read or written: among them lies what nobody should.
constexpr std::string_view kNeverWhole[] = {"/", "/etc", "/home", "/root", "/usr", "/var"};
constexpr std::string_view kProcesses = "/proc";

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

bool is_below(const std::string& path, const std::string& folder) {
  return folder == "/" || (path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/');
}

bool covered(const std::string& path, const std::set<std::string>& folders) {
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) { return is_below(path, folder); });
}

// The folders of which there are more than kFilesApart of `paths`.
std::set<std::string> crowded(const std::set<std::string>& paths) {
  std::map<std::string, size_t> counts;
  for (const std::string& path : paths) ++counts[folder_of(path)];
  std::set<std::string> found;
  for (const auto& [folder, count] : counts) {
    const bool never = std::find(std::begin(kNeverWhole), std::end(kNeverWhole), folder) != std::end(kNeverWhole);
    if (count > Learned::kFilesApart && !never) found.insert(folder);
  }
  return found;
}

std::vector<std::string> without_covered(const std::set<std::string>& paths, const std::set<std::string>& folders) {
  std::vector<std::string> kept;
  std::copy_if(paths.begin(), paths.end(), std::back_inserter(kept),
               [&](const std::string& path) { return !covered(path, folders); });
  return kept;
}

}  // namespace

std::string path_of_parts(std::string_view parts) {
  std::string path;
  while (!parts.empty()) {
    const size_t end = std::min(parts.find('\0'), parts.size());
    path = fmt::format("/{}{}", parts.substr(0, end), path);
    parts.remove_prefix(std::min(end + 1, parts.size()));
  }
  return path;
}

template <typename T>
void Learned::add(std::set<T>& to, const T& item) {
  if (to.contains(item)) return;
  if (size_ >= formats::ServiceProfile::kEntriesMax) {
    ++beyond_;
    return;
  }
  to.insert(item);
  ++size_;
}

void Learned::take(const skep_first_seen_record& record) {
  switch (record.kind) {
    case SKEP_PROFILE_PROGRAM:
    case SKEP_PROFILE_FILE_READ:
    case SKEP_PROFILE_FOLDER_WRITTEN: {
      const size_t bytes = std::min<size_t>(record.name_bytes, sizeof record.name);
      const std::string path = path_of_parts(std::string_view(record.name, bytes));
      if (record.whole == 0 || !formats::is_profile_path(path)) {
        ++unnamed_;
      } else {
        take_path(record.kind, path);
      }
      return;
    }
    case SKEP_PROFILE_PORT:
      return add(ports_, static_cast<uint16_t>(record.key));
    case SKEP_PROFILE_PEER: {
      Endpoint peer;
      std::memcpy(peer.address.data(), record.address, sizeof record.address);
      return add(peers_, peer);
    }
    case SKEP_PROFILE_CALL:
      if (const std::string name = match::call_name(static_cast<uint32_t>(record.key)); match::call_number(name))
        add(calls_, name);
      return;
    default:
      return;
  }
}

void Learned::take_path(uint32_t kind, const std::string& path) {
  if (kind == SKEP_PROFILE_PROGRAM) return add(programs_, path);
  const std::string processes(kProcesses);
  const bool of_process = is_below(path, processes);  // /proc/PID: another for each process
  if (kind == SKEP_PROFILE_FILE_READ) return of_process ? add(folders_read_, processes) : add(files_read_, path);
  return of_process ? add(trees_written_, processes) : add(folders_written_, folder_of(path));
}

formats::ServiceProfile Learned::profile(const std::string& service, int64_t to_ns) const {
  formats::ServiceProfile out;
  out.service = service;
  out.from_ns = from_ns_;
  out.to_ns = to_ns;
  out.sessions = sessions_;
  out.programs = {programs_.begin(), programs_.end()};
  out.ports = {ports_.begin(), ports_.end()};
  out.peers = {peers_.begin(), peers_.end()};
  out.calls = {calls_.begin(), calls_.end()};
  std::set<std::string> read = folders_read_;
  for (const std::string& folder : crowded(files_read_)) {
    read.insert(folder);
    out.notes.push_back(
        fmt::format("{}: more than {} files of it were read: it stands as a whole", folder, kFilesApart));
  }
  std::set<std::string> written = trees_written_;
  for (const std::string& folder : crowded(folders_written_)) {
    written.insert(folder);
    out.notes.push_back(
        fmt::format("{}: more than {} folders of it were written to: it stands as a whole", folder, kFilesApart));
  }
  out.files_read = without_covered(files_read_, read);
  out.folders_read = without_covered(read, read);
  out.folders_written = without_covered(folders_written_, written);
  for (const std::string& folder : without_covered(written, written)) out.folders_written.push_back(folder + "/**");
  if (unnamed_ > 0) out.notes.push_back(fmt::format("{} files have no path that could stand here", unnamed_));
  if (beyond_ > 0) out.notes.push_back(fmt::format("{} more did not fit", beyond_));
  if (lost_ > 0)
    out.notes.push_back(fmt::format("{} records of the kernel were lost meanwhile: something may be missing", lost_));
  return out;
}

}  // namespace skep::judge

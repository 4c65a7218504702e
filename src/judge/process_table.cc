#include "judge/process_table.h"

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace skep::judge {
namespace {

constexpr size_t kLineageMax = 48;

// The kernel tells boot time; sessions speak UTC.
int64_t to_realtime(uint64_t boot_ns) {
  return now_realtime_ns() - now_boottime_ns() + static_cast<int64_t>(boot_ns);
}

ProcessInfo info_of(const skep_process_record& record) {
  ProcessInfo info;
  info.pid = record.pid;
  info.parent = record.parent;
  info.uid = record.uid;
  info.start_ns = to_realtime(record.start_ns);
  info.comm.assign(record.comm, ::strnlen(record.comm, sizeof record.comm));
  return info;
}

}  // namespace

std::string arguments_text(const char* bytes, size_t count) {
  std::string text(bytes, count);
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

void ProcessTable::forked(const skep_process_record& record) {
  const auto found = entries_.find(record.pid);
  if (found == entries_.end() || found->second.dead) {
    if (live_ >= kLiveMax) {
      ++refused_;
      return;
    }
    ++live_;
  }
  Entry entry{info_of(record), false, program_of(record.parent)};
  // Until it runs a program of its own it runs its parent's.
  if (const ProcessInfo* parent = find(record.parent); parent != nullptr) {
    entry.info.exe = parent->exe;
    entry.info.args = parent->args;
  }
  entries_[record.pid] = std::move(entry);
}

void ProcessTable::executed(const skep_process_record& record) {
  if (find(record.pid) == nullptr) forked(record);
  const auto found = entries_.find(record.pid);
  if (found == entries_.end()) return;
  ProcessInfo& info = found->second.info;
  info.exe.assign(record.path, std::min<size_t>(record.path_bytes, sizeof record.path));
  info.args = arguments_text(record.args, std::min<size_t>(record.args_bytes, sizeof record.args));
  info.comm.assign(record.comm, ::strnlen(record.comm, sizeof record.comm));
  info.uid = record.uid;
  found->second.program = {record.exe_device, record.exe_inode};
}

ProcessTable::FileId ProcessTable::program_of(uint32_t pid) const {
  const auto found = entries_.find(pid);
  return found == entries_.end() ? FileId{} : found->second.program;
}

void ProcessTable::exited(uint32_t pid) {
  const auto found = entries_.find(pid);
  if (found == entries_.end() || found->second.dead) return;
  found->second.dead = true;
  --live_;
  dead_.push_back(pid);
  while (dead_.size() > kDeadMax) {
    const auto oldest = entries_.find(dead_.front());
    dead_.pop_front();
    if (oldest != entries_.end() && oldest->second.dead) entries_.erase(oldest);
  }
}

const ProcessInfo* ProcessTable::find(uint32_t pid) const {
  const auto found = entries_.find(pid);
  return found == entries_.end() ? nullptr : &found->second.info;
}

std::vector<ProcessInfo> ProcessTable::lineage(uint32_t pid) const {
  std::vector<ProcessInfo> line;
  for (const ProcessInfo* at = find(pid); at != nullptr && line.size() < kLineageMax; at = find(at->parent)) {
    line.push_back(*at);
    if (at->parent == at->pid) break;
  }
  std::reverse(line.begin(), line.end());
  return line;
}

}  // namespace skep::judge

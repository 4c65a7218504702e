#include "watch/held_files.h"

#include <fcntl.h>

namespace skep::watch {

void HeldFiles::put(pid_t process, Fd file, const FileFacts& facts, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  held_.push_back({process, std::move(file), facts, now_ns});
  if (held_.size() > kHeldMax) held_.pop_front();
}

std::optional<HeldFiles::Found> HeldFiles::find(pid_t process, uint64_t device, uint64_t inode) const {
  const std::lock_guard lock(mutex_);
  const Held* best = nullptr;
  for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
    if (held->process != process) continue;
    const bool same = held->facts.device == device && held->facts.inode == inode;
    if (best == nullptr || same) best = &*held;
    if (same) break;
  }
  if (best == nullptr) return std::nullopt;
  Fd copy(::fcntl(best->file.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy) return std::nullopt;
  return Found{std::move(copy), best->facts};
}

bool HeldFiles::expire(int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  while (!held_.empty() && now_ns - held_.front().since_ns > kHeldNs) held_.pop_front();
  return !held_.empty();
}

}  // namespace skep::watch

#include "watch/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace skep::watch {
namespace {

constexpr char kOwnMount[] = "/run/skep-cgroup";
constexpr int kRemoveTries = 100;

Status write_text(const std::string& path, std::string_view text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path);
  if (::write(fd.get(), text.data(), text.size()) < 0) return fail_errno("write " + path);
  return {};
}

// Removes the group and those below it; they must be empty of processes. False where something was left.
bool remove_tree(const std::string& path) {
  if (DIR* folder = ::opendir(path.c_str()); folder != nullptr) {
    while (const dirent* entry = ::readdir(folder)) {
      if (entry->d_type == DT_DIR && entry->d_name[0] != '.') remove_tree(path + "/" + entry->d_name);
    }
    ::closedir(folder);
  }
  return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
}

}  // namespace

Result<std::string> find_cgroup_root() {
  const auto mounts = read_file("/proc/self/mounts");
  if (!mounts) return wrap("find the cgroup v2 hierarchy", mounts);
  for (const std::string_view line : split(*mounts, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() > 2 && words[2] == "cgroup2") return std::string(words[1]);
  }
  if (::mkdir(kOwnMount, 0700) != 0 && errno != EEXIST) return fail_errno(std::string("mkdir ") + kOwnMount);
  if (::mount("none", kOwnMount, "cgroup2", 0, nullptr) != 0) return fail_errno("mount the cgroup v2 hierarchy");
  return std::string(kOwnMount);
}

Result<Cgroup> Cgroup::make(std::string path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno("make the cgroup " + path);
  return Cgroup(std::move(path));
}

Status Cgroup::add(pid_t pid) const {
  return write_text(path_ + "/cgroup.procs", std::to_string(pid));
}
Status Cgroup::kill() const {
  return write_text(path_ + "/cgroup.kill", "1");
}

void Cgroup::end() {
  if (auto killed = kill(); !killed) log::warning("{}", killed.error().message);
  for (int i = 0; i < kRemoveTries; ++i) {
    if (remove_tree(path_)) return;
    const timespec pause{0, 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  log::warning("the cgroup {} could not be removed", path_);
}

}  // namespace skep::watch

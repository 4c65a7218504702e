#include "watch/programs.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <charconv>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "model/signature_table.h"

namespace skep::watch {
namespace {

pid_t number(std::string_view text) {
  pid_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

std::vector<pid_t> numbers_in(const std::string& folder) {
  std::vector<pid_t> found;
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return found;
  while (const dirent* entry = ::readdir(stream)) {
    if (const pid_t pid = number(entry->d_name); pid > 0) found.push_back(pid);
  }
  ::closedir(stream);
  return found;
}

// Field 4 of /proc/PID/stat; the name in field 2 may hold anything, so count from its last parenthesis.
pid_t parent_of(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid), 4096);
  if (!stat) return 0;
  const size_t end = stat->rfind(')');
  if (end == std::string::npos) return 0;
  const auto words = split(trim(std::string_view(*stat).substr(end + 1)), ' ');
  return words.size() > 1 ? number(words[1]) : 0;
}

void append_threads(pid_t pid, std::vector<pid_t>& threads) {
  const auto mine = numbers_in(fmt::format("/proc/{}/task", pid));
  threads.insert(threads.end(), mine.begin(), mine.end());
}

Status collect_cgroup(const std::string& path, std::vector<pid_t>& threads) {
  const auto listed = read_file(path + "/cgroup.procs");
  if (!listed) return wrap("adopt a cgroup", listed);
  for (const std::string_view line : split(*listed, '\n')) {
    if (const pid_t pid = number(line); pid > 0) append_threads(pid, threads);
  }
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return {};
  Status below;
  while (const dirent* entry = ::readdir(stream)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    below = collect_cgroup(path + "/" + entry->d_name, threads);
    if (!below) break;
  }
  ::closedir(stream);
  return below;
}

}  // namespace

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  for (const char* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = fmt::format("{}/{}", folder, name);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return name;
}

Result<uint64_t> file_id(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return fail_errno("look at the program " + path);
  // The kernel's own form of a device number, as the super block holds it.
  const uint64_t device = static_cast<uint64_t>(major(info.st_dev)) << 20 | minor(info.st_dev);
  return skep_file_id(device, info.st_ino);
}

std::vector<pid_t> threads_below(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const pid_t pid : numbers_in("/proc")) children.emplace(parent_of(pid), pid);
  std::vector<pid_t> family = {root};
  for (size_t i = 0; i < family.size(); ++i) {
    const auto [first, last] = children.equal_range(family[i]);
    for (auto child = first; child != last; ++child) family.push_back(child->second);
  }
  std::vector<pid_t> threads;
  for (const pid_t pid : family) append_threads(pid, threads);
  return threads;
}

Result<std::vector<pid_t>> threads_of_cgroup(const std::string& path) {
  std::vector<pid_t> threads;
  if (auto collected = collect_cgroup(path, threads); !collected) return tl::unexpected<Error>(collected.error());
  return threads;
}

Result<uint32_t> network_namespace(pid_t pid) {
  const std::string path = pid > 0 ? fmt::format("/proc/{}/ns/net", pid) : "/proc/self/ns/net";
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return fail_errno("look at " + path);
  return static_cast<uint32_t>(info.st_ino);
}

}  // namespace skep::watch

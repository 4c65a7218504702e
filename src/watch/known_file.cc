#include "watch/known_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>

#include <memory>
#include <vector>

namespace skep::watch {
namespace {

using Folder = std::unique_ptr<DIR, int (*)(DIR*)>;

// Where names begin: as the processes see it, then as watch does. A chroot's own root is none of these: the kernel
// tells names from the root of all.
std::vector<Fd> roots_of(const KnownFile& file) {
  std::vector<Fd> roots;
  const auto add = [&](const std::string& path) {
    if (Fd root(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); root) roots.push_back(std::move(root));
  };
  for (const pid_t process : file.processes) {
    if (process > 0) add(fmt::format("/proc/{}/root", process));
  }
  add("/");
  return roots;
}

bool is_it(const Fd& found, const KnownFile& file) {
  const auto facts = facts_of(found);
  return facts && facts->device == file.device && facts->inode == file.inode;
}

Fd open_at(const Fd& root, const std::string& path) {
  auto found = open_below(root, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  return found ? std::move(*found) : Fd();
}

Fd by_name(const KnownFile& file, const std::vector<Fd>& roots, const std::string& path) {
  for (const Fd& root : roots) {
    if (path.empty()) break;
    if (Fd found = open_at(root, path); found && is_it(found, file)) return found;
  }
  return {};
}

Fd by_descriptor(const KnownFile& file) {
  for (const pid_t process : file.processes) {
    const std::string folder = fmt::format("/proc/{}/fd", process);
    const Folder listed(process > 0 ? ::opendir(folder.c_str()) : nullptr, ::closedir);
    for (size_t i = 0; listed && i < KnownFile::kDescriptorsMax; ++i) {
      const dirent* const entry = ::readdir(listed.get());
      if (entry == nullptr) break;
      Fd found(::open(fmt::format("{}/{}", folder, entry->d_name).c_str(), O_PATH | O_CLOEXEC));
      if (found && is_it(found, file)) return found;
    }
  }
  return {};
}

Fd in_folder(const Fd& folder, const KnownFile& file) {
  const int readable = ::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const Folder listed(readable < 0 ? nullptr : ::fdopendir(readable), ::closedir);
  for (size_t i = 0; listed && i < KnownFile::kFolderEntriesMax; ++i) {
    const dirent* const entry = ::readdir(listed.get());
    if (entry == nullptr) break;
    if (entry->d_ino != file.inode) continue;
    auto found = open_below(folder, entry->d_name, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (found && is_it(*found, file)) return std::move(*found);
  }
  return {};
}

Fd by_folder(const KnownFile& file, const std::vector<Fd>& roots) {
  for (const std::string& path : file.paths) {
    for (const Fd& root : roots) {
      if (path.empty()) continue;
      const Fd folder = open_at(root, path.substr(0, path.rfind('/') + 1));
      if (!folder) continue;
      if (Fd found = in_folder(folder, file); found) return found;
    }
  }
  return {};
}

}  // namespace

Result<FoundFile> open_known_file(const KnownFile& file) {
  const std::vector<Fd> roots = roots_of(file);
  if (Fd found = by_name(file, roots, file.paths[0]); found)
    return FoundFile{std::move(found), SKEP_FILE_BY_NEWEST_NAME};
  if (Fd found = by_name(file, roots, file.paths[1]); found)
    return FoundFile{std::move(found), SKEP_FILE_BY_FORMER_NAME};
  if (Fd found = by_descriptor(file); found) return FoundFile{std::move(found), SKEP_FILE_BY_DESCRIPTOR};
  if (Fd found = by_folder(file, roots); found) return FoundFile{std::move(found), SKEP_FILE_BY_FOLDER};
  return fail("none of its names leads to it any more");
}

}  // namespace skep::watch

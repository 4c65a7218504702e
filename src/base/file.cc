#include "base/file.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"

namespace skep {
namespace {

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write " + path);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path);
  std::string content;
  char block[16384];
  while (true) {
    const ssize_t got = ::read(fd.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read " + path);
    if (got == 0) return content;
    content.append(block, static_cast<size_t>(got));
    if (content.size() > bytes_max) return fail("{}: larger than {} bytes", path, bytes_max);
  }
}

Status write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = path + ".new";
  const Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return fail_errno("create " + temporary);
  if (auto written = write_all(fd.get(), content, temporary); !written) return written;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno("rename to " + path);
  return {};
}

std::vector<std::string> expand_glob(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found{};
  if (::glob(pattern.c_str(), GLOB_NOCHECK, nullptr, &found) == 0) {
    const bool wild = pattern.find_first_of("*?[") != std::string::npos;
    for (size_t i = 0; i < found.gl_pathc; ++i) {
      if (wild && pattern == found.gl_pathv[i]) continue;  // GLOB_NOCHECK gives an unmatched pattern back
      paths.emplace_back(found.gl_pathv[i]);
    }
  }
  ::globfree(&found);
  return paths;
}

Status make_directories(const std::string& path, unsigned mode) {
  for (size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return fail_errno("mkdir " + part);
  }
  return {};
}

}  // namespace skep

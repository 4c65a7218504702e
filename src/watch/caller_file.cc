#include "watch/caller_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>

#include "base/file.h"

namespace skep::watch {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kSecond = 1'000'000'000;

// Page by page: the name may end just before one that is not there.
Result<std::string> read_name(pid_t tid, uint64_t at) {
  std::string name;
  char piece[kPage];
  while (name.size() < PATH_MAX) {
    const size_t wanted = kPage - at % kPage;
    const iovec here{piece, wanted};
    const iovec there{reinterpret_cast<void*>(at), wanted};
    const ssize_t got = ::process_vm_readv(tid, &here, 1, &there, 1, 0);
    if (got <= 0) return fail_errno("read the program's name");
    const size_t length = ::strnlen(piece, static_cast<size_t>(got));
    name.append(piece, length);
    if (length < static_cast<size_t>(got)) return name;
    at += static_cast<uint64_t>(got);
  }
  return fail("the program's name has no end");
}

bool is_own_link(std::string_view rest) {
  if (rest == "exe") return true;
  if (!rest.starts_with("fd/") || rest.size() == 3) return false;
  return std::all_of(rest.begin() + 3, rest.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// What runs from a descriptor names it so, fexecve too. "/proc/self" would mean watch itself here. "": no such name.
std::string own_link(pid_t tid, std::string_view name) {
  if (name.starts_with("/dev/") && is_own_link(name.substr(5))) return fmt::format("/proc/{}/{}", tid, name.substr(5));
  if (!name.starts_with("/proc/")) return "";
  const std::array<std::string, 4> prefixes = {"/proc/self/", "/proc/thread-self/", fmt::format("/proc/{}/", tid),
                                               fmt::format("/proc/{}/", process_of(tid))};
  for (const std::string& prefix : prefixes) {
    if (name.starts_with(prefix) && is_own_link(name.substr(prefix.size())))
      return fmt::format("/proc/{}/{}", tid, name.substr(prefix.size()));
  }
  return "";
}

Result<Fd> open_path(const std::string& path, int more = 0) {
  Fd file(::open(path.c_str(), O_PATH | O_CLOEXEC | more));
  if (!file) return fail_errno("open " + path);
  return file;
}

// An absolute name begins at the caller's own root. A relative one begins where the caller says; a link below it that
// is absolute leads from watch's root, which is another in a chroot alone: then the file is not the one that the kernel
// opened, and is told as such.
Result<Fd> open_named(pid_t tid, const std::string& folder, const std::string& name) {
  if (const std::string link = own_link(tid, name); !link.empty()) return open_path(link);
  const bool absolute = name.starts_with('/');
  const auto begin = open_path(absolute ? fmt::format("/proc/{}/root", tid) : folder, O_DIRECTORY);
  if (!begin) return tl::unexpected<Error>(begin.error());
  return open_below(*begin, name, absolute ? RESOLVE_IN_ROOT : RESOLVE_NO_MAGICLINKS);
}

}  // namespace

Result<Fd> open_below(const Fd& folder, const std::string& name, uint64_t resolve) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = resolve;
  Fd file(static_cast<int>(::syscall(SYS_openat2, folder.get(), name.c_str(), &how, sizeof how)));
  if (!file) return fail_errno("open the program");
  return file;
}

bool is_exec(int call) {
  return call == SYS_execve || call == SYS_execveat;
}

Result<Fd> open_pending_program(const ExecQuestion& question) {
  const bool at = question.call == SYS_execveat;
  const auto name = read_name(question.tid, question.args[at ? 1 : 0]);
  if (!name) return tl::unexpected<Error>(name.error());
  const int folder = at ? static_cast<int>(question.args[0]) : AT_FDCWD;
  const std::string begin = folder == AT_FDCWD ? fmt::format("/proc/{}/cwd", question.tid)
                                               : fmt::format("/proc/{}/fd/{}", question.tid, folder);
  if (at && name->empty() && (question.args[4] & AT_EMPTY_PATH) != 0) return open_path(begin);
  return open_named(question.tid, begin, *name);
}

Result<Fd> open_running_program(pid_t pid) {
  return open_path(fmt::format("/proc/{}/exe", pid));
}

Result<FileFacts> facts_of(const Fd& file) {
  struct statx info {};
  constexpr int kFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
  if (::statx(file.get(), "", kFlags, STATX_BASIC_STATS, &info) != 0) return fail_errno("look at the program");
  FileFacts facts;
  facts.device = uint64_t{info.stx_dev_major} << 20 | info.stx_dev_minor;
  facts.inode = info.stx_ino;
  facts.bytes = info.stx_size;
  facts.changed_ns = static_cast<uint64_t>(info.stx_ctime.tv_sec) * kSecond + info.stx_ctime.tv_nsec;
  facts.regular = S_ISREG(info.stx_mode);
  facts.everybodys = (info.stx_mode & 0005) == 0005;
  return facts;
}

pid_t process_of(pid_t tid) {
  // Most are their process's first thread: that is asked with one call, where the file takes the kernel 20 us to write.
  if (::syscall(SYS_tgkill, tid, tid, 0) == 0) return tid;
  const auto status = read_file(fmt::format("/proc/{}/status", tid), 65536);
  constexpr std::string_view kKey = "\nTgid:\t";
  const size_t at = status ? status->find(kKey) : std::string::npos;
  return at == std::string::npos ? 0 : static_cast<pid_t>(std::atoi(status->c_str() + at + kKey.size()));
}

}  // namespace skep::watch

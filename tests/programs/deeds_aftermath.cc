// What an intruder does with the host once he is in: files that keep him there, traces removed, looking about, and
// several things in a row. Files are made in the folder of the request, or by a name that says what they are, and
// removed at once.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "deeds.h"

namespace {

using skep::Fd;

constexpr char kMark[] = "skep_test_mark";

int write_file(const std::string& path, const char* content = "") {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return errno;
  const auto bytes = static_cast<ssize_t>(std::strlen(content));
  return ::write(fd.get(), content, static_cast<size_t>(bytes)) == bytes ? 0 : errno;
}

int write_and_remove(const std::string& path, const char* content = "") {
  const int error = write_file(path, content);
  ::unlink(path.c_str());
  return error;
}

int open_to_read(const std::string& path) {
  return error_of(Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)).get());
}

int open_to_write(const std::string& path) {
  return error_of(Fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC)).get());
}

int rename_to(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/fresh.tmp";
  const std::string wanted = folder + "/" + name;
  if (const int error = write_file(path); error != 0) return error;
  const int error = error_of(::rename(path.c_str(), wanted.c_str()));
  ::unlink(wanted.c_str());
  return error;
}

int change_mode(const std::string& folder, mode_t mode) {
  const std::string path = folder + "/fresh";
  if (const int error = write_file(path); error != 0) return error;
  const int error = error_of(::chmod(path.c_str(), mode));
  ::unlink(path.c_str());
  return error;
}

int link_to(const std::string& folder, const char* target) {
  const std::string path = folder + "/link";
  const int error = error_of(::symlink(target, path.c_str()));
  ::unlink(path.c_str());
  return error;
}

int empty_log() {
  const std::string path = std::string("/var/log/") + kMark;
  if (const int error = write_file(path, "a line\n"); error != 0) return error;
  const int error = error_of(Fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC)).get());
  ::unlink(path.c_str());
  return error;
}

// A connection as the standard input of a shell.
int shell_on_socket() {
  return in_child([] {
    ::dup2(own_session, 0);
    ::execl("/bin/sh", "sh", "-c", "exit 0", nullptr);
    return errno;
  });
}

// A connection is sought, by a child that then starts a program by a child of its own.
int connect_then_program(const std::string& address) {
  return in_child([&] {
    do_deed("connect", address);
    return do_deed("program", "");
  });
}

int connect_then_memory(const std::string& address) {
  do_deed("connect", address);
  return error_of(Fd(::memfd_create("x", MFD_CLOEXEC)).get());
}

// A few bytes of code that make a call by their own hand, in memory that is no file's: as injected code lies there.
// Made before the first session, as a compiler at run time would.
using Call = long (*)(long number, long first, long second);
Call injected = nullptr;

int memory_file_from_injected_code() {
  if (injected == nullptr) return ENOSYS;
  const long result = injected(SYS_memfd_create, reinterpret_cast<long>("x"), MFD_CLOEXEC);
  if (result < 0) return static_cast<int>(-result);
  ::close(static_cast<int>(result));
  return 0;
}

// Three violations in one session, and then what is allowed: a program of an app group.
int go_too_far(const std::string& address) {
  do_deed("listen", "");
  do_deed("connect", address);
  do_deed("shell", "");
  return do_deed("program", "");
}

}  // namespace

void inject_code() {
  // mov rax, rdi; mov rdi, rsi; mov rsi, rdx; syscall; ret
  static constexpr unsigned char kCode[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x0f, 0x05, 0xc3};
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  std::memcpy(page, kCode, sizeof kCode);
  std::memcpy(&injected, &page, sizeof injected);
}

const Deeds& aftermath_deeds() {
  static const Deeds kDeeds = {
      {"read", [](const auto& path) { return open_to_read(path); }},
      {"open_to_write", [](const auto& path) { return open_to_write(path); }},
      {"write", [](const auto& path) { return write_and_remove(path); }},
      {"write_elf",
       [](const auto& path) {
         return write_and_remove(path,
                                 "\x7f"
                                 "ELF\x02\x01");
       }},
      {"cron_file", [](const auto&) { return write_and_remove(std::string("/etc/cron.daily/") + kMark); }},
      {"rename_to_script", [](const auto& folder) { return rename_to(folder, "page.php"); }},
      {"rename_to_text", [](const auto& folder) { return rename_to(folder, "page.txt"); }},
      {"setuid_bit", [](const auto& folder) { return change_mode(folder, 04644); }},
      {"plain_mode", [](const auto& folder) { return change_mode(folder, 0600); }},
      {"link_to_secret", [](const auto& folder) { return link_to(folder, "/etc/shadow"); }},
      {"link_to_text", [](const auto& folder) { return link_to(folder, "/etc/hostname"); }},
      {"empty_log", [](const auto&) { return empty_log(); }},
      {"look_about",
       [](const auto&) {
         open_to_read("/etc/shadow");
         return open_to_read("/etc/gshadow");
       }},
      {"shell_on_socket", [](const auto&) { return shell_on_socket(); }},
      {"connect_then_program", connect_then_program},
      {"connect_then_memory", connect_then_memory},
      {"make_memory_file", [](const auto&) { return error_of(Fd(::memfd_create("x", MFD_CLOEXEC)).get()); }},
      {"make_memory_file_injected", [](const auto&) { return memory_file_from_injected_code(); }},
      {"run",
       [](const auto& path) {
         return in_child([&] {
           ::execl(path.c_str(), path.c_str(), nullptr);
           return errno;
         });
       }},
      {"go_too_far", go_too_far},
  };
  return kDeeds;
}

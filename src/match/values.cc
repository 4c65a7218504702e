#include "match/values.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "model/session.h"

namespace skep::match {
namespace {

struct Constant {
  std::string_view name;
  uint64_t value;
};
#define SKEP_CONSTANT(name) \
  { #name, static_cast < uint64_t>(name) }
constexpr Constant kConstants[] = {
    SKEP_CONSTANT(PROT_READ),
    SKEP_CONSTANT(PROT_WRITE),
    SKEP_CONSTANT(PROT_EXEC),
    SKEP_CONSTANT(CLONE_NEWNS),
    SKEP_CONSTANT(CLONE_NEWCGROUP),
    SKEP_CONSTANT(CLONE_NEWUTS),
    SKEP_CONSTANT(CLONE_NEWIPC),
    SKEP_CONSTANT(CLONE_NEWUSER),
    SKEP_CONSTANT(CLONE_NEWPID),
    SKEP_CONSTANT(CLONE_NEWNET),
    SKEP_CONSTANT(AF_UNIX),
    SKEP_CONSTANT(AF_INET),
    SKEP_CONSTANT(AF_INET6),
    SKEP_CONSTANT(AF_NETLINK),
    SKEP_CONSTANT(AF_PACKET),
    SKEP_CONSTANT(SOCK_STREAM),
    SKEP_CONSTANT(SOCK_DGRAM),
    SKEP_CONSTANT(SOCK_RAW),
    SKEP_CONSTANT(SOCK_CLOEXEC),
    SKEP_CONSTANT(SOCK_NONBLOCK),
    SKEP_CONSTANT(MAP_SHARED),
    SKEP_CONSTANT(MAP_PRIVATE),
    SKEP_CONSTANT(MAP_ANONYMOUS),
    SKEP_CONSTANT(S_ISUID),
    SKEP_CONSTANT(S_ISGID),
    {"CLONE_NEWTIME", 0x80},
    {"PTRACE_TRACEME", 0},
    {"PTRACE_ATTACH", 16},
    {"PTRACE_SEIZE", 0x4206},
    SKEP_CONSTANT(S_IXUSR),
    SKEP_CONSTANT(S_IXGRP),
    SKEP_CONSTANT(S_IXOTH),
    SKEP_CONSTANT(O_WRONLY),
    SKEP_CONSTANT(O_RDWR),
    SKEP_CONSTANT(O_CREAT),
    SKEP_CONSTANT(O_TRUNC),
    SKEP_CONSTANT(O_APPEND),
    {"PATH_CLIMBS", SKEP_PATH_CLIMBS},
    {"PATH_HIDDEN", SKEP_PATH_HIDDEN},
};
constexpr Constant kErrnos[] = {
    SKEP_CONSTANT(EPERM),     SKEP_CONSTANT(ENOENT),       SKEP_CONSTANT(EACCES),      SKEP_CONSTANT(EINVAL),
    SKEP_CONSTANT(ENOSYS),    SKEP_CONSTANT(EAGAIN),       SKEP_CONSTANT(ENOMEM),      SKEP_CONSTANT(EBUSY),
    SKEP_CONSTANT(EEXIST),    SKEP_CONSTANT(ECONNREFUSED), SKEP_CONSTANT(ENETUNREACH), SKEP_CONSTANT(EHOSTUNREACH),
    SKEP_CONSTANT(ETIMEDOUT), SKEP_CONSTANT(EAFNOSUPPORT), SKEP_CONSTANT(EADDRINUSE),  SKEP_CONSTANT(ENOTSUP),
};
#undef SKEP_CONSTANT

Result<uint64_t> one_of(std::string_view text, std::span<const Constant> choices) {
  for (const Constant& choice : choices) {
    if (choice.name == text) return choice.value;
  }
  std::string known;
  for (const Constant& choice : choices) known += (known.empty() ? "" : ", ") + std::string(choice.name);
  return fail("'{}' is none of: {}", text, known);
}

constexpr Constant kCharacters[] = {{"4", '4'}, {"6", '6'}, {"u", 'u'}, {"f", 'f'}, {"d", 'd'}, {"p", 'p'}, {"o", 'o'}};
constexpr Constant kTruths[] = {{"true", 1}, {"false", 0}};
constexpr Constant kKinds[] = {{"program", 1},        {"port", 2},      {"peer", 3},
                               {"folder_written", 4}, {"file_read", 5}, {"call", 6}};
constexpr Constant kAbis[] = {{"ia32", 1}, {"x32", 2}};
constexpr Constant kProtocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"raw", IPPROTO_RAW}};

// The name of a file, as the kernel has it in its directory.
Result<uint64_t> name_of(const std::string& text) {
  if (text.size() > 63) return fail("'{}': names are compared up to 63 characters", text);
  if (text.empty() || text.find('/') != std::string::npos)
    return fail("'{}' is no file's own name; for a path say proc.exepath", text);
  return skep_name_hash(text.data(), static_cast<uint32_t>(text.size()));
}

Result<uint64_t> bounded_number(const Field& field, const std::string& text) {
  auto value = number_of(text);
  if (value && *value > field.most) return fail("'{}' is outside 0 to {}", text, field.most);
  return value;
}

Result<uint64_t> result_of(const std::string& text) {
  if (text.starts_with('-')) {
    if (const auto code = errno_of(text.substr(1))) return ~static_cast<uint64_t>(*code) + 1;
  }
  return number_of(text);
}

}  // namespace

// Decimal, 0x…, 0… (octal), with a sign.
Result<uint64_t> number_of(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  int base = 10;
  if (digits.starts_with("0x")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.starts_with('0')) {
    base = 8;
    digits.remove_prefix(1);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error == std::errc{} && end == digits.data() + digits.size() && !digits.empty())
    return negative ? ~value + 1 : value;
  for (const Constant& constant : kConstants) {
    if (constant.name == text) return constant.value;
  }
  return fail("'{}' is no number and no constant known here", text);
}

Result<int> errno_of(const std::string& name) {
  const auto value = one_of(name, kErrnos);
  if (!value) return tl::unexpected<Error>(value.error());
  return static_cast<int>(*value);
}

Result<uint64_t> value_of(const Field& field, const std::string& text, const PathResolver& resolve) {
  switch (field.type) {
    case ValueType::number:
      return bounded_number(field, text);
    case ValueType::truth:
      return one_of(text, kTruths);
    case ValueType::abi:
      return one_of(text, kAbis);
    case ValueType::protocol:
      return one_of(text, kProtocols);
    case ValueType::kind:
      return one_of(text, kKinds);
    case ValueType::path:
      if (!text.starts_with('/')) return fail("'{}': a path from / is wanted", text);
      return resolve.program(text);
    case ValueType::object:
    case ValueType::folder:
      if (!text.starts_with('/')) return fail("'{}': a path from / is wanted", text);
      return resolve.object(text);
    case ValueType::network:
      return fail("wants = or in");
    case ValueType::name:
      return name_of(text);
    case ValueType::character:
      return one_of(text, kCharacters);
    case ValueType::errno_value:
      return result_of(text);
  }
  return fail("a field of no type");
}

namespace {

// The kernel's own form of a device number, as the super block holds it.
uint64_t file_id_of(const struct stat& info) {
  return skep_file_id(static_cast<uint64_t>(major(info.st_dev)) << 20 | minor(info.st_dev), info.st_ino);
}

Result<uint64_t> program_by_stat(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return fail_errno("look at the program " + path);
  if (!S_ISREG(info.st_mode)) return fail("{} is no file that could be run", path);
  return file_id_of(info);
}

Result<uint64_t> object_by_stat(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) return file_id_of(info);
  if (errno == ENOENT || errno == ENOTDIR) return kNoObject;
  return fail_errno("look at " + path);
}

Result<uint64_t> by_text(const std::string& path) {
  return crc32(as_bytes(path));
}

}  // namespace

const PathResolver& resolve_nothing() {
  static const PathResolver kByText = {by_text, by_text};
  return kByText;
}

const PathResolver& resolve_by_stat() {
  static const PathResolver kByStat = {program_by_stat, object_by_stat};
  return kByStat;
}

}  // namespace skep::match

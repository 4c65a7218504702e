#include "match/fields.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <vector>

#include "base/text.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

constexpr uint8_t kPre = 1 << SKEP_STAGE_PRE;
constexpr uint8_t kHook = 1 << SKEP_STAGE_HOOK;
constexpr uint8_t kExec = 1 << SKEP_STAGE_EXEC;
constexpr uint8_t kPost = 1 << SKEP_STAGE_POST;
constexpr uint8_t kAll = kPre | kHook | kExec | kPost;
constexpr uint8_t kRegister = SKEP_FROM_REGISTER;
constexpr uint8_t kKernel = SKEP_FROM_KERNEL;

constexpr Field kFields[] = {
    {"evt.res", SKEP_FIELD_RESULT, ValueType::errno_value, kPost, kKernel,
     "result of the call; a failure is the negative errno (-ENOENT)"},
    {"evt.arg.0", SKEP_FIELD_ARG0 + 0, ValueType::number, kPre | kPost, kRegister,
     "first argument, as the register held it"},
    {"evt.arg.1", SKEP_FIELD_ARG0 + 1, ValueType::number, kPre | kPost, kRegister, "second argument"},
    {"evt.arg.2", SKEP_FIELD_ARG0 + 2, ValueType::number, kPre | kPost, kRegister, "third argument"},
    {"evt.arg.3", SKEP_FIELD_ARG0 + 3, ValueType::number, kPre | kPost, kRegister, "fourth argument"},
    {"evt.arg.4", SKEP_FIELD_ARG0 + 4, ValueType::number, kPre | kPost, kRegister, "fifth argument"},
    {"evt.arg.5", SKEP_FIELD_ARG0 + 5, ValueType::number, kPre | kPost, kRegister, "sixth argument"},
    {"evt.abi", SKEP_FIELD_ABI, ValueType::abi, kPre | kPost, kRegister, "native, ia32 or x32"},
    {"fd.typechar", SKEP_FIELD_FD_TYPE, ValueType::character, kPre | kHook | kPost, kKernel,
     "what the first argument's descriptor is: 4 6 u f d p o"},
    {"fd.sport", SKEP_FIELD_FD_PORT, ValueType::number, kPre | kHook | kPost, kKernel,
     "local port: of bind the one asked for, of listen the socket's"},
    {"fd.is_service_port", SKEP_FIELD_SERVICE_PORT, ValueType::truth, kPre | kHook | kPost, kKernel,
     "whether fd.sport is one of the service's ports"},
    {"fd.rport", SKEP_FIELD_FD_RPORT, ValueType::number, kHook, kKernel, "remote port of connect and send"},
    {"fd.rip", SKEP_FIELD_FD_RIP, ValueType::network, kHook, kKernel,
     "remote address of connect and send, address asked for of bind: addresses and networks"},
    {"fd.l4proto", SKEP_FIELD_FD_PROTO, ValueType::protocol, kPre | kHook | kPost, kKernel, "tcp, udp, icmp or raw"},
    {"proc.name", SKEP_FIELD_EXE_NAME, ValueType::name, kExec, kKernel, "own name of the file that was opened to run"},
    {"proc.exepath", SKEP_FIELD_EXE_FILE, ValueType::path, kExec, kKernel,
     "the file that was opened to run, by device and inode: paths as they lead now"},
    {"proc.is_listed", SKEP_FIELD_EXE_LISTED, ValueType::truth, kExec, kKernel,
     "whether the file to run is the service's own program or of its app_groups"},
    {"proc.is_exe_from_memfd", SKEP_FIELD_EXE_MEMFD, ValueType::truth, kExec, kKernel,
     "whether the file to run has no name on any disk (memfd, or deleted)"},
    {"proc.in_app_group", SKEP_FIELD_IN_GROUP, ValueType::truth, kAll, kKernel,
     "whether the caller runs a program of an app group"},
    {"user.uid", SKEP_FIELD_UID, ValueType::number, kAll, kKernel, "effective user id of the caller"},
};

struct Constant {
  std::string_view name;
  uint64_t value;
};
#define SKEP_CONSTANT(name) \
  { #name, static_cast < uint64_t>(name) }
constexpr Constant kConstants[] = {
    SKEP_CONSTANT(PROT_READ),    SKEP_CONSTANT(PROT_WRITE),      SKEP_CONSTANT(PROT_EXEC),
    SKEP_CONSTANT(CLONE_NEWNS),  SKEP_CONSTANT(CLONE_NEWCGROUP), SKEP_CONSTANT(CLONE_NEWUTS),
    SKEP_CONSTANT(CLONE_NEWIPC), SKEP_CONSTANT(CLONE_NEWUSER),   SKEP_CONSTANT(CLONE_NEWPID),
    SKEP_CONSTANT(CLONE_NEWNET), SKEP_CONSTANT(AF_UNIX),         SKEP_CONSTANT(AF_INET),
    SKEP_CONSTANT(AF_INET6),     SKEP_CONSTANT(AF_NETLINK),      SKEP_CONSTANT(AF_PACKET),
    SKEP_CONSTANT(SOCK_STREAM),  SKEP_CONSTANT(SOCK_DGRAM),      SKEP_CONSTANT(SOCK_RAW),
    SKEP_CONSTANT(SOCK_CLOEXEC), SKEP_CONSTANT(SOCK_NONBLOCK),   SKEP_CONSTANT(MAP_SHARED),
    SKEP_CONSTANT(MAP_PRIVATE),  SKEP_CONSTANT(MAP_ANONYMOUS),   SKEP_CONSTANT(S_ISUID),
    SKEP_CONSTANT(S_ISGID),      {"CLONE_NEWTIME", 0x80},        {"PTRACE_TRACEME", 0},
    {"PTRACE_ATTACH", 16},       {"PTRACE_SEIZE", 0x4206},
};
constexpr Constant kErrnos[] = {
    SKEP_CONSTANT(EPERM),     SKEP_CONSTANT(ENOENT),       SKEP_CONSTANT(EACCES),      SKEP_CONSTANT(EINVAL),
    SKEP_CONSTANT(ENOSYS),    SKEP_CONSTANT(EAGAIN),       SKEP_CONSTANT(ENOMEM),      SKEP_CONSTANT(EBUSY),
    SKEP_CONSTANT(EEXIST),    SKEP_CONSTANT(ECONNREFUSED), SKEP_CONSTANT(ENETUNREACH), SKEP_CONSTANT(EHOSTUNREACH),
    SKEP_CONSTANT(ETIMEDOUT), SKEP_CONSTANT(EAFNOSUPPORT), SKEP_CONSTANT(EADDRINUSE),  SKEP_CONSTANT(ENOTSUP),
};
#undef SKEP_CONSTANT

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

Result<uint64_t> one_of(std::string_view text, std::span<const Constant> choices) {
  for (const Constant& choice : choices) {
    if (choice.name == text) return choice.value;
  }
  std::string known;
  for (const Constant& choice : choices) known += (known.empty() ? "" : ", ") + std::string(choice.name);
  return fail("'{}' is none of: {}", text, known);
}

constexpr Constant kTruths[] = {{"true", 1}, {"false", 0}};
constexpr Constant kAbis[] = {{"native", 0}, {"ia32", 1}, {"x32", 2}};
constexpr Constant kProtocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"raw", IPPROTO_RAW}};

}  // namespace

std::span<const Field> all_fields() {
  return kFields;
}

const Field* find_field(std::string_view name) {
  for (const Field& field : kFields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::string_view nearest_field(std::string_view name) {
  std::vector<std::string_view> names = {"evt.type"};
  for (const Field& field : kFields) names.push_back(field.name);
  return nearest(name, names);
}

Result<int> errno_of(const std::string& name) {
  const auto value = one_of(name, kErrnos);
  if (!value) return tl::unexpected<Error>(value.error());
  return static_cast<int>(*value);
}

Result<uint64_t> value_of(const Field& field, const std::string& text, const PathResolver& resolve) {
  switch (field.type) {
    case ValueType::number:
      return number_of(text);
    case ValueType::truth:
      return one_of(text, kTruths);
    case ValueType::abi:
      return one_of(text, kAbis);
    case ValueType::protocol:
      return one_of(text, kProtocols);
    case ValueType::path:
      return resolve(text);
    case ValueType::network:
      return fail("{} wants `in (network, …)`", field.name);
    case ValueType::name:
      if (text.size() > 63) return fail("'{}': names are compared up to 63 characters", text);
      return skep_name_hash(text.data(), static_cast<uint32_t>(text.size()));
    case ValueType::character:
      if (text.size() != 1) return fail("'{}': one character is wanted", text);
      return static_cast<uint64_t>(text[0]);
    case ValueType::errno_value:
      if (text.starts_with('-')) {
        if (const auto code = errno_of(text.substr(1))) return ~static_cast<uint64_t>(*code) + 1;
      }
      return number_of(text);
  }
  return fail("{}: a field of no type", field.name);
}

}  // namespace skep::match

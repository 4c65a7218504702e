#include "match/fields.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/text.h"
#include "match/syscalls.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

constexpr uint8_t kPre = 1 << SKEP_STAGE_PRE;
constexpr uint8_t kHook = 1 << SKEP_STAGE_HOOK;
constexpr uint8_t kExec = 1 << SKEP_STAGE_EXEC;
constexpr uint8_t kPost = 1 << SKEP_STAGE_POST;
constexpr uint8_t kAll = kPre | kHook | kExec | kPost;
constexpr uint64_t kPortMost = UINT16_MAX;
constexpr uint8_t kRegister = SKEP_FROM_REGISTER;
constexpr uint8_t kKernel = SKEP_FROM_KERNEL;
constexpr uint8_t kUser = SKEP_FROM_USER;

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
    {"evt.abi", SKEP_FIELD_ABI, ValueType::abi, kPre | kPost, kRegister, "ia32 or x32"},
    {"fd.typechar", SKEP_FIELD_FD_TYPE, ValueType::character, kPre | kHook | kPost, kKernel,
     "what the first argument's descriptor is: 4 6 u f d p o"},
    {"fd.sport", SKEP_FIELD_FD_PORT, ValueType::number, kPre | kHook | kPost, kKernel,
     "local port: of bind the one asked for, of listen the socket's", kPortMost},
    {"fd.is_service_port", SKEP_FIELD_SERVICE_PORT, ValueType::truth, kPre | kHook | kPost, kKernel,
     "whether fd.sport is one of the service's ports"},
    {"fd.rport", SKEP_FIELD_FD_RPORT, ValueType::number, kHook, kKernel, "remote port of connect and send", kPortMost},
    {"fd.rip", SKEP_FIELD_FD_RIP, ValueType::network, kHook, kKernel,
     "remote address of connect and send, address asked for of bind: addresses and networks"},
    {"fd.is_own_listener", SKEP_FIELD_OWN_LISTENER, ValueType::truth, kHook, kKernel,
     "whether connect leads to a listener of the service on this very host"},
    {"fd.is_allowed_peer", SKEP_FIELD_ALLOWED_PEER, ValueType::truth, kHook, kKernel,
     "whether the service's outgoing: allows the remote address, by its list or within its limits"},
    {"fd.l4proto", SKEP_FIELD_FD_PROTO, ValueType::protocol, kPre | kHook | kPost, kKernel, "tcp, udp, icmp or raw"},
    {"proc.name", SKEP_FIELD_EXE_NAME, ValueType::name, kExec, kKernel, "own name of the file that was opened to run"},
    {"proc.exepath", SKEP_FIELD_EXE_FILE, ValueType::path, kExec, kKernel,
     "the file that was opened to run, by device and inode: paths as they lead now"},
    {"proc.is_listed", SKEP_FIELD_EXE_LISTED, ValueType::truth, kExec, kKernel,
     "whether the file to run is the service's own program or of its app_groups"},
    {"proc.is_exe_from_memfd", SKEP_FIELD_EXE_MEMFD, ValueType::truth, kExec, kKernel,
     "whether the file to run has no name on any disk (memfd, or deleted)"},
    {"proc.is_dropped", SKEP_FIELD_EXE_DROPPED, ValueType::truth, kExec, kKernel,
     "whether a session has opened the file to run for writing"},
    {"proc.in_app_group", SKEP_FIELD_IN_GROUP, ValueType::truth, kAll, kKernel,
     "whether the caller runs a program of an app group"},
    {"proc.works_for_session", SKEP_FIELD_FOR_SESSION, ValueType::truth, kAll, kKernel,
     "whether the calling thread, or who forked it, has read from a session"},
    {"proc.folder", SKEP_FIELD_FOLDER, ValueType::folder, kExec, kKernel,
     "a folder above the file that was opened to run"},
    {"caller.name", SKEP_FIELD_CALLER_NAME, ValueType::name, kAll, kKernel,
     "own name of the program that the caller runs; at exec, of the one that it ran"},
    {"caller.exepath", SKEP_FIELD_CALLER_FILE, ValueType::object, kAll, kKernel, "that program, by device and inode"},
    {"fd.name", SKEP_FIELD_FD_FILE, ValueType::object, kPre | kPost, kKernel,
     "the file that the descriptor is, by device and inode"},
    {"fd.ino", SKEP_FIELD_FD_FILE, ValueType::object, kPre | kPost, kKernel,
     "the object that the descriptor is: file, socket, pipe"},
    {"fd.filename", SKEP_FIELD_FD_FILENAME, ValueType::name, kPre | kPost, kKernel, "own name of the file"},
    {"fd.extension", SKEP_FIELD_FD_EXTENSION, ValueType::name, kPre | kPost, kKernel,
     "what stands behind the last dot of its name"},
    {"fd.folder", SKEP_FIELD_FOLDER, ValueType::folder, kPre | kPost, kKernel, "a folder above the file"},
    {"fd.mode", SKEP_FIELD_FD_MODE, ValueType::number, kPre | kPost, kKernel, "permission bits of the file", 07777},
    {"evt.is_open_write", SKEP_FIELD_OPEN_WRITE, ValueType::truth, kPost, kKernel,
     "whether what was opened can be written"},
    {"evt.is_open_create", SKEP_FIELD_OPEN_CREATED, ValueType::truth, kPost, kKernel, "whether the call made the file"},
    {"evt.is_from_anonymous_code", SKEP_FIELD_ANONYMOUS_CODE, ValueType::truth, kPre | kPost, kKernel,
     "whether the call came from memory that is no file's"},
    {"evt.kind", SKEP_FIELD_ARG0, ValueType::kind, kPost, kKernel, "of first_seen: what was never seen before"},
    {"evt.path.name", SKEP_FIELD_PATH_NAME, ValueType::name, kPost, kUser,
     "last part of the path that the call was given"},
    {"evt.path.extension", SKEP_FIELD_PATH_EXTENSION, ValueType::name, kPost, kUser,
     "what stands behind the last dot of it"},
    {"evt.path.traits", SKEP_FIELD_PATH_TRAITS, ValueType::number, kPost, kUser, "PATH_CLIMBS, PATH_HIDDEN"},
    {"evt.data", SKEP_FIELD_DATA, ValueType::number, kPost, kUser,
     "first four bytes of what was written, the first one lowest", UINT32_MAX},
    {"user.uid", SKEP_FIELD_UID, ValueType::number, kAll, kKernel, "effective user id of the caller", UINT32_MAX},
};

// Calls whose first argument is a descriptor, those too that the system's headers do not have yet. Not in a column of a
// hundred lines:
// clang-format off
constexpr std::string_view kDescriptorCalls[] = {
    "accept", "accept4", "bind", "cachestat", "close", "connect", "copy_file_range", "dup", "dup2", "dup3",
    "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "execveat", "faccessat", "faccessat2", "fadvise64",
    "fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl",
    "fdatasync", "fgetxattr", "finit_module", "flistxattr", "flock", "fremovexattr", "fsconfig", "fsetxattr",
    "fsmount", "fspick", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getdents", "getdents64",
    "getpeername", "getsockname", "getsockopt", "inotify_add_watch", "inotify_rm_watch", "io_uring_enter",
    "io_uring_register", "ioctl", "kexec_file_load", "landlock_add_rule", "landlock_restrict_self", "linkat",
    "listen", "lseek", "mkdirat", "mknodat", "mount_setattr", "move_mount", "mq_getsetattr", "mq_notify",
    "mq_timedreceive", "mq_timedsend", "name_to_handle_at", "newfstatat", "open_by_handle_at", "open_tree", "openat",
    "openat2", "pidfd_getfd", "pidfd_send_signal", "pread64", "preadv", "preadv2", "process_madvise",
    "process_mrelease", "pwrite64", "pwritev", "pwritev2", "quotactl_fd", "read", "readahead", "readlinkat", "readv",
    "recvfrom", "recvmmsg", "recvmsg", "renameat", "renameat2", "sendfile", "sendto", "setns", "setsockopt",
    "shutdown", "signalfd", "signalfd4", "splice", "statx", "sync_file_range", "syncfs", "tee", "timerfd_gettime",
    "timerfd_settime", "unlinkat", "utimensat", "vmsplice", "write", "writev",
};
// clang-format on

bool contains(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Can the predicate hold while the field has no value but these? One that names others too is not answered whole.
bool can_hold_among(const formats::Predicate& predicate, const std::vector<std::string_view>& values) {
  if (values.empty()) return true;
  if (predicate.negated) {
    return std::any_of(values.begin(), values.end(), [&](std::string_view value) {
      return std::find(predicate.values.begin(), predicate.values.end(), value) == predicate.values.end();
    });
  }
  return std::all_of(predicate.values.begin(), predicate.values.end(),
                     [&](const std::string& value) { return contains(values, value); });
}

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

const std::vector<FieldCalls>& field_calls() {
  static const std::vector<std::string_view> kOfDescriptor = {"fd.typechar", "fd.l4proto", "fd.sport",
                                                              "fd.is_service_port"};
  static const std::vector<std::string_view> kOfFile = {"fd.typechar",  "fd.name",   "fd.ino", "fd.filename",
                                                        "fd.extension", "fd.folder", "fd.mode"};
  static const std::vector<std::string_view> kOpening = {
      "open", "openat", "openat2", "creat", "open_by_handle_at", "memfd_create"};
  static const std::vector<std::string_view> kDescriptors = {std::begin(kDescriptorCalls), std::end(kDescriptorCalls)};
  static const std::vector<FieldCalls> kRows = {
      {kOfDescriptor, kPre | kPost, false, kDescriptors, {}},
      {kOfDescriptor, kPost, true, {"close"}, {}},  // it names nothing any more
      {kOfFile, kPre | kPost, false, kDescriptors, {}},
      {kOfFile, kPost, false, kOpening, {}},
      {kOfFile, kPost, true, {"close"}, {}},
      {kOfFile, kPre, true, {"openat", "openat2", "open_by_handle_at"}, {}},  // its folder's, not its own
      {{"evt.is_open_write", "evt.is_open_create"}, kPost, false, kOpening, {}},
      {{"evt.path.name", "evt.path.extension", "evt.path.traits"},
       kPost,
       false,
       {"open", "openat", "openat2", "creat", "unlink", "unlinkat", "rmdir", "mkdir", "chmod", "fchmodat", "truncate",
        "link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2"},
       {}},
      {{"evt.data"}, kPost, false, {"write", "pwrite64"}, {}},
      {{"evt.kind"}, kPost, false, {"first_seen"}, {}},
      {{"fd.sport", "fd.is_service_port"}, kPre, true, {"bind"}, {}},  // it has none yet
      {{"fd.sport", "fd.is_service_port"}, kHook, false, {"bind", "listen"}, {}},
      {{"fd.typechar"}, kHook, false, {"listen"}, {"4", "6"}},
      {{"fd.l4proto"}, kHook, false, {"listen"}, {"tcp"}},
      {{"fd.l4proto"}, kHook, false, {"connect", "bind", "sendto"}, {"tcp", "udp"}},  // raw sockets pass no hook
      {{"fd.rport"}, kHook, false, {"connect", "sendto"}, {}},
      {{"fd.is_own_listener"}, kHook, false, {"connect"}, {}},
      {{"fd.is_allowed_peer"}, kHook, false, {"connect", "sendto"}, {}},
      {{"fd.rip"}, kHook, false, {"connect", "bind", "sendto"}, {}},
      {{"evt.arg.1", "evt.arg.2", "evt.arg.3", "evt.arg.4", "evt.arg.5"}, kPre | kPost, true, {"sendto"}, {}},
      {{"evt.abi"}, kPre | kPost, false, {"foreign_abi"}, {}},
  };
  return kRows;
}

namespace {

// `fits`: whether a row that limits the values leaves any that is wanted.
bool known_where(const Field& field, uint16_t call, uint8_t stage,
                 const std::function<bool(const std::vector<std::string_view>&)>& fits) {
  if (!(field.stages >> stage & 1)) return false;
  const std::string name = call_name(call);
  bool narrowed = false;
  bool among = false;
  for (const FieldCalls& row : field_calls()) {
    if (!(row.stages >> stage & 1) || !contains(row.fields, field.name)) continue;
    const bool named = contains(row.calls, name);
    if (row.all_but && named) return false;
    if (row.all_but) continue;
    narrowed = true;
    among = among || (named && fits(row.values));
  }
  return among || !narrowed;
}

}  // namespace

bool is_known(const Field& field, uint16_t call, uint8_t stage) {
  return known_where(field, call, stage, [](const auto&) { return true; });
}

bool can_hold(const formats::Predicate& predicate, const Field& field, uint16_t call, uint8_t stage) {
  return known_where(field, call, stage, [&](const auto& values) { return can_hold_among(predicate, values); });
}

}  // namespace skep::match

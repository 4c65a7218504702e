#include "watch/copier.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>

#include "base/clock.h"
#include "watch/known_file.h"

namespace skep::watch {
namespace {

constexpr size_t kBlockBytes = 65536;
constexpr unsigned kNeverExecutable = 0x0008;  // MFD_NOEXEC_SEAL, since 6.3

Fd make_memory() {
  Fd memory(::memfd_create("skep-evidence", MFD_CLOEXEC | MFD_ALLOW_SEALING | kNeverExecutable));
  if (memory) return memory;
  return Fd(::memfd_create("skep-evidence", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

bool write_all(int fd, const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t put = ::write(fd, bytes, count);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes += put;
    count -= static_cast<size_t>(put);
  }
  return true;
}

void fill(skep_file_answer& answer, const FileFacts& facts) {
  answer.device = facts.device;
  answer.inode = facts.inode;
  answer.bytes = facts.bytes;
  answer.changed_ns = facts.changed_ns;
}

KnownFile known_of(const skep_file_order& order) {
  KnownFile file;
  file.device = order.device;
  file.inode = order.inode;
  for (size_t i = 0; i < file.processes.size(); ++i) file.processes[i] = static_cast<pid_t>(order.pid[i]);
  for (size_t i = 0; i < file.paths.size(); ++i) {
    const std::string path(order.path[i], ::strnlen(order.path[i], sizeof order.path[i]));
    if (path.starts_with('/')) file.paths[i] = path;
  }
  return file;
}

void refuse(skep_file_answer& answer, skep_file_outcome outcome, int error = 0) {
  answer.outcome = outcome;
  answer.error = error;
}

}  // namespace

Copier::Copier() : shared_(std::make_shared<Shared>()) {}

void Copier::look(const ExecQuestion& question) {
  // Shared: the caller may hold up the look beyond the wait for it.
  struct Look {
    std::mutex mutex;
    std::condition_variable over;
    bool done = false;
  };
  const auto look = std::make_shared<Look>();
  const bool begun = lookers_.run([look, question, shared = shared_] {
    auto file = open_pending_program(question);
    const auto facts = file ? facts_of(*file) : tl::unexpected<Error>(file.error());
    if (facts) shared->held.put(process_of(question.tid), std::move(*file), *facts, now_monotonic_ns());
    const std::lock_guard lock(look->mutex);
    look->done = true;
    look->over.notify_one();
  });
  if (!begun) {
    ++missed_;
    return;
  }
  std::unique_lock lock(look->mutex);
  if (!look->over.wait_for(lock, std::chrono::milliseconds(kLookWaitMs), [&] { return look->done; })) ++missed_;
}

bool Copier::expire() {
  return shared_->held.expire(now_monotonic_ns());
}

void Copier::begin_judge() {
  const std::lock_guard lock(shared_->mutex);
  ++shared_->judge;
  shared_->copied.clear();
}

void Copier::copy(const skep_file_order& order, Leave leave) {
  const auto asked = std::make_shared<Asked>(Asked{order, leave, shared_->judge, now_monotonic_ns(), Fd()});
  if (order.how == SKEP_FILE_PENDING) {
    auto held = shared_->held.find(static_cast<pid_t>(order.pid[0]), order.device, order.inode);
    if (held) asked->held = std::move(held->file);
  }
  const bool taken = copiers_.run([asked, shared = shared_] {
    if (asked->judge == shared->judge) hand_over(*shared, make_copy(*shared, *asked));
  });
  if (!taken) hand_over(*shared_, begin_copy(*asked));
}

FileCopy Copier::begin_copy(const Asked& asked) {
  FileCopy copy;
  copy.judge = asked.judge;
  copy.service = asked.order.service;
  copy.answer.head.ticket = asked.order.head.ticket;
  refuse(copy.answer, SKEP_FILE_BUSY);
  return copy;
}

FileCopy Copier::make_copy(Shared& shared, Asked& asked) {
  FileCopy copy = begin_copy(asked);
  if (now_monotonic_ns() - asked.since_ns > kCopyWaitNs) return copy;
  if (const Fd file = find_file(asked, copy.answer); file) copy_content(shared, file, copy);
  return copy;
}

// None: `answer` says why.
Fd Copier::find_file(Asked& asked, skep_file_answer& answer) {
  const skep_file_order& order = asked.order;
  const Leave leave = asked.leave;
  const auto process = static_cast<pid_t>(order.pid[0]);
  refuse(answer, SKEP_FILE_NOT_HELD);
  if (order.how == SKEP_FILE_PENDING) return std::move(asked.held);
  if (order.how == SKEP_FILE_RUNNING) {
    if (auto opened = open_running_program(process)) return std::move(*opened);
  }
  if (order.inode == 0) return {};
  refuse(answer, SKEP_FILE_CLOSED);
  if (order.how == SKEP_FILE_WRITTEN && !leave.written) return {};
  auto found = open_known_file(known_of(order));
  if (!found) {
    refuse(answer, SKEP_FILE_GONE);
    return {};
  }
  answer.clue = found->clue;
  if (order.how == SKEP_FILE_WRITTEN || leave.own) return std::move(found->file);
  const auto facts = facts_of(found->file);
  return facts && facts->everybodys ? std::move(found->file) : Fd();
}

bool Copier::copied_before(Shared& shared, const FileFacts& facts) {
  const std::lock_guard lock(shared.mutex);
  return std::find(shared.copied.begin(), shared.copied.end(), facts) != shared.copied.end();
}

// Here a copy becomes one that the judge has: it is taken before any answer that says "the same".
void Copier::hand_over(Shared& shared, FileCopy copy) {
  const std::lock_guard lock(shared.mutex);
  if (copy.judge != shared.judge) return;
  const bool content = static_cast<bool>(copy.content);
  const FileFacts facts = copy.facts;
  if (!shared.done.push(std::move(copy)) || !content) return;
  shared.copied.push_back(facts);
  if (shared.copied.size() > kCopiesKnown) shared.copied.pop_front();
}

std::deque<FileCopy> Copier::take_done() {
  std::deque<FileCopy> done = shared_->done.take_all();
  std::erase_if(done, [&](const FileCopy& copy) { return copy.judge != shared_->judge; });
  return done;
}

// Of a regular file alone; what it is called plays no part any more.
void Copier::copy_content(Shared& shared, const Fd& file, FileCopy& copy) {
  const auto facts = facts_of(file);
  if (!facts) return refuse(copy.answer, SKEP_FILE_UNREADABLE, facts.error().code);
  fill(copy.answer, *facts);
  copy.facts = *facts;
  copy.answer.outcome = SKEP_FILE_COPIED;
  if (!facts->regular) return refuse(copy.answer, SKEP_FILE_NO_FILE);
  if (copied_before(shared, *facts)) return refuse(copy.answer, SKEP_FILE_SAME);
  const std::string path = fmt::format("/proc/self/fd/{}", file.get());
  const Fd from(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  Fd memory = make_memory();
  if (!from || !memory) return refuse(copy.answer, SKEP_FILE_UNREADABLE, errno);
  const int64_t deadline = now_monotonic_ns() + kCopyNs;
  char block[kBlockBytes];
  while (copy.answer.copied < SKEP_FILE_BYTES_MAX) {
    const size_t wanted = std::min<size_t>(sizeof block, SKEP_FILE_BYTES_MAX - copy.answer.copied);
    const ssize_t got = ::read(from.get(), block, wanted);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(copy.answer, SKEP_FILE_UNREADABLE, errno);
    if (got == 0) break;
    if (!write_all(memory.get(), block, static_cast<size_t>(got)))
      return refuse(copy.answer, SKEP_FILE_UNREADABLE, ENOSPC);
    copy.answer.copied += static_cast<uint64_t>(got);
    if (now_monotonic_ns() > deadline) return refuse(copy.answer, SKEP_FILE_TOO_SLOW);
  }
  ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  copy.content = std::move(memory);
}

}  // namespace skep::watch

#include "archive/storer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "base/threads.h"

namespace skep::archive {
namespace {

constexpr uint64_t kBatchBytes = 1 << 20;
constexpr uint64_t kBlock = formats::kRingBlockBytes;
constexpr int kRetryMs = 100;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kLastTriesMs = 2000;  // at the end, where the disk refuses

uint64_t down(uint64_t position) {
  return position / kBlock * kBlock;
}

void signal(const Fd& event) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
}

void wait_for(const Fd& event, int timeout_ms) {
  pollfd waited{event.get(), POLLIN, 0};
  ::poll(&waited, 1, timeout_ms);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(event.get(), &count, sizeof count);
}

}  // namespace

Storer::Storer(Ring& ring, StorerOptions options)
    : ring_(ring),
      options_(std::move(options)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      moved_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      tail_block_(static_cast<uint8_t*>(std::aligned_alloc(kBlock, kBlock))) {
  SKEP_CHECK(wake_ && moved_ && tail_block_ != nullptr);
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, "storer");
}

Storer::~Storer() {
  stop();
  thread_.join();
  std::free(tail_block_);
}

void Storer::stop() {
  stopping_ = true;
  hurry();
}

void Storer::begin_segment(Fd file, uint32_t number, uint64_t start) {
  const std::lock_guard lock(mutex_);
  if (!segments_.empty() && segments_.back().end == 0) segments_.back().end = ring_.head();
  segments_.push_back({std::move(file), number, start, 0});
}

void Storer::end_segment() {
  {
    const std::lock_guard lock(mutex_);
    if (segments_.empty()) return;
    segments_.back().end = ring_.head();
    ended_ = true;
  }
  hurry();
}

void Storer::committed(uint64_t head) {
  // Both sides set theirs first and look at the other's then, so that a record is never left to a sleeper.
  const bool woken = asleep_.load() && asleep_.exchange(false);
  if (!woken && head < next_wake_) return;
  next_wake_ = head + kBatchBytes;
  signal(wake_);
}

void Storer::hurry() {
  hurried_ = true;
  asleep_ = false;
  signal(wake_);
}

bool Storer::await_stored(uint64_t position, int64_t timeout_ms) {
  const int64_t deadline = now_monotonic_ns() + timeout_ms * kMillisecond;
  while (ring_.stored() < position) {
    if (now_monotonic_ns() > deadline) return false;
    hurry();
    ::poll(nullptr, 0, 1);
  }
  return true;
}

void Storer::run() {
  int64_t last_try_ns = 0;
  while (true) {
    wait_for_work();
    if (stopping_ && last_try_ns == 0) last_try_ns = now_monotonic_ns() + kLastTriesMs * kMillisecond;
    const bool done = store();
    if (done && stopping_ && ring_.stored() == ring_.head()) break;
    if (done) continue;
    if (stopping_ && now_monotonic_ns() > last_try_ns) return;  // the ring keeps it for the next life
    ::poll(nullptr, 0, kRetryMs);
  }
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) return;
  segments_.back().end = ring_.head();
  seal(segments_.back());
}

bool Storer::at_rest() const {
  return durable_ == ring_.head() && !ended_ && !stopping_;
}

// While there is nothing to store it sleeps for good; then until enough or the time for a commit has come.
void Storer::wait_for_work() {
  while (at_rest()) {
    asleep_ = true;
    if (at_rest()) wait_for(wake_, -1);
    asleep_ = false;
  }
  at_once_ = hurried_.exchange(false) || stopping_;
  if (at_once_ || ring_.head() - ring_.stored() >= kBatchBytes) return;
  wait_for(wake_, static_cast<int>(options_.commit_ms));
  at_once_ = hurried_.exchange(false);
}

Storer::Segment* Storer::front() {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? nullptr : &segments_.front();
}

// All that the ring held when it was called.
bool Storer::store() {
  const uint64_t head = ring_.head();
  while (true) {
    Segment* const segment = front();
    if (segment == nullptr) return true;
    uint64_t end = 0;
    {
      const std::lock_guard lock(mutex_);
      end = segment->end;
    }
    if (!store_segment(*segment, end == 0 ? head : std::min(end, head))) return false;
    if (end == 0 || end > head) break;
    if (!seal(*segment)) return false;
    const std::lock_guard lock(mutex_);
    segments_.pop_front();
    ended_ = !segments_.empty() && segments_.front().end != 0;
  }
  const int64_t now = now_monotonic_ns();
  // In full flow the disk is asked once in commit_ms, not for each batch.
  if (now - confirmed_ns_ < options_.commit_ms * kMillisecond && !at_once_) return true;
  confirmed_ns_ = now;
  return confirm();
}

// Whole blocks straight out of the ring; of the last one, which still grows, a copy with zeroes behind it.
bool Storer::store_segment(Segment& segment, uint64_t to) {
  uint64_t from = std::max(down(ring_.stored()), segment.start);
  if (ring_.stored() < segment.start) ring_.set_stored(segment.start);
  if (ring_.stored() >= to) return true;
  while (from < to) {
    const uint64_t whole = std::min(down(to), from + kBatchBytes);
    const bool last = whole + kBlock > to;
    iovec parts[2];
    int count = 0;
    if (whole > from) parts[count++] = {ring_.at(from), whole - from};
    if (last && to > whole) {
      std::memset(tail_block_, 0, kBlock);
      std::memcpy(tail_block_, ring_.at(whole), to - whole);
      parts[count++] = {tail_block_, kBlock};
    }
    const uint64_t bytes = (whole - from) + (last && to > whole ? kBlock : 0);
    const ssize_t put = ::pwritev(segment.file.get(), parts, count, static_cast<off_t>(from - segment.start));
    if (put != static_cast<ssize_t>(bytes)) {
      if (put >= 0) errno = ENOSPC;
      failed("write", segment.number);
      return false;
    }
    from = last ? to : whole;
    ring_.set_stored(std::max(ring_.stored(), from));
  }
  if (failing_.exchange(false)) log::info("archive: segments can be written again");
  return true;
}

// To its true length, which also gives back what was set aside for more.
bool Storer::seal(Segment& segment) {
  if (::ftruncate(segment.file.get(), static_cast<off_t>(segment.end - segment.start)) == 0 &&
      ::fdatasync(segment.file.get()) == 0) {
    set_durable(segment.end);
    if (options_.finished) options_.finished(segment.number);
    return true;
  }
  failed("finish", segment.number);
  return false;
}

bool Storer::confirm() {
  Segment* const segment = front();
  const uint64_t stored = ring_.stored();
  if (segment == nullptr || stored == durable_) return true;
  if (::fdatasync(segment->file.get()) != 0) {
    failed("sync", segment->number);
    return false;
  }
  set_durable(stored);
  return true;
}

void Storer::set_durable(uint64_t position) {
  durable_ = std::max(durable_.load(), position);
  if (options_.tell_durable) signal(moved_);
}

void Storer::failed(const char* what, uint32_t number) {
  const int error = errno;
  if (!failing_.exchange(true))
    log::error("archive: {} segment {}: {}; the ring keeps its bytes and it is tried again", what, number,
               std::strerror(error));
}

}  // namespace skep::archive

#include "judge/ring.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <utility>

namespace skep::judge {
namespace {

const size_t kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

unsigned long load(const unsigned long* at) {
  return std::atomic_ref(*const_cast<unsigned long*>(at)).load(std::memory_order_acquire);
}

}  // namespace

Result<Ring> Ring::map(Fd fd, size_t data_bytes) {
  void* const consumer = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (consumer == MAP_FAILED) return fail_errno("map a ring's consumer page");
  void* const producer =
      ::mmap(nullptr, kPage + 2 * data_bytes, PROT_READ, MAP_SHARED, fd.get(), static_cast<off_t>(kPage));
  if (producer == MAP_FAILED) {
    auto error = fail_errno("map a ring's data");
    ::munmap(consumer, kPage);
    return error;
  }
  return Ring(std::move(fd), data_bytes, consumer, producer);
}

Ring::Ring(Fd fd, size_t data_bytes, void* consumer, void* producer)
    : fd_(std::move(fd)),
      data_bytes_(data_bytes),
      consumer_(static_cast<unsigned long*>(consumer)),
      producer_(static_cast<const unsigned long*>(producer)),
      data_(static_cast<const uint8_t*>(producer) + kPage) {}

Ring::Ring(Ring&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_bytes_(other.data_bytes_),
      consumer_(std::exchange(other.consumer_, nullptr)),
      producer_(other.producer_),
      data_(other.data_) {}

Ring::~Ring() {
  if (consumer_ == nullptr) return;
  ::munmap(consumer_, kPage);
  ::munmap(const_cast<unsigned long*>(producer_), kPage + 2 * data_bytes_);
}

size_t Ring::drain(const std::function<void(ByteView)>& take, size_t most) {
  size_t taken = 0;
  unsigned long at = load(consumer_);
  while (taken < most && at < load(producer_)) {
    const auto* const head = reinterpret_cast<const uint32_t*>(data_ + (at & (data_bytes_ - 1)));
    const uint32_t length = std::atomic_ref(*const_cast<uint32_t*>(head)).load(std::memory_order_acquire);
    if (length & BPF_RINGBUF_BUSY_BIT) break;  // reserved, not yet filled: the kernel wakes us again
    const uint32_t bytes = length & ~static_cast<uint32_t>(BPF_RINGBUF_DISCARD_BIT);
    if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
      take({data_ + (at & (data_bytes_ - 1)) + BPF_RINGBUF_HDR_SZ, bytes});
      ++taken;
    }
    at += (bytes + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
    std::atomic_ref(*consumer_).store(at, std::memory_order_release);
  }
  return taken;
}

}  // namespace skep::judge

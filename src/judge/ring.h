// Reader of a BPF ring buffer by mapping it (linux/bpf.h BPF_MAP_TYPE_RINGBUF: a consumer page, a producer page, the
// data twice), without any call of bpf(). One thread.
#pragma once

#include <cstdint>
#include <functional>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace skep::judge {

class Ring {
 public:
  // `data_bytes`: a power of two, as the map was made.
  static Result<Ring> map(Fd fd, size_t data_bytes);
  Ring(Ring&& other) noexcept;
  ~Ring();

  int fd() const { return fd_.get(); }  // readable when there are records
  // Hands out every record that waits, in order; at most `most`, so that nobody else starves. Returns how many.
  size_t drain(const std::function<void(ByteView)>& take, size_t most = 65536);

 private:
  Ring(Fd fd, size_t data_bytes, void* consumer, void* producer);
  Fd fd_;
  size_t data_bytes_;
  unsigned long* consumer_;        // ours to write
  const unsigned long* producer_;  // the kernel's
  const uint8_t* data_;
};

}  // namespace skep::judge

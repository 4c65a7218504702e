// Uring: the connections of one loop, read by io_uring. The kernel receives into buffers that all connections share, as
// soon as something comes and without a call for each; what comes so fast that it fills whole buffers, or is not taken
// at once, is read by calls from then on, with as much room as its reader has. What is little goes out when the ring is
// next entered, that of all connections at once, where several have something in a turn. One thread.
//
// What a connection may have lying here is bounded by what the kernel hands over in one turn: kBuffers buffers, of all
// connections together.
#pragma once

#include <liburing.h>

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/event.h"
#include "io/stream.h"

namespace skep::io {

class Uring {
 public:
  static constexpr unsigned kBuffers = 256;  // a power of two
  static constexpr size_t kBufferBytes = 4096;

  // Errors: the kernel refuses it (a container's filter, a setting), or is too old.
  static Result<std::unique_ptr<Uring>> make();
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // Told of from now on. `connecting`: first that it stands (writable) or will not (failed).
  void add(Stream& stream, Token token, bool connecting);
  // One other descriptor: `wait` returns true, once, when it is readable.
  void await_readable(int fd);
  // Appends what there is of connections; waits for the first of anything, up to `timeout_ms`; not at all where
  // `events` has something.
  bool wait(int timeout_ms, std::vector<Event>& events);

  // The stream's side.
  bool read_by_calls(uint32_t index) const;
  ssize_t take(uint32_t index, std::span<uint8_t> room);
  void want_writable(uint32_t index);
  bool send_soon(uint32_t index, ByteView bytes);
  int send_now(uint32_t index);
  void forget(uint32_t index);

 private:
  enum class Reading : uint8_t {
    not_yet,    // it does not stand
    receiving,  // by the kernel, into its buffers
    stopping,   // as that, but it is to end
    over,       // its end or an error has come
    calls,      // by its reader; it is only watched
  };
  // Bytes in one of the kernel's buffers.
  struct Piece {
    uint16_t buffer = 0;
    uint16_t from = 0;
    uint16_t to = 0;
  };
  struct Connection {
    Token token = 0;
    int fd = -1;
    int error = 0;         // of Reading::over
    uint64_t asked = 0;    // the turn in which something was asked for it last
    uint16_t pending = 0;  // requests of the kernel's that have not ended
    Reading reading = Reading::not_yet;
    bool free = true;
    bool forgotten = false;
    bool writable_wanted = false;  // is being waited for
    bool listed = false;           // in left_over_
    bool again = false;            // in again_
    bool sending = false;          // what became of send_soon has not been told
    std::vector<Piece> pieces;     // received and not taken, oldest first
    std::unique_ptr<Bytes> kept;   // before these: what was not taken at once
  };
  enum class Request : uint64_t { receive, writable, watch, send, other, cancel };

  Uring() = default;
  Status set_up();
  Status give_buffers();
  static uint64_t user_data_of(Request kind, uint32_t index);
  io_uring_sqe* request(Request kind, uint32_t index);
  void receive(uint32_t index);
  void watch(uint32_t index);
  void watch_room(uint32_t index);
  void cancel(Request kind, uint32_t index);
  void enable();
  void submit();
  void read_by_calls_soon(uint32_t index);
  void give_back(uint16_t buffer);
  void keep_left_over();
  void tell_again(std::vector<Event>& events);
  bool take_completion(const io_uring_cqe& cqe, std::vector<Event>& events);
  void received(uint32_t index, const io_uring_cqe& cqe, Event& event);
  void became_writable(uint32_t index, const io_uring_cqe& cqe, Event& event);
  void watched(uint32_t index, const io_uring_cqe& cqe, Event& event);
  void sent(uint32_t index, const io_uring_cqe& cqe, Event& event);
  void ended(uint32_t index, int result, Event& event);
  void release(uint32_t index);
  uint8_t* buffer_at(uint16_t buffer) const { return buffers_.get() + size_t{buffer} * kBufferBytes; }

  io_uring ring_{};
  bool stands_ = false;
  bool several_ = false;  // connections have something in this turn
  bool enabled_ = false;
  uint64_t turn_ = 1;                     // what is asked in it has not been submitted yet
  io_uring_buf_ring* offered_ = nullptr;  // to the kernel
  size_t offered_bytes_ = 0;
  std::unique_ptr<uint8_t[]> buffers_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> left_over_;  // have something that was not taken
  std::vector<uint32_t> again_;      // may have more than was taken: to be told once more
};

}  // namespace skep::io

// The sockets of one attempt: connections to the target, and the sink at which what the service opens to us arrives.
// Non-blocking; what comes is taken in whenever somebody waits. All of it is bounded. One thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "replay/player.h"

namespace skep::replay {

// One connection. Of datagrams: what passes between two ends.
struct Line {
  enum class State : uint8_t { unopened, connecting, open, ended, reset };
  State state = State::unopened;
  Protocol protocol = Protocol::tcp;
  Fd socket;
  int error = 0;                // errno, of one that was reset, or never stood
  Bytes came;                   // and belongs to no answer yet
  std::deque<Bytes> datagrams;  // likewise
  int64_t came_ns = 0;          // monotonic, of the last that came
  std::optional<size_t> hit;    // of the sink

  bool lives() const { return state == State::open || state == State::ended; }
};

class Exchange {
 public:
  static constexpr int kLookMs = 100;  // at `stop`, at the latest
  static constexpr size_t kListenersMax = 8;
  static constexpr size_t kHitsMax = 64;
  static constexpr size_t kHitBytesMax = 64 * 1024;
  static constexpr size_t kDatagramsMax = 4096;  // that wait to be taken

  // A line for each recorded connection. `bytes_max`: that are taken in, all together.
  Exchange(const Recording& recording, uint64_t bytes_max, const std::atomic<bool>& stop);

  Line& line(uint32_t connection) { return *lines_[connection]; }
  // Awaits what the service opens, at the port if that is free, else at any. Error: this machine cannot.
  Status listen(const Endpoint& own, uint16_t port);
  // 0: nothing is awaited.
  uint16_t sink_port() const { return sink_port_; }

  // Until something has come or ended, `writable` would take bytes, or the time has come (monotonic); kLookMs at most.
  void wait(int64_t until_ns, const Line* writable = nullptr);
  // What lies at the line's socket by now.
  void look(Line& line);
  // As many of the bytes as it takes now. False: it takes none any more.
  bool send(Line& line, ByteView& bytes);

  // What comes is put there too; nullptr: it is not.
  void copy_to(Bytes* copy) { copy_ = copy; }
  bool flooded() const { return received_ >= bytes_max_; }
  bool stopped() const { return stop_; }
  std::vector<Attempt::SinkHit>& hits() { return hits_; }

 private:
  void take(Line& line, ByteView bytes);
  void connected(Line& line);
  void end(Line& line, Line::State state, int error);
  void accept(int listener);
  Line& line_for_call_back();

  const Recording& recording_;
  const uint64_t bytes_max_;
  const std::atomic<bool>& stop_;
  uint64_t received_ = 0;
  std::vector<std::unique_ptr<Line>> lines_;  // of the recorded connections, then those that were not recorded
  std::vector<Fd> listeners_;
  uint16_t sink_port_ = 0;
  std::vector<Attempt::SinkHit> hits_;
  Bytes* copy_ = nullptr;
};

}  // namespace skep::replay

#include "io/uring.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace skep::io {
namespace {

constexpr unsigned kRequests = 1024;
constexpr unsigned kCompletions = 8192;
constexpr unsigned short kGroup = 0;  // of buffers: there is one
constexpr unsigned kKindBits = 3;
constexpr size_t kFullMax = 2;  // full buffers on end: more comes than buffers are good for

constexpr int kSubmitTries = 64;  // the kernel may be short of memory for a moment

bool polled(int result, int bits) {
  return result > 0 && (result & bits) != 0;
}

}  // namespace

Result<std::unique_ptr<Uring>> Uring::make() {
  std::unique_ptr<Uring> uring(new Uring);
  if (auto stands = uring->set_up(); !stands) return tl::unexpected<Error>(stands.error());
  if (auto given = uring->give_buffers(); !given) return tl::unexpected<Error>(given.error());
  return uring;
}

Status Uring::set_up() {
  io_uring_params params{};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_R_DISABLED;
  params.cq_entries = kCompletions;
  const int made = ::io_uring_queue_init_params(kRequests, &ring_, &params);
  if (made < 0) return tl::unexpected<Error>(Error{fmt::format("io_uring: {}", std::strerror(-made)), -made});
  stands_ = true;
  ::io_uring_ring_dontfork(&ring_);
  return {};
}

Status Uring::give_buffers() {
  offered_bytes_ = kBuffers * sizeof(io_uring_buf);
  void* const place = ::mmap(nullptr, offered_bytes_, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (place == MAP_FAILED) return fail_errno("io_uring: memory for its buffers");
  offered_ = static_cast<io_uring_buf_ring*>(place);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uint64_t>(offered_);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  const int given = ::io_uring_register_buf_ring(&ring_, &registration, 0);
  if (given < 0)
    return tl::unexpected<Error>(Error{fmt::format("io_uring: buffers: {}", std::strerror(-given)), -given});
  buffers_.reset(new uint8_t[kBuffers * kBufferBytes]);
  ::io_uring_buf_ring_init(offered_);
  for (unsigned i = 0; i < kBuffers; ++i) give_back(static_cast<uint16_t>(i));
  return {};
}

Uring::~Uring() {
  if (stands_) ::io_uring_queue_exit(&ring_);
  if (offered_ != nullptr) ::munmap(offered_, offered_bytes_);
}

void Uring::give_back(uint16_t buffer) {
  ::io_uring_buf_ring_add(offered_, buffer_at(buffer), kBufferBytes, buffer, ::io_uring_buf_ring_mask(kBuffers), 0);
  ::io_uring_buf_ring_advance(offered_, 1);
}

// ---- what a reader takes ----

bool Uring::read_by_calls(uint32_t index) const {
  const Connection& connection = connections_[index];
  if (connection.reading == Reading::not_yet) return true;
  return connection.reading == Reading::calls && connection.pieces.empty() && !connection.kept;
}

ssize_t Uring::take(uint32_t index, std::span<uint8_t> room) {
  Connection& connection = connections_[index];
  size_t taken = 0;
  if (connection.kept) {
    taken = std::min(room.size(), connection.kept->size());
    std::copy_n(connection.kept->begin(), taken, room.begin());
    connection.kept->erase(connection.kept->begin(), connection.kept->begin() + static_cast<ptrdiff_t>(taken));
    if (connection.kept->empty()) connection.kept.reset();
  }
  size_t done = 0;
  for (Piece& piece : connection.pieces) {
    const size_t part = std::min<size_t>(room.size() - taken, piece.to - piece.from);
    std::memcpy(room.data() + taken, buffer_at(piece.buffer) + piece.from, part);
    taken += part;
    piece.from = static_cast<uint16_t>(piece.from + part);
    if (piece.from < piece.to) break;
    give_back(piece.buffer);
    ++done;
  }
  connection.pieces.erase(connection.pieces.begin(), connection.pieces.begin() + static_cast<ptrdiff_t>(done));
  // A reader takes a short read for the last there is; what is in the socket was perhaps told before it had come so
  // far.
  if (taken > 0 && read_by_calls(index) && !std::exchange(connection.again, true)) again_.push_back(index);
  if (taken > 0) return static_cast<ssize_t>(taken);
  errno = connection.reading == Reading::over ? connection.error : EAGAIN;
  return errno == 0 ? 0 : -1;
}

void Uring::tell_again(std::vector<Event>& events) {
  for (const uint32_t index : std::exchange(again_, {})) {
    Connection& connection = connections_[index];
    if (!std::exchange(connection.again, false) || connection.forgotten) continue;
    events.push_back({.token = connection.token, .readable = true});
  }
}

// ---- what is asked of the kernel ----

uint64_t Uring::user_data_of(Request kind, uint32_t index) {
  return uint64_t{index} << kKindBits | static_cast<uint64_t>(kind);
}

io_uring_sqe* Uring::request(Request kind, uint32_t index) {
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    submit();
    sqe = ::io_uring_get_sqe(&ring_);
  }
  SKEP_CHECK(sqe != nullptr);
  sqe->user_data = user_data_of(kind, index);
  if (kind == Request::other || kind == Request::cancel) return sqe;
  ++connections_[index].pending;
  connections_[index].asked = turn_;
  return sqe;
}

void Uring::add(Stream& stream, Token token, bool connecting) {
  if (free_.empty()) {
    connections_.emplace_back();
    free_.push_back(static_cast<uint32_t>(connections_.size() - 1));
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  Connection& connection = connections_[index];
  std::vector<Piece> pieces = std::move(connection.pieces);  // empty, but with its memory
  connection = Connection();
  connection.pieces = std::move(pieces);
  connection.free = false;
  connection.token = token;
  connection.fd = stream.get();
  stream.uring_ = this;
  stream.index_ = index;
  if (connecting) return want_writable(index);
  receive(index);
}

void Uring::receive(uint32_t index) {
  io_uring_sqe* const sqe = request(Request::receive, index);
  ::io_uring_prep_recv_multishot(sqe, connections_[index].fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kGroup;
  connections_[index].reading = Reading::receiving;
}

void Uring::watch(uint32_t index) {
  io_uring_sqe* const sqe = request(Request::watch, index);
  ::io_uring_prep_poll_multishot(sqe, connections_[index].fd, POLLIN | POLLRDHUP);
  connections_[index].reading = Reading::calls;
}

void Uring::want_writable(uint32_t index) {
  if (std::exchange(connections_[index].writable_wanted, true)) return;
  io_uring_sqe* const sqe = request(Request::writable, index);
  ::io_uring_prep_poll_add(sqe, connections_[index].fd, POLLOUT);
}

void Uring::watch_room(uint32_t index) {
  connections_[index].writable_wanted = true;  // until it is forgotten
  io_uring_sqe* const sqe = request(Request::writable, index);
  ::io_uring_prep_poll_multishot(sqe, connections_[index].fd, POLLOUT);
}

// With MSG_DONTWAIT it is done or refused as it is submitted: the kernel holds on to nothing.
bool Uring::send_soon(uint32_t index, ByteView bytes) {
  if (!several_) return false;  // one alone gains nothing, and would be told of in a turn of its own
  io_uring_sqe* const sqe = request(Request::send, index);
  ::io_uring_prep_send(sqe, connections_[index].fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return connections_[index].sending = true;
}

// Its completion is there then, wherever it stands among the others.
int Uring::send_now(uint32_t index) {
  submit();
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (cqe->user_data != user_data_of(Request::send, index)) continue;
    connections_[index].sending = false;
    return cqe->res;
  }
  return -EAGAIN;  // among those that found no place, and is told later
}

// By whoever submits first: from then on the ring is that thread's alone.
void Uring::enable() {
  if (std::exchange(enabled_, true)) return;
  ::io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

void Uring::submit() {
  enable();
  int tries = 0;
  while (::io_uring_sq_ready(&ring_) > 0) {
    SKEP_CHECK(++tries <= kSubmitTries);
    ::io_uring_submit(&ring_);
  }
  ++turn_;
}

void Uring::await_readable(int fd) {
  io_uring_sqe* const sqe = request(Request::other, 0);
  ::io_uring_prep_poll_add(sqe, fd, POLLIN);
}

void Uring::cancel(Request kind, uint32_t index) {
  io_uring_sqe* const sqe = request(Request::cancel, index);
  ::io_uring_prep_cancel64(sqe, user_data_of(kind, index), 0);
}

void Uring::read_by_calls_soon(uint32_t index) {
  Connection& connection = connections_[index];
  if (connection.reading != Reading::receiving) return;
  connection.reading = Reading::stopping;
  cancel(Request::receive, index);
}

// The kernel holds the socket open as long as a request on it stands.
void Uring::forget(uint32_t index) {
  Connection& connection = connections_[index];
  // What was asked in this turn names the socket by its number, which is another's as soon as this one is closed: it
  // would be done to that one. Nor may the bytes go before they are sent.
  if (connection.asked == turn_) submit();
  for (const Piece& piece : connection.pieces) give_back(piece.buffer);
  connection.pieces.clear();
  connection.kept.reset();
  connection.forgotten = true;
  if (connection.reading == Reading::receiving) cancel(Request::receive, index);
  if (connection.reading == Reading::calls) cancel(Request::watch, index);
  if (connection.writable_wanted) cancel(Request::writable, index);
  release(index);
}

// Its place is another's once nothing of it can come any more.
void Uring::release(uint32_t index) {
  Connection& connection = connections_[index];
  if (!connection.forgotten || connection.pending > 0 || std::exchange(connection.free, true)) return;
  free_.push_back(index);
}

// ---- what it says ----

bool Uring::wait(int timeout_ms, std::vector<Event>& events) {
  keep_left_over();
  tell_again(events);
  if (!events.empty()) timeout_ms = 0;
  __kernel_timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000LL};
  io_uring_cqe* first = nullptr;
  enable();
  ::io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
  if (::io_uring_sq_ready(&ring_) == 0) ++turn_;
  unsigned head = 0;
  unsigned count = 0;
  bool other = false;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    other |= take_completion(*cqe, events);
    ++count;
  }
  ::io_uring_cq_advance(&ring_, count);
  several_ = events.size() > 1;
  return other;
}

// True: it is of the other descriptor.
bool Uring::take_completion(const io_uring_cqe& cqe, std::vector<Event>& events) {
  const auto kind = static_cast<Request>(cqe.user_data & ((1U << kKindBits) - 1));
  const auto index = static_cast<uint32_t>(cqe.user_data >> kKindBits);
  if (kind == Request::other || kind == Request::cancel) return kind == Request::other;
  Connection& connection = connections_[index];
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) --connection.pending;
  Event event{.token = connection.token};
  if (kind == Request::receive) received(index, cqe, event);
  if (kind == Request::writable) became_writable(index, cqe, event);
  if (kind == Request::watch) watched(index, cqe, event);
  if (kind == Request::send) sent(index, cqe, event);
  if (connection.forgotten) {
    release(index);
  } else if (event.readable || event.writable || event.failed || event.sent) {
    events.push_back(event);
  }
  return false;
}

void Uring::became_writable(uint32_t index, const io_uring_cqe& cqe, Event& event) {
  Connection& connection = connections_[index];
  const bool goes_on = (cqe.flags & IORING_CQE_F_MORE) != 0;
  connection.writable_wanted = goes_on;
  if (connection.forgotten) return;
  // The kernel adds POLLRDHUP to every poll: one whose peer has finished says that at once, and would again and again.
  // Told by edges, it says when there is room too.
  if (!goes_on && polled(cqe.res, POLLRDHUP) && !polled(cqe.res, POLLOUT | POLLERR | POLLHUP)) return watch_room(index);
  event.writable = polled(cqe.res, POLLOUT);
  event.failed = cqe.res < 0 || polled(cqe.res, POLLERR);
  if (connection.reading == Reading::not_yet && event.writable && !event.failed) receive(index);
}

void Uring::sent(uint32_t index, const io_uring_cqe& cqe, Event& event) {
  if (!std::exchange(connections_[index].sending, false)) return;  // send_now has told it
  event.sent = true;
  event.taken = cqe.res;
}

void Uring::watched(uint32_t index, const io_uring_cqe& cqe, Event& event) {
  event.readable = polled(cqe.res, POLLIN | POLLRDHUP | POLLHUP | POLLERR);
  event.finished = polled(cqe.res, POLLRDHUP);
  event.hung_up = polled(cqe.res, POLLHUP);
  event.failed = polled(cqe.res, POLLERR);
  const bool goes_on = (cqe.flags & IORING_CQE_F_MORE) != 0;
  if (!goes_on && !connections_[index].forgotten) watch(index);  // the kernel may end it
}

void Uring::received(uint32_t index, const io_uring_cqe& cqe, Event& event) {
  Connection& connection = connections_[index];
  if ((cqe.flags & IORING_CQE_F_BUFFER) != 0) {
    const auto buffer = static_cast<uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    if (connection.forgotten || cqe.res <= 0) {
      give_back(buffer);
    } else {
      connection.pieces.push_back({buffer, 0, static_cast<uint16_t>(cqe.res)});
      if (!std::exchange(connection.listed, true)) left_over_.push_back(index);
      event.readable = true;
    }
  }
  if (connection.forgotten) return;
  if (connection.pieces.size() >= kFullMax && cqe.res == static_cast<int>(kBufferBytes)) read_by_calls_soon(index);
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) ended(index, cqe.res, event);
}

// The kernel receives no more: because it was told so, or had no buffer, or has nothing more to receive.
void Uring::ended(uint32_t index, int result, Event& event) {
  Connection& connection = connections_[index];
  event.readable = true;
  if (result > 0 || result == -ECANCELED || result == -ENOBUFS) return watch(index);
  connection.reading = Reading::over;
  connection.error = -result;
  event.finished = result == 0;
  event.failed = result < 0;
}

// What was not taken in its turn makes place for others' and is read by calls from then on.
void Uring::keep_left_over() {
  for (const uint32_t index : std::exchange(left_over_, {})) {
    Connection& connection = connections_[index];
    connection.listed = false;
    if (connection.pieces.empty()) continue;
    if (!connection.kept) connection.kept = std::make_unique<Bytes>();
    for (const Piece& piece : connection.pieces) {
      const uint8_t* const at = buffer_at(piece.buffer);
      connection.kept->insert(connection.kept->end(), at + piece.from, at + piece.to);
      give_back(piece.buffer);
    }
    connection.pieces.clear();
    read_by_calls_soon(index);
  }
}

}  // namespace skep::io

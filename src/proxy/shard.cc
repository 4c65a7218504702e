#include "proxy/shard.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "base/threads.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kTickMs = 50;
constexpr int64_t kIndexNs = 200 * kMillisecond;  // between two batches for the index
constexpr int kHeldMs = 1;                        // before those that wait for the disk are looked at again
constexpr int kAcceptsATurn = 64;
constexpr int kQueueTurns = 64;  // kAcceptsATurn each: what may wait at a listener that goes

// What a token means: kind in the low 4 bits, index above, generation in the upper half.
enum Kind : uint64_t { kClient = 0, kBait = 1, kListener = 2, kMail = 3, kHeaders = 4 };
io::Token token_of(Kind kind, uint32_t index, uint32_t generation = 0) {
  return static_cast<uint64_t>(generation) << 32 | uint64_t{index} << 4 | kind;
}

}  // namespace

Shard::Shard(Common& common, Mailbox& mailbox, std::shared_ptr<const Settings> settings, io::Loop loop,
             std::unique_ptr<HeaderIntake> headers)
    : common_(common),
      mailbox_(mailbox),
      settings_(std::move(settings)),
      loop_(std::move(loop)),
      headers_(std::move(headers)),
      four_tuples_(common.seed),
      reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

Shard::~Shard() {
  join();
}

Result<std::unique_ptr<Shard>> Shard::make(Common& common, Mailbox& mailbox, std::shared_ptr<const Settings> settings) {
  auto loop = io::Loop::make(settings->options.engine);
  if (!loop) return tl::unexpected<Error>(loop.error());
  auto headers = HeaderIntake::make();
  if (!headers) return tl::unexpected<Error>(headers.error());
  std::unique_ptr<Shard> shard(new Shard(common, mailbox, std::move(settings), std::move(*loop), std::move(*headers)));
  if (!shard->reserve_) return fail_errno("open /dev/null");
  if (auto added = shard->loop_.add(shard->headers_->poll_fd(), token_of(kHeaders, 0)); !added)
    return tl::unexpected<Error>(added.error());
  if (auto added = shard->loop_.add(mailbox.wake_fd(), token_of(kMail, 0)); !added)
    return tl::unexpected<Error>(added.error());
  return shard;
}

Status Shard::listen(const std::vector<Listening>& all, std::vector<std::pair<size_t, Fd>> fresh) {
  return point_listeners(all, fresh);
}

void Shard::start(archive::Writer& writer) {
  writer_ = &writer;
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, fmt::format("shard {}", writer.number()));
  turned_ns_.wait(0);
}

void Shard::join() {
  if (thread_.joinable()) thread_.join();
}

void Shard::settle() {
  if (writer_ != nullptr) take_mail();
}

void Shard::run() {
  turn(0);  // from here on the loop is this thread's
  turned_ns_.notify_all();
  while (!stopping_ || !live_.empty() || headers_->waiting() > 0) {
    const bool more = !next_.empty() || !doors_next_.empty();
    const bool held = !held_.empty() || !doors_held_.empty();
    turn(more ? 0 : held ? kHeldMs : kTickMs);
  }
  say_standing();
  over_ = true;
}

void Shard::say_standing() {
  *standing_.hold() = {writer_->health(), live_.size(), counters_.sessions_total};
}

void Shard::turn(int wait_ms) {
  for (const io::Event& event : loop_.wait(wait_ms)) take_event(event);
  move_queued();
  take_queued_datagrams();
  const int64_t now = now_monotonic_ns();
  tick(now);
  turned_ns_.store(now, std::memory_order_release);
}

void Shard::take_event(const io::Event& event) {
  const auto kind = static_cast<Kind>(event.token & 15);
  const auto index = static_cast<uint32_t>(event.token >> 4 & 0xfffffff);
  const auto generation = static_cast<uint32_t>(event.token >> 32);
  switch (kind) {
    case kListener:
      // Else: told to stop, or of options that have changed, in this very turn.
      if (index >= listeners_.size() || !listeners_[index].socket) return;
      if (listeners_[index].door.protocol == Protocol::udp) return take_datagrams(index);
      accept_all(listeners_[index]);
      return;
    case kMail:
      return take_mail();
    case kHeaders:
      return take_headers(now_monotonic_ns());
    case kClient:
    case kBait:
      break;
  }
  Slot& slot = slots_[index];
  if (!slot.relay || slot.generation != generation) return;  // of a session that has ended meanwhile
  const Side side = kind == kClient ? Side::client : Side::bait;
  if (Relay* const stream = slot.relay.stream(); stream != nullptr) {
    if (side == Side::bait && stream->connecting()) return leg_ready(index, event);
    stream->told(side, event);
  } else {
    slot.relay.datagrams()->told();
  }
  move(index);
}

// Where each door leads to; those that lead nowhere any more are closed.
Status Shard::point_listeners(const std::vector<Listening>& all, std::vector<std::pair<size_t, Fd>>& fresh) {
  for (auto& [door, socket] : fresh) {
    if (listeners_.size() <= door) listeners_.resize(door + 1);
    listeners_[door].socket = std::move(socket);
  }
  std::vector<bool> stays(listeners_.size(), false);
  for (const Listening& each : all) {
    stays[each.door] = true;
    listeners_[each.door].door = each;
  }
  for (const auto& [door, moved] : fresh) {
    const io::Token token = token_of(kListener, static_cast<uint32_t>(door));
    const int socket = listeners_[door].socket.get();
    const bool udp = listeners_[door].door.protocol == Protocol::udp;
    if (auto added = udp ? loop_.add_edges(socket, token) : loop_.add(socket, token); !added) return added;
  }
  for (size_t i = 0; i < listeners_.size(); ++i) {
    Listener& listener = listeners_[i];
    if (stays[i] || !listener.socket) continue;
    listener.taking = false;
    if (listener.door.protocol == Protocol::udp) {
      close_if_idle(listener);
      continue;
    }
    // Those who wait in its queue were let in by the kernel: they are sessions, not resets.
    for (int turn = 0; turn < kQueueTurns && accept_all(listener); ++turn) {
    }
    listener.socket.reset();
  }
  return {};
}

bool Shard::accept_all(Listener& listener) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    io::Accepted accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket) {
      came_in({std::move(accepted), listener.door.service, listener.door.offset, {}, {}});
      continue;
    }
    if (errno != EMFILE && errno != ENFILE) return false;
    // The system has none: the reserve lets this one in, to be turned away with a reset instead of being left to hang.
    reserve_.reset();
    accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket)
      refuse({std::move(accepted), listener.door.service, listener.door.offset, {}, {}}, Limit::descriptors);
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return true;
  }
  return true;
}

void Shard::refuse(const Arrival& arrival, Limit limit) {
  counters_.refused(service_name(arrival.service), to_string(limit));
  const SessionId id = begin(arrival);
  const int64_t now = now_realtime_ns();
  say(limit, id, arrival.accepted.peer);
  formats::ClosedEvent event;
  event.reason = EndReason::limit;
  writer_->closed(id, now, event);
  io::reset_on_close(arrival.accepted.socket.get());
}

// Noted in the session, and said in the log at its pace.
void Shard::say(Limit limit, SessionId session, const Endpoint& source) {
  writer_->note(session, now_realtime_ns(), {formats::NoteKind::limit, std::string(to_string(limit))});
  const int64_t now = now_monotonic_ns();
  if (limit == Limit::descriptors) common_.descriptors_lacked_ns = now;
  const auto lines = common_.limits->log_line(limit, now);
  if (!lines) return;
  const std::string more = *lines > 1 ? fmt::format(", and {} more since the last such line", *lines - 1) : "";
  log::write(log::Level::warning, fmt::format("{} met {}{}", to_string(source), to_string(limit), more),
             to_string(session));
}

void Shard::met(Limit limit, const Slot& slot) {
  counters_.met(to_string(limit));
  say(limit, slot.id, slot.peer);
}

void Shard::admit(Arrival arrival) {
  const SourceLists::Found known = listed(arrival);
  if (known.list && suppresses(settings_->sources->hit(*known.list).action)) return turn_away(arrival, *known.list);
  std::unique_ptr<SessionFilter> filter = filter_of(arrival, known.allowed);
  const bool trap = filter != nullptr && filter->plan().mode == formats::ServiceMode::trap;
  const auto taken = take_slot(arrival);
  if (!taken) return;
  const uint32_t index = *taken;
  Slot& slot = slots_[index];
  slot.relay = AnyRelay(std::make_unique<Relay>(*writer_, common_.buffers, slot.id, relay_options(),
                                                std::move(arrival.accepted.socket), std::move(filter)));
  enter(index);
  if (known.list) record_hit(slot.id, service_name(slot.service), settings_->sources->hit(*known.list));
  // What is there already is read first: for whoever has only looked whether somebody listens, the bait is left alone.
  move(index);
  if (!slots_[index].relay) return;
  if (watch(index, Side::client) && !trap) connect(index);  // a trap is routed when it has decided
}

RelayOptions Shard::relay_options() const {
  return {options().buffer_bytes, options().durability, options().session_bytes_max};
}

// With the session's first records; nullopt: a limit was met, which is said.
std::optional<uint32_t> Shard::take_slot(Arrival& arrival) {
  const int64_t now = now_monotonic_ns();
  const Protocol protocol = service(arrival.service).options.protocol;
  const Limits::Admission admission = common_.limits->admit(arrival.accepted.peer, now, protocol);
  if (admission.refused) {
    protocol == Protocol::udp ? refuse_datagram(arrival, *admission.refused) : refuse(arrival, *admission.refused);
    return std::nullopt;
  }
  const uint32_t index = free_slot();
  Slot& slot = slots_[index];
  slot.service = arrival.service;
  slot.offset = arrival.offset;
  slot.peer = arrival.accepted.peer;
  slot.id = begin(arrival);
  slot.source = admission.source;
  slot.opened_ns = now;
  slot.times = {options().connect_timeout_ms, options().idle_timeout_ms, options().life_ms};
  if (protocol == Protocol::udp && options().udp_timeout_ms <= options().idle_timeout_ms) {
    slot.times.idle_ms = options().udp_timeout_ms;
    slot.times.quiet_end = true;
  }
  return index;
}

// It has its relay: from here on it lives.
void Shard::enter(uint32_t index) {
  Slot& slot = slots_[index];
  choose_way(index);
  deadlines_.set(index, deadline_of(slot));
  live_[slot.id.value] = index;
  counters_.opened(service_name(slot.service));
  if (service(slot.service).is_parent) common_.kin->opened(slot.service, slot.peer, slot.id);
}

// False: it could not be, and the session is over.
bool Shard::watch(uint32_t index, Side side) {
  const Slot& slot = slots_[index];
  const bool bait = side == Side::bait;
  const io::Token token = token_of(bait ? kBait : kClient, index, slot.generation);
  const auto added = loop_.add_connection(slot.relay.stream()->stream(side), token, bait);
  if (added) return true;
  log::error("{}", added.error().message);
  end(index, EndReason::limit);
  return false;
}

bool Shard::watch_datagrams(uint32_t index) {
  const Slot& slot = slots_[index];
  const auto added = loop_.add_edges(slot.relay.datagrams()->bait(), token_of(kBait, index, slot.generation));
  if (added) return true;
  log::error("{}", added.error().message);
  end(index, EndReason::limit);
  return false;
}

uint32_t Shard::free_slot() {
  if (free_slots_.empty()) {
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  const uint32_t generation = slots_[index].generation + 1;
  slots_[index] = Slot();
  slots_[index].generation = generation;
  return index;
}

void Shard::connect(uint32_t index) {
  if (!slots_[index].relay.connecting()) return;  // a rule has said meanwhile that it needs none
  auto socket = connect_from_free_port(slots_[index]);
  if (socket) return leg_chosen(index, std::move(*socket));
  if (socket.error().code == EAGAIN) {
    waiting_for_port_.push_back(index);
    return;
  }
  if (socket.error().code == EMFILE || socket.error().code == ENFILE) {
    met(Limit::descriptors, slots_[index]);
    return end(index, EndReason::limit);
  }
  leg_failed(index, socket.error().code);
}

void Shard::leg_chosen(uint32_t index, Fd socket) {
  Slot& slot = slots_[index];
  const int leg = socket.get();
  slot.relay.bait_chosen(std::move(socket));
  if (slot.relay.datagrams() != nullptr) return datagrams_stand(index);
  if (Bait* bait = bait_of(slot); bait != nullptr) {
    slot.leg_announced = true;
    const auto note = bait->leg_opened(slot.id, {{io::local_end(leg), slot.to}, service_name(slot.service)});
    if (note) writer_->note(slot.id, now_realtime_ns(), *note);
  }
  watch(index, Side::bait);
}

void Shard::leg_failed(uint32_t index, int error) {
  if (try_another(index, error)) return;
  slots_[index].relay.bait_failed(error);
  close(index);
}

// The connection to the bait stands, or will not.
void Shard::leg_ready(uint32_t index, const io::Event& event) {
  Slot& slot = slots_[index];
  Relay& relay = *slot.relay.stream();
  if (relay.wants_diversion()) return;
  const int leg = relay.socket(Side::bait);
  const int error = event.failed ? io::pending_error(leg) : 0;
  // One that was reset has stood, if nobody has looked meanwhile: who refuses does it with ECONNREFUSED.
  if (error != 0 && error != ECONNRESET) return leg_failed(index, error);
  if (error == 0 && !event.writable) return;
  slot.leg_stands = true;
  writer_->connected(slot.id, now_realtime_ns(), {io::local_end(leg), slot.to});
  bait_answered(slot);
  relay.bait_stands();
  if (error == ECONNRESET) relay.bait_was_reset();
  relay.told(Side::bait, event);
  move(index);
}

void Shard::move(uint32_t index) {
  Slot& slot = slots_[index];
  const Relay::Progress progress = slot.relay.move();
  if (Relay* const stream = slot.relay.stream(); stream == nullptr) {
    follow_bait(slot);
  } else if (stream->filter() != nullptr) {
    follow_filter(index, *stream);
  }
  if (const auto limit = slot.relay.take_limit()) met(*limit, slot);
  if (slot.relay.over()) return close(index);
  if (progress == Relay::Progress::done || std::exchange(slot.queued, true)) return;
  (progress == Relay::Progress::more ? next_ : held_).push_back(index);
}

// Those that had more to move, and those that waited for the disk. Of a slot that is another's by now nothing is lost.
void Shard::move_queued() {
  std::vector<uint32_t> due = std::exchange(next_, {});
  for (const uint32_t index : std::exchange(held_, {})) due.push_back(index);
  for (const uint32_t index : due) slots_[index].queued = false;
  for (const uint32_t index : due) {
    if (slots_[index].relay) move(index);
  }
}

void Shard::close(uint32_t index) {
  Slot& slot = slots_[index];
  formats::ClosedEvent event = slot.relay.figures();
  if (Relay* const stream = slot.relay.stream(); stream != nullptr) {
    stream->close_filter();
    event.client_leg = io::tcp_figures(stream->socket(Side::client));
    if (slot.leg_stands) event.bait_leg = io::tcp_figures(stream->socket(Side::bait));
  } else {
    datagrams_closed(slot);
  }
  const Protocol protocol = slot.relay.protocol();
  writer_->closed(slot.id, now_realtime_ns(), event);
  counters_.ended(service_name(slot.service), event.reason, event.bytes_in, event.bytes_out);
  slot.relay.reset();
  if (Bait* bait = bait_of(slot); bait != nullptr && slot.leg_announced) bait->leg_closed(slot.id, slot.leg_stands);
  if (service(slot.service).is_parent) common_.kin->ended(slot.service, slot.peer, slot.id, now_monotonic_ns());
  live_.erase(slot.id.value);
  common_.limits->ended(slot.source, now_monotonic_ns(), protocol);
  deadlines_.clear(index);
  std::erase(waiting_for_port_, index);
  free_slots_.push_back(index);
}

void Shard::end(uint32_t index, EndReason reason) {
  slots_[index].relay.end(reason);
  close(index);
}

// What is due now; what need not be looked at in every turn is looked at every kTickMs.
void Shard::tick(int64_t now) {
  take_diversions();
  for (const uint32_t index : std::exchange(waiting_for_port_, {})) connect(index);
  if (now - last_tick_ns_ < kTickMs * kMillisecond) return;
  last_tick_ns_ = now;
  if (now - last_index_ns_ >= kIndexNs) {
    last_index_ns_ = now;
    writer_->tick();
  }
  take_headers(now);
  end_overdue(now);
  say_standing();
}

int64_t Shard::deadline_of(const Slot& slot) const {
  int64_t at = slot.relay.active_ns() + slot.times.idle_ms * kMillisecond;
  if (slot.times.life_ms > 0) at = std::min(at, slot.opened_ns + slot.times.life_ms * kMillisecond);
  const Relay* const stream = slot.relay.stream();
  if (slot.relay.connecting() && !(stream != nullptr && stream->undecided()))
    at = std::min(at, slot.connecting_ns + slot.times.connect_ms * kMillisecond);
  if (stream != nullptr && stream->due_ns() != 0) at = std::min(at, stream->due_ns());
  return at;
}

// A deadline is only looked at again when it comes: that bytes were moved meanwhile costs nothing.
void Shard::end_overdue(int64_t now) {
  if (stopping_ && now >= stop_deadline_ns_) end_all(EndReason::shutdown);
  while (const auto index = deadlines_.take_due(now)) {
    const int64_t at = deadline_of(slots_[*index]);
    at > now ? deadlines_.set(*index, at) : end_at_deadline(*index, now);
  }
}

void Shard::end_at_deadline(uint32_t index, int64_t now) {
  const Slot& slot = slots_[index];
  Relay* const stream = slot.relay.stream();
  if (stream != nullptr && stream->due_ns() != 0 && now >= stream->due_ns()) {
    stream->due(now);
    move(index);
    if (slot.relay) deadlines_.set(index, std::max(deadline_of(slot), now + kTickMs * kMillisecond));
    return;
  }
  const bool undecided = stream != nullptr && stream->undecided();
  if (slot.relay.connecting() && !undecided && now >= slot.connecting_ns + slot.times.connect_ms * kMillisecond)
    return leg_failed(index, ETIMEDOUT);
  const bool idle = now >= slot.relay.active_ns() + slot.times.idle_ms * kMillisecond;
  if (!idle || !slot.times.quiet_end) met(idle ? Limit::idle_timeout_ms : Limit::life_ms, slot);
  end(index, EndReason::timeout);
}

void Shard::end_all(EndReason reason) {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].relay) end(index, reason);
  }
}

}  // namespace skep::proxy

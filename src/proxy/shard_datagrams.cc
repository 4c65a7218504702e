// How datagrams come in, and whose they are. What comes for a session goes to its relay at once; what is nobody's opens
// one.
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/shard.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kDatagramsATurn = 64;  // of one port, before others have theirs
// Of those that are turned away so many have a record: whoever forges their sources has no end of them.
constexpr uint32_t kRefusedASecond = 100;
constexpr int64_t kRefusedBurstNs = 1000 * kMillisecond;

FourTuple ends_of(const io::Path& path) {
  return {path.peer, path.local, path.interface};
}

}  // namespace

// `door`: of its listener. Told by edges: what is left is come back to.
void Shard::take_datagrams(size_t door) {
  Listener& listener = listeners_[door];
  if (listener.queued) return;  // it has its turn
  for (int i = 0; i < kDatagramsATurn && listener.socket; ++i) {
    const auto room = writer_->room(io::kDatagramRoom);
    if (room.empty()) {
      listener.queued = true;
      return doors_held_.push_back(door);
    }
    io::Received received = io::receive_datagram(listener.socket.get(), room);
    if (received.bytes < 0 && errno == EAGAIN) return;
    if (received.bytes < 0) continue;
    received.path.local.port = listener.door.where.port;
    if (received.lost != listener.lost) datagrams_lost(listener, received.lost);
    datagram_came(door, received, room.first(static_cast<size_t>(received.bytes)));
  }
  if (!listener.socket) return;
  listener.queued = true;
  doors_next_.push_back(door);
}

// `lost`: by this socket in all, for its buffer was full. Whose they were nobody knows.
void Shard::datagrams_lost(Listener& listener, uint32_t lost) {
  const uint32_t more = lost - std::exchange(listener.lost, lost);
  counters_.datagrams_lost += more;
  log::write_repeated({"datagrams lost"}, log::Level::warning,
                      fmt::format("service {}: {} datagrams were lost: the buffer of {} was full",
                                  service_name(listener.door.service), more, to_string(listener.door.where)));
}

void Shard::take_queued_datagrams() {
  std::vector<size_t> due = std::exchange(doors_next_, {});
  for (const size_t door : std::exchange(doors_held_, {})) due.push_back(door);
  for (const size_t door : due) {
    listeners_[door].queued = false;
    if (listeners_[door].socket) take_datagrams(door);
  }
}

void Shard::datagram_came(size_t door, const io::Received& received, ByteView bytes) {
  const FourTuple ends = ends_of(received.path);
  if (const auto index = four_tuples_.find(ends)) {
    slots_[*index].relay.datagrams()->take(received, bytes);
    return move(*index);
  }
  if (!listeners_[door].taking) return;
  if (four_tuples_.barred(ends, now_monotonic_ns())) {
    ++counters_.datagrams_after_cut;
    return;
  }
  open_datagrams(door, received, bytes);
}

void Shard::open_datagrams(size_t door, const io::Received& received, ByteView bytes) {
  Listener& listener = listeners_[door];
  Arrival arrival{
      {Fd(), received.path.peer, received.path.local, {}}, listener.door.service, listener.door.offset, {}, {}};
  std::unique_ptr<SessionFilter> filter = filter_of(arrival, listed(arrival).allowed);
  const auto index = take_slot(arrival);
  if (!index) return;
  Slot& slot = slots_[*index];
  slot.relay = AnyRelay(std::make_unique<DatagramRelay>(*writer_, common_.buffers, slot.id, relay_options(),
                                                        listener.socket.get(), received.path, std::move(filter)));
  slot.door = door;
  ++listener.sessions;
  four_tuples_.add(ends_of(received.path), *index);
  enter(*index);
  slot.relay.datagrams()->take(received, bytes);
  move(*index);  // it may have met a limit by that one alone
  if (slots_[*index].relay) connect(*index);
}

void Shard::refuse_datagram(Arrival& arrival, Limit limit) {
  static const Rate rate(kRefusedASecond, kRefusedBurstNs);
  if (!rate.take(refused_fresh_ns_, now_monotonic_ns())) {
    ++refused_unsaid_;
    ++counters_.datagrams_unrecorded;
    return counters_.met(to_string(limit));
  }
  if (const uint64_t unsaid = std::exchange(refused_unsaid_, 0); unsaid > 0)
    arrival.words = fmt::format("{} datagrams before it were turned away without a record", unsaid);
  refuse(arrival, limit);
}

// Its socket towards the bait is there, and no more is to be waited for.
void Shard::datagrams_stand(uint32_t index) {
  Slot& slot = slots_[index];
  DatagramRelay& relay = *slot.relay.datagrams();
  if (!watch_datagrams(index)) return;
  slot.leg_stands = true;
  const int64_t now = now_realtime_ns();
  writer_->connected(slot.id, now, {io::local_end(relay.bait()), slot.to});
  if (bait_of(slot) != nullptr)
    writer_->note(
        slot.id, now,
        {formats::NoteKind::unsupervised, "the monitor does not join datagrams with the processes they reach"});
  relay.bait_stands();
  move(index);
}

// What is learnt of the bait: datagrams have no handshake that would say it.
void Shard::follow_bait(Slot& slot) {
  const DatagramSession& session = slot.relay.datagrams()->session();
  if (session.answered() && !std::exchange(slot.answered, true)) bait_answered(slot);
  if (slot.leg_stands && session.end_reason() == EndReason::bait_refused) bait_failed(slot, ECONNREFUSED);
}

void Shard::datagrams_closed(const Slot& slot) {
  DatagramRelay& relay = *slot.relay.datagrams();
  relay.close_filter();
  if (relay.take_suppressed() && writer_->class_of(slot.id) == SessionClass::known)
    counters_.raised(service_name(slot.service), SessionClass::harmless, SessionClass::known);
  const FourTuple ends = ends_of(relay.path());
  four_tuples_.remove(ends);
  if (relay.session().end_reason() == EndReason::cut)
    four_tuples_.bar(ends, now_monotonic_ns() + options().udp_timeout_ms * kMillisecond);
  if (Bait* bait = bait_of(slot); bait != nullptr && bait->chooses_ports() && relay.bait() >= 0)
    bait->give_port_back(io::local_end(relay.bait()).port);
  Listener& listener = listeners_[slot.door];
  --listener.sessions;
  close_if_idle(listener);
}

// Nobody comes by it any more.
void Shard::close_if_idle(Listener& listener) {
  if (!listener.taking && listener.sessions == 0) listener.socket.reset();
}

}  // namespace skep::proxy

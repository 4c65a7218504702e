// How a connection comes in, and to which bait it goes.
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/shard.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kPortTries = 16;
constexpr size_t kRefusedBytesMax = 4096;  // of one whose PROXY header is none: so much of what it sent is kept

}  // namespace

void Shard::recall() {
  for (const archive::SessionSummary& session : archive_->recovered()) {
    for (const Service& service : services_) {
      if (service.options.name != session.service || session.leg.port == 0) continue;
      for (size_t i = 0; i < service.baits.size(); ++i) {
        if (service.baits[i] != Service::kUnsupervised && service.options.baits[i].address.contains(session.bait))
          baits_[service.baits[i]]->leg_recovered(session.id, {session.leg, session.bait});
      }
    }
  }
}

void Shard::came_in(Arrival arrival) {
  const Service& service = services_[arrival.service];
  if (!service.trusts(arrival.accepted.peer)) return admit(std::move(arrival));
  if (limits_.live() + headers_->waiting() >= limits_.sessions_max()) return refuse(arrival, Limit::sessions_max);
  const int64_t deadline_ns = now_monotonic_ns() + service.options.proxy_protocol.timeout_ms * kMillisecond;
  if (!headers_->take(arrival, deadline_ns)) refuse(arrival, Limit::descriptors);
}

void Shard::take_headers(int64_t now) {
  headers_->step(now, [this](HeaderIntake::Outcome outcome) { header_taken(std::move(outcome)); });
}

void Shard::header_taken(HeaderIntake::Outcome outcome) {
  const Arrival& arrival = outcome.arrival;
  if (outcome.reason == EndReason::open) return admit(std::move(outcome.arrival));
  const std::string& service = services_[arrival.service].options.name;
  counters_.opened(service);
  const SessionId id = begin(arrival);
  log::write_repeated({"PROXY headers that are none"}, log::Level::warning,
                      fmt::format("{}: service {}: {}", to_string(arrival.accepted.peer), service, arrival.words),
                      to_string(id));
  const int64_t now = now_realtime_ns();
  std::array<uint8_t, kRefusedBytesMax> room;
  const ssize_t got = ::recv(arrival.accepted.socket.get(), room.data(), room.size(), MSG_DONTWAIT);
  formats::ClosedEvent event;
  event.reason = outcome.reason;
  event.bytes_in = got > 0 ? static_cast<uint64_t>(got) : 0;
  if (got > 0) writer_->data(id, now, Direction::to_bait, ByteView(room).first(event.bytes_in));
  writer_->closed(id, now, event);
  counters_.ended(service, event.reason, event.bytes_in, 0);
  io::reset_on_close(arrival.accepted.socket.get());
}

// The session's first records.
SessionId Shard::begin(const Arrival& arrival) {
  const Service& service = services_[arrival.service];
  const io::Accepted& from = arrival.accepted;
  const int64_t now = now_realtime_ns();
  const SessionId id = writer_->opened(now, {service.options.name, from.peer, from.local, from.syn});
  std::optional<SessionId> parent;
  if (service.linked_to) parent = kin_.parent(*service.linked_to, from.peer, now_monotonic_ns());
  if (parent || arrival.balancer.port != 0) writer_->origin(id, now, {parent.value_or(SessionId{}), arrival.balancer});
  if (!arrival.words.empty()) writer_->note(id, now, {formats::NoteKind::other, arrival.words});
  return id;
}

void Shard::choose_bait(uint32_t index) {
  Slot& slot = slots_[index];
  Service& service = services_[slot.service];
  go_to(slot, service.route.choose(slot.peer, now_monotonic_ns()));
  if (service.options.source_kept && slot.peer.is_v4() != slot.to.is_v4())
    writer_->note(
        slot.id, now_realtime_ns(),
        {formats::NoteKind::other, "the bait sees the proxy's own address: the source's is of the other family"});
}

void Shard::go_to(Slot& slot, size_t upstream) {
  const formats::EndpointRange& address = services_[slot.service].options.baits[upstream].address;
  slot.upstream = upstream;
  slot.to = address.ports == 1 ? address.first : address.at(slot.offset);
  slot.connecting_ns = now_monotonic_ns();
}

Bait* Shard::bait_of(const Slot& slot) {
  const size_t bait = services_[slot.service].baits[slot.upstream];
  return bait == Service::kUnsupervised ? nullptr : baits_[bait].get();
}

// A leg from a port that no former session could still be taken for. EAGAIN: none is free now.
Result<Fd> Shard::connect_from_free_port(Slot& slot) {
  Bait* bait = bait_of(slot);
  const bool as_client = services_[slot.service].options.source_kept && slot.peer.is_v4() == slot.to.is_v4();
  const auto connect = [&](uint16_t port) {
    if (!as_client) return io::connect_tcp(slot.to, port);
    Endpoint source = slot.peer;
    source.port = port;
    return io::connect_tcp_as(source, slot.to);
  };
  if (bait == nullptr) return connect(0);
  for (int i = 0; i < kPortTries; ++i) {
    uint16_t port = 0;
    if (bait->ports().chosen_here()) {
      const auto next = bait->ports().next_free();
      if (!next) break;
      port = *next;
    }
    auto socket = connect(port);
    if (!socket && (socket.error().code == EADDRINUSE || socket.error().code == EADDRNOTAVAIL)) continue;
    if (!socket || bait->ports().usable(io::local_end(socket->get()).port)) return socket;
    io::reset_on_close(socket->get());  // the kernel chose one that is held back
  }
  return tl::unexpected<Error>(Error{"no source port is free", EAGAIN});
}

// Where the service has another bait, that one is asked in its stead. False: there is none.
bool Shard::try_another(uint32_t index, int error) {
  Slot& slot = slots_[index];
  Service& service = services_[slot.service];
  if (service.route.baits() == 1) return false;
  const int64_t now = now_monotonic_ns();
  const Endpoint failed = slot.to;
  if (service.route.failed(slot.upstream, now))
    log::warning("service {}: {} is left out: {}; it is asked again every {} ms", service.options.name,
                 to_string(failed), std::strerror(error), options_.bait_retry_ms);
  const auto another = service.route.another(slot.peer, slot.upstream, now);
  if (!another || ++slot.tried >= service.route.baits()) return false;
  if (Bait* bait = bait_of(slot); bait != nullptr && slot.leg_announced) bait->leg_closed(slot.id, false);
  slot.leg_announced = false;
  go_to(slot, *another);
  writer_->note(slot.id, now_realtime_ns(),
                {formats::NoteKind::other, fmt::format("{} could not be reached ({}): it went to {}", to_string(failed),
                                                       std::strerror(error), to_string(slot.to))});
  deadlines_.set(index, deadline_of(slot));
  connect(index);
  return true;
}

void Shard::bait_answered(const Slot& slot) {
  Service& service = services_[slot.service];
  if (service.route.answered(slot.upstream))
    log::info("service {}: {} answers again", service.options.name, to_string(slot.to));
}

}  // namespace skep::proxy

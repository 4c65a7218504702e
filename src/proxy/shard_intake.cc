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

void Shard::came_in(Arrival arrival) {
  const Service& of = service(arrival.service);
  if (!of.trusts(arrival.accepted.peer)) return admit(std::move(arrival));
  if (common_.limits->full(common_.waiting_for_header)) return refuse(arrival, Limit::sessions_max);
  const int64_t deadline_ns = now_monotonic_ns() + of.options.proxy_protocol.timeout_ms * kMillisecond;
  if (!headers_->take(arrival, deadline_ns)) return refuse(arrival, Limit::descriptors);
  count_headers();
}

// What this shard has of those that wait, to what all have.
void Shard::count_headers() {
  common_.waiting_for_header += headers_->waiting() - headers_counted_;
  headers_counted_ = headers_->waiting();
}

void Shard::take_headers(int64_t now) {
  headers_->step(now, [this](HeaderIntake::Outcome outcome) { header_taken(std::move(outcome)); });
  count_headers();
}

void Shard::header_taken(HeaderIntake::Outcome outcome) {
  const Arrival& arrival = outcome.arrival;
  if (outcome.reason == EndReason::open) return admit(std::move(outcome.arrival));
  const std::string& service = service_name(arrival.service);
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
  const Service& of = service(arrival.service);
  const io::Accepted& from = arrival.accepted;
  const int64_t now = now_realtime_ns();
  const SessionId id = writer_->opened(now, {of.options.name, from.peer, from.local, from.syn, of.options.protocol});
  std::optional<SessionId> parent;
  if (of.linked_to) parent = common_.kin->parent(*of.linked_to, from.peer, now_monotonic_ns());
  if (parent || arrival.balancer.port != 0) writer_->origin(id, now, {parent.value_or(SessionId{}), arrival.balancer});
  if (!arrival.words.empty()) writer_->note(id, now, {formats::NoteKind::other, arrival.words});
  return id;
}

void Shard::choose_way(uint32_t index) {
  Slot& slot = slots_[index];
  const Relay* const stream = slot.relay.stream();
  switch (service(slot.service).options.mode) {
    case formats::ServiceMode::bait:
      return choose_bait(index);
    case formats::ServiceMode::trap:
      // Who is never filtered is nobody's to trap.
      if (!stream->undecided()) go_to_production(slot);
      return;
    case formats::ServiceMode::switching:
      if (stream->filter() == nullptr || !common_.switched->takes(slot.peer, now_monotonic_ns()))
        return go_to_production(slot);
      writer_->note(slot.id, now_realtime_ns(),
                    {formats::NoteKind::other, "switched: a rule had fired on what this source sent before"});
      return choose_bait(index);
  }
}

void Shard::go_to_production(Slot& slot) {
  const formats::EndpointRange& address = service(slot.service).options.production;
  slot.elsewhere = true;
  slot.to = address.ports == 1 ? address.first : address.at(slot.offset);
  slot.connecting_ns = now_monotonic_ns();
  ++counters_.filter.to_production;
  writer_->note(slot.id, now_realtime_ns(), {formats::NoteKind::other, "production: " + to_string(slot.to)});
}

void Shard::choose_bait(uint32_t index) {
  Slot& slot = slots_[index];
  const Service& of = service(slot.service);
  go_to(slot, (*of.route)->choose(slot.peer, now_monotonic_ns()));
  if (of.options.source_kept && slot.peer.is_v4() != slot.to.is_v4())
    writer_->note(
        slot.id, now_realtime_ns(),
        {formats::NoteKind::other, "the bait sees the proxy's own address: the source's is of the other family"});
}

void Shard::go_to(Slot& slot, size_t upstream) {
  const formats::EndpointRange& address = service(slot.service).options.baits[upstream].address;
  slot.upstream = upstream;
  slot.to = address.ports == 1 ? address.first : address.at(slot.offset);
  slot.connecting_ns = now_monotonic_ns();
}

Bait* Shard::bait_of(const Slot& slot) {
  if (slot.elsewhere) return nullptr;
  const size_t bait = service(slot.service).baits[slot.upstream];
  return bait == Service::kUnsupervised ? nullptr : common_.baits[bait].get();
}

Result<Fd> Shard::connect_from(const Slot& slot, uint16_t port) {
  const bool udp = service(slot.service).options.protocol == Protocol::udp;
  if (!service(slot.service).options.source_kept || slot.peer.is_v4() != slot.to.is_v4())
    return udp ? io::connect_udp(slot.to, port) : io::connect_tcp(slot.to, port);
  Endpoint source = slot.peer;
  source.port = port;
  return udp ? io::connect_udp_as(source, slot.to) : io::connect_tcp_as(source, slot.to);
}

// A leg from a port that no former session could still be taken for. EAGAIN: none is free now.
Result<Fd> Shard::connect_from_free_port(Slot& slot) {
  Bait* bait = bait_of(slot);
  // The monitor is told of no datagrams: what its ports may still mean is nothing to them.
  const bool udp = service(slot.service).options.protocol == Protocol::udp;
  if (bait == nullptr || (udp && !bait->chooses_ports())) return connect_from(slot, 0);
  for (int i = 0; i < kPortTries; ++i) {
    std::optional<uint16_t> port;
    if (bait->chooses_ports()) {
      port = bait->take_free_port();
      if (!port) break;
    }
    auto socket = connect_from(slot, port.value_or(0));
    if (!socket && port) bait->give_port_back(*port);
    if (!socket && (socket.error().code == EADDRINUSE || socket.error().code == EADDRNOTAVAIL)) continue;
    if (!socket || port || bait->take_port(io::local_end(socket->get()).port)) return socket;
    io::reset_on_close(socket->get());  // the kernel chose one that is held back
  }
  return tl::unexpected<Error>(Error{"no source port is free", EAGAIN});
}

// Where the service has another bait, that one is asked in its stead. False: there is none.
bool Shard::try_another(uint32_t index, int error) {
  Slot& slot = slots_[index];
  const Service& of = service(slot.service);
  if (of.baits.size() == 1 || slot.elsewhere) return false;
  const int64_t now = now_monotonic_ns();
  const Endpoint failed = slot.to;
  bait_failed(slot, error);
  const auto another = (*of.route)->another(slot.peer, slot.upstream, now);
  if (!another || ++slot.tried >= of.baits.size()) return false;
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

// Its service refused, or could not be reached: where there is another it is left out for a while.
void Shard::bait_failed(const Slot& slot, int error) {
  const Service& of = service(slot.service);
  if (of.baits.size() > 1 && (*of.route)->failed(slot.upstream, now_monotonic_ns()))
    log::warning("service {}: {} is left out: {}; it is asked again every {} ms", of.options.name, to_string(slot.to),
                 std::strerror(error), options().bait_retry_ms);
}

void Shard::bait_answered(const Slot& slot) {
  if (slot.elsewhere) return;
  const Service& of = service(slot.service);
  if ((*of.route)->answered(slot.upstream))
    log::info("service {}: {} answers again", of.options.name, to_string(slot.to));
}

}  // namespace skep::proxy

#include "proxy/shard.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "proxy/privileges.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kTickMs = 50;
constexpr size_t kReadBytes = 65536;
constexpr int kAcceptsATurn = 64;
constexpr int kPortTries = 16;

// What a token means: kind in the low 4 bits, index above, generation in the upper half.
enum Kind : uint64_t { kClient = 0, kBait = 1, kListener = 2, kBaitLink = 3, kCommands = 4, kSignals = 5 };
io::Token token_of(Kind kind, uint32_t index, uint32_t generation = 0) {
  return static_cast<uint64_t>(generation) << 32 | uint64_t{index} << 4 | kind;
}

bool is_reset(int error) {
  return error == ECONNRESET || error == EPIPE || error == ETIMEDOUT;
}

// One for each bait.
Result<std::vector<wire::TlsContext>> load_keys(const formats::ProxyOptions& options) {
  std::vector<wire::TlsContext> keys;
  for (size_t i = 0; i < options.baits.size(); ++i) {
    auto tls = wire::TlsContext::load(options.keys, wire::Role::proxy);
    if (!tls) return tl::unexpected<Error>(tls.error());
    keys.push_back(std::move(*tls));
  }
  return keys;
}

}  // namespace

Result<std::unique_ptr<Shard>> Shard::start(const formats::ProxyOptions& options) {
  auto loop = io::Loop::make();
  if (!loop) return tl::unexpected<Error>(loop.error());
  std::unique_ptr<Shard> shard(new Shard(options, std::move(*loop)));
  // What wants privilege comes first: ports, keys. No thread runs before it is given up.
  if (auto listening = shard->listen(); !listening) return tl::unexpected<Error>(listening.error());
  auto keys = load_keys(options);
  if (!keys) return tl::unexpected<Error>(keys.error());
  if (auto given = give_up_privileges(options); !given) return tl::unexpected<Error>(given.error());
  auto writer = archive::Writer::open(options.archive, {options.segment_bytes});
  if (!writer) return tl::unexpected<Error>(writer.error());
  shard->writer_ = std::move(*writer);
  if (auto started = shard->start_baits(std::move(*keys)); !started) return tl::unexpected<Error>(started.error());
  shard->recall();
  if (auto started = shard->start_commands(); !started) return tl::unexpected<Error>(started.error());
  if (auto closed = close_sandbox(); !closed) return tl::unexpected<Error>(closed.error());
  return shard;
}

Status Shard::listen() {
  for (size_t service = 0; service < options_.services.size(); ++service) {
    for (const Endpoint& where : options_.services[service].listen) {
      auto socket = io::listen_tcp(where);
      if (!socket) return wrap("service " + options_.services[service].name, socket);
      const auto index = static_cast<uint32_t>(listeners_.size());
      if (auto added = loop_.add(socket->get(), token_of(kListener, index), true, false); !added) return added;
      listeners_.push_back({std::move(*socket), service});
    }
  }
  return {};
}

Status Shard::start_baits(std::vector<wire::TlsContext> keys) {
  for (size_t i = 0; i < options_.baits.size(); ++i) {
    const formats::BaitOptions& bait = options_.baits[i];
    auto link =
        std::make_unique<ControlLink>(bait.monitor, std::move(keys[i]), 3 * kMillisecond * options_.heartbeat_ms);
    const auto index = static_cast<uint32_t>(baits_.size());
    if (auto added = loop_.add(link->wake_fd(), token_of(kBaitLink, index), true, false); !added) return added;
    baits_.push_back(std::make_unique<Bait>(bait, options_.source_port_first, options_.source_port_last,
                                            std::move(link), *writer_,
                                            [this](SessionId session, const Alert& each) { alert(session, each); }));
  }
  return {};
}

void Shard::recall() {
  for (const archive::SessionSummary& session : writer_->recovered()) {
    for (size_t service = 0; service < options_.services.size(); ++service) {
      Bait* bait = options_.services[service].name == session.service ? bait_of(service) : nullptr;
      if (bait != nullptr && session.leg.port != 0) bait->leg_recovered(session.id, {session.leg, session.bait});
    }
  }
}

Status Shard::start_commands() {
  auto commands = wire::LocalServer::listen(options_.socket);
  if (!commands) return tl::unexpected<Error>(commands.error());
  commands_ = std::make_unique<wire::LocalServer>(std::move(*commands));
  if (auto added = loop_.add(commands_->poll_fd(), token_of(kCommands, 0), true, false); !added) return added;
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  reserve_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!signals_ || !reserve_) return fail_errno("signalfd");
  return loop_.add(signals_.get(), token_of(kSignals, 0), true, false);
}

void Shard::run() {
  while (!stopping_ || !live_.empty()) {
    for (const io::Event& event : loop_.wait(kTickMs)) take_event(event);
    tick(now_monotonic_ns());
  }
  log::info("all sessions are closed: {} in all", sessions_total_);
}

void Shard::take_event(const io::Event& event) {
  const auto kind = static_cast<Kind>(event.token & 15);
  const auto index = static_cast<uint32_t>(event.token >> 4 & 0xfffffff);
  const auto generation = static_cast<uint32_t>(event.token >> 32);
  switch (kind) {
    case kListener:
      if (index < listeners_.size()) accept_all(listeners_[index]);  // else: told to stop in this very turn
      return;
    case kBaitLink:
      return baits_[index]->take_events(now_monotonic_ns());
    case kCommands:
      return commands_->step(now_monotonic_ns(),
                             [this](const wire::LocalRequest& request) { return command(request); });
    case kSignals: {
      signalfd_siginfo info{};
      if (::read(signals_.get(), &info, sizeof info) != sizeof info || stopping_) return;
      stopping_ = true;
      stop_deadline_ns_ = now_monotonic_ns() + options_.shutdown_grace_ms * kMillisecond;
      listeners_.clear();
      log::info("told to stop: no new session; {} live ones have {} ms", live_.size(), options_.shutdown_grace_ms);
      return;
    }
    case kClient:
    case kBait:
      break;
  }
  Slot& slot = slots_[index];
  if (!slot.used || slot.generation != generation) return;  // of a session that has ended meanwhile
  const Side side = kind == kClient ? Side::client : Side::bait;
  if (side == Side::bait && slot.session->phase() == Phase::connecting) {
    const int error = io::pending_error(slot.sockets[1].get());
    if (error != 0) return leg_failed(index, error);
    if (!event.writable) return;
    slot.leg_stands = true;
    slot.active_ns = now_monotonic_ns();
    writer_->connected(slot.id, now_realtime_ns(),
                       {io::local_end(slot.sockets[1].get()), options_.services[slot.service].address});
    obey(index, slot.session->connected());
    if (slot.used) forward(index, Side::bait);
    if (slot.used) watch(index);
    return;
  }
  if (event.readable || event.hung_up) side_readable(index, side, event.hung_up);
  if (slot.used && slot.generation == generation && event.writable) side_writable(index, side);
}

void Shard::accept_all(Listener& listener) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    io::Accepted accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket) {
      if (out_of_descriptors_) log::info("there are descriptors again");
      out_of_descriptors_ = false;
      admit(std::move(accepted), listener.service);
      continue;
    }
    if (errno != EMFILE && errno != ENFILE) return;
    // Out of descriptors: the reserve lets this one in, to be turned away with a reset instead of being left to hang.
    if (!out_of_descriptors_) log::error("out of descriptors: new connections are reset until there are some again");
    out_of_descriptors_ = true;
    reserve_.reset();
    accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket) refuse(std::move(accepted), listener.service, "out of descriptors");
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return;
  }
}

void Shard::refuse(io::Accepted accepted, size_t service, const char* words) {
  ++sessions_refused_;
  ++sessions_total_;
  const int64_t now = now_realtime_ns();
  const SessionId id = writer_->opened(now, {options_.services[service].name, accepted.peer, accepted.local});
  writer_->note(id, now, {formats::NoteKind::other, words});
  formats::ClosedEvent event;
  event.reason = EndReason::limit;
  writer_->closed(id, now, event);
  io::reset_on_close(accepted.socket.get());
}

void Shard::admit(io::Accepted accepted, size_t service) {
  if (live_.size() >= options_.sessions_max) {
    log::warning("{}: turned away: {} sessions are the most", to_string(accepted.peer), options_.sessions_max);
    return refuse(std::move(accepted), service, "sessions_max");
  }
  uint32_t index = static_cast<uint32_t>(slots_.size());
  if (free_slots_.empty()) {
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  const uint32_t generation = slot.generation + 1;
  slot = Slot();
  slot.generation = generation;
  slot.used = true;
  slot.service = service;
  slot.session = std::make_unique<Session>(options_.buffer_bytes);
  slot.active_ns = now_monotonic_ns();
  slot.connect_deadline_ns = slot.active_ns + options_.connect_timeout_ms * kMillisecond;
  slot.sockets[0] = std::move(accepted.socket);
  slot.id = writer_->opened(now_realtime_ns(), {options_.services[service].name, accepted.peer, accepted.local});
  live_[slot.id.value] = index;
  ++sessions_total_;
  connect(index);
  if (slots_[index].used) watch(index);
}

Bait* Shard::bait_of(size_t service) {
  for (const auto& bait : baits_) {
    if (bait->name() == options_.services[service].bait) return bait.get();
  }
  return nullptr;
}

// A leg from a port that no former session could still be taken for. EAGAIN: none is free now.
Result<Fd> Shard::connect_from_free_port(Slot& slot, Bait* bait) {
  const Endpoint& to = options_.services[slot.service].address;
  if (bait == nullptr) return io::connect_tcp(to, 0);
  for (int i = 0; i < kPortTries; ++i) {
    uint16_t port = 0;
    if (bait->ports().chosen_here()) {
      const auto next = bait->ports().next_free();
      if (!next) break;
      port = *next;
    }
    auto socket = io::connect_tcp(to, port);
    if (!socket && (socket.error().code == EADDRINUSE || socket.error().code == EADDRNOTAVAIL)) continue;
    if (!socket || bait->ports().usable(io::local_end(socket->get()).port)) return socket;
    io::reset_on_close(socket->get());  // the kernel chose one that is held back
  }
  return tl::unexpected<Error>(Error{"no source port is free", EAGAIN});
}

void Shard::connect(uint32_t index) {
  auto socket = connect_from_free_port(slots_[index], bait_of(slots_[index].service));
  if (socket) return leg_chosen(index, std::move(*socket));
  if (socket.error().code == EAGAIN) {
    waiting_for_port_.push_back(index);
    return;
  }
  leg_failed(index, socket.error().code);
}

void Shard::leg_chosen(uint32_t index, Fd socket) {
  Slot& slot = slots_[index];
  slot.sockets[1] = std::move(socket);
  Bait* bait = bait_of(slot.service);
  if (bait == nullptr) return;
  slot.leg_announced = true;
  const formats::ServiceOptions& service = options_.services[slot.service];
  bait->leg_opened(slot.id, {{io::local_end(slot.sockets[1].get()), service.address}, service.name});
}

void Shard::leg_failed(uint32_t index, int error) {
  Slot& slot = slots_[index];
  writer_->note(slot.id, now_realtime_ns(),
                {formats::NoteKind::other, fmt::format("the bait could not be reached: {}", std::strerror(error))});
  obey(index, slot.session->connect_failed(error == ECONNREFUSED || error == ECONNRESET));
}

// Not read for now, but epoll tells of an end in both directions, or of an error, without being asked, again and again.
void Shard::side_hung_up(uint32_t index, Side side) {
  Slot& slot = slots_[index];
  const auto at = static_cast<size_t>(side);
  if (io::pending_error(slot.sockets[at].get()) != 0) return obey(index, slot.session->was_reset(side));
  // The peer has finished. What it had sent before may still lie there: it is watched anew once that is wanted.
  loop_.remove(slot.sockets[at].get());
  slot.watched[at] = false;
}

void Shard::side_readable(uint32_t index, Side side, bool hung_up) {
  Slot& slot = slots_[index];
  if (!slot.session->wants_read(side)) {
    if (hung_up) side_hung_up(index, side);
    return;
  }
  uint8_t block[kReadBytes];
  const ssize_t got = ::recv(slot.sockets[static_cast<size_t>(side)].get(), block, sizeof block, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) return obey(index, slot.session->was_reset(side));
  const Direction direction = side == Side::client ? Direction::to_bait : Direction::to_client;
  const int64_t now = now_realtime_ns();
  if (got == 0) {
    writer_->half_closed(slot.id, now, direction);
    obey(index, slot.session->finished(side));
    if (slot.used) watch(index);
    return;
  }
  slot.active_ns = now_monotonic_ns();
  // Recorded first, then passed on.
  const ByteView bytes(block, static_cast<size_t>(got));
  writer_->data(slot.id, now, direction, bytes);
  slot.session->received(side, bytes.size());
  Bytes& waiting = slot.waiting[static_cast<size_t>(other(side))];
  waiting.insert(waiting.end(), bytes.begin(), bytes.end());
  forward(index, other(side));
  if (slot.used) watch(index);
}

void Shard::side_writable(uint32_t index, Side side) {
  forward(index, side);
  if (slots_[index].used) watch(index);
}

void Shard::forward(uint32_t index, Side to) {
  Slot& slot = slots_[index];
  if (!slot.session->wants_write(to)) return;
  Bytes& waiting = slot.waiting[static_cast<size_t>(to)];
  const ssize_t put = ::send(slot.sockets[static_cast<size_t>(to)].get(), waiting.data(), waiting.size(), MSG_NOSIGNAL);
  if (put < 0 && is_reset(errno)) return obey(index, slot.session->was_reset(to));
  if (put <= 0) return;
  slot.active_ns = now_monotonic_ns();
  waiting.erase(waiting.begin(), waiting.begin() + put);
  if (waiting.empty()) waiting = Bytes();
  obey(index, slot.session->forwarded(to, static_cast<uint64_t>(put)));
}

void Shard::obey(uint32_t index, const std::vector<Command>& commands) {
  Slot& slot = slots_[index];
  for (const Command command : commands) {
    switch (command) {
      case Command::finish_client:
        ::shutdown(slot.sockets[0].get(), SHUT_WR);
        break;
      case Command::finish_bait:
        ::shutdown(slot.sockets[1].get(), SHUT_WR);
        break;
      case Command::reset_client:
        io::reset_on_close(slot.sockets[0].get());
        break;
      case Command::reset_bait:
        if (slot.sockets[1]) io::reset_on_close(slot.sockets[1].get());
        break;
      case Command::close:
        close(index);
        return;
    }
  }
}

void Shard::close(uint32_t index) {
  Slot& slot = slots_[index];
  const Session& session = *slot.session;
  formats::ClosedEvent event;
  event.reason = session.end_reason();
  event.bytes_in = session.received_from(Side::client);
  event.bytes_out = session.received_from(Side::bait);
  event.forwarded_in = session.forwarded_to(Side::bait);
  event.forwarded_out = session.forwarded_to(Side::client);
  writer_->closed(slot.id, now_realtime_ns(), event);
  for (const size_t side : {0u, 1u}) {
    if (slot.watched[side]) loop_.remove(slot.sockets[side].get());
    slot.sockets[side].reset();
    slot.waiting[side] = Bytes();
  }
  if (Bait* bait = bait_of(slot.service); bait != nullptr && slot.leg_announced)
    bait->leg_closed(slot.id, slot.leg_stands);
  live_.erase(slot.id.value);
  std::erase(waiting_for_port_, index);
  slot.used = false;
  slot.session.reset();
  free_slots_.push_back(index);
}

void Shard::end(uint32_t index, EndReason reason) {
  obey(index, slots_[index].session->end(reason));
}

void Shard::watch(uint32_t index) {
  watch_side(index, Side::client);
  watch_side(index, Side::bait);
}

void Shard::watch_side(uint32_t index, Side side) {
  Slot& slot = slots_[index];
  const auto at = static_cast<size_t>(side);
  if (!slot.sockets[at]) return;
  const bool connecting = side == Side::bait && slot.session->phase() == Phase::connecting;
  const bool read = slot.session->wants_read(side);
  const bool write = connecting || slot.session->wants_write(side);
  const io::Token token = token_of(side == Side::client ? kClient : kBait, index, slot.generation);
  if (!slot.watched[at]) {
    if (!read && !write) return;
    if (auto added = loop_.add(slot.sockets[at].get(), token, read, write); !added) {
      log::error("{}", added.error().message);
      return end(index, EndReason::limit);
    }
    slot.watched[at] = true;
  } else if (slot.reads[at] != read || slot.writes[at] != write) {
    loop_.modify(slot.sockets[at].get(), token, read, write);
  }
  slot.reads[at] = read;
  slot.writes[at] = write;
}

// What is due now; what need not be looked at in every turn is looked at every kTickMs.
void Shard::tick(int64_t now) {
  for (const auto& bait : baits_) bait->take_events(now);
  for (const uint32_t index : std::exchange(waiting_for_port_, {})) {
    connect(index);
    if (slots_[index].used) watch(index);
  }
  if (now - last_tick_ns_ < kTickMs * kMillisecond) return;
  last_tick_ns_ = now;
  writer_->tick();
  if (now - last_heartbeat_ns_ >= options_.heartbeat_ms * kMillisecond) {
    last_heartbeat_ns_ = now;
    for (const auto& bait : baits_) bait->heartbeat(now);
  }
  end_overdue(now);
}

void Shard::end_overdue(int64_t now) {
  std::vector<uint32_t> slots;
  for (const auto& [id, index] : live_) slots.push_back(index);
  for (const uint32_t index : slots) {
    Slot& slot = slots_[index];
    if (slot.session->phase() == Phase::connecting && now >= slot.connect_deadline_ns) {
      leg_failed(index, ETIMEDOUT);
    } else if (now - slot.active_ns >= options_.idle_timeout_ms * kMillisecond) {
      end(index, EndReason::timeout);
    } else if (stopping_ && now >= stop_deadline_ns_) {
      end(index, EndReason::shutdown);
    }
  }
}

void Shard::alert(SessionId session, Alert alert) {
  const auto found = live_.find(session.value);
  const bool cut = alert.raises_to() == SessionClass::attack && found != live_.end() &&
                   options_.services[slots_[found->second].service].on_alert == formats::OnAlert::cut;
  const AlertAction done = alert.action;
  if (cut) alert.action = AlertAction::cut;
  writer_->alert(session, now_realtime_ns(), alert);
  if (alert.crash_state) writer_->crash(session, now_realtime_ns(), {alert.id, *alert.crash_state});
  log::warning("session {}: {} {} {} by pid {}, {} ({})", to_string(session), alert.rule, alert.syscall,
               alert.arguments, alert.pid, to_string(alert.action), to_string(alert.confidence));
  if (!cut) return;
  writer_->note(
      session, now_realtime_ns(),
      {formats::NoteKind::cut, fmt::format("cut on the alert; on the honeypot host the call was {}", to_string(done))});
  end(found->second, EndReason::cut);
}

wire::LocalReply Shard::command(const wire::LocalRequest& request) {
  if (request.has_status()) {
    wire::LocalReply reply;
    reply.set_ok(true);
    reply.add_lines(status());
    return reply;
  }
  if (!request.has_cut()) return wire::refusal("skep-proxy does not know this request");
  const auto id = parse_session_id(request.cut().session());
  if (!id) return wire::refusal(fmt::format("'{}' is no session id", request.cut().session()));
  const auto found = live_.find(id->value);
  if (found == live_.end()) return wire::refusal(fmt::format("session {} is not open", request.cut().session()));
  writer_->note(*id, now_realtime_ns(), {formats::NoteKind::cut, "cut by the operator"});
  end(found->second, EndReason::cut);
  wire::LocalReply reply;
  reply.set_ok(true);
  return reply;
}

std::string Shard::status() const {
  const archive::Health& health = writer_->health();
  JsonWriter json;
  json.begin_object().field("program", "skep-proxy").field("archive", options_.archive);
  json.field("sessions_live", static_cast<unsigned long>(live_.size()))
      .field("sessions_total", sessions_total_)
      .field("sessions_refused", sessions_refused_);
  json.field("waiting_for_port", static_cast<unsigned long>(waiting_for_port_.size()));
  json.field("records_lost", health.records_lost)
      .field("bytes_lost", health.bytes_lost)
      .field("bytes_recorded", health.bytes);
  bool monitor_away = false;
  json.key("baits").begin_array();
  for (const auto& bait : baits_) {
    json.raw(bait->status_json());
    monitor_away |= !bait->supervised();
  }
  json.end_array().key("degraded").begin_array();
  if (health.disk_full) json.value("disk-full");
  if (out_of_descriptors_) json.value("descriptors");
  if (monitor_away) json.value("monitor-away");
  return json.end_array().end_object().take();
}

}  // namespace skep::proxy

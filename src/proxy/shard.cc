#include "proxy/shard.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "proxy/descriptors.h"
#include "proxy/privileges.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kTickMs = 50;
constexpr int64_t kIndexNs = 200 * kMillisecond;         // between two batches for the index
constexpr int kHeldMs = 1;                               // before those that wait for the disk are looked at again
constexpr int64_t kDescriptorsNs = 1000 * kMillisecond;  // without a lack, before it is said to be over
constexpr int kAcceptsATurn = 64;

// What a token means: kind in the low 4 bits, index above, generation in the upper half.
enum Kind : uint64_t {
  kClient = 0,
  kBait = 1,
  kListener = 2,
  kBaitLink = 3,
  kCommands = 4,
  kSignals = 5,
  kHeaders = 6
};
io::Token token_of(Kind kind, uint32_t index, uint32_t generation = 0) {
  return static_cast<uint64_t>(generation) << 32 | uint64_t{index} << 4 | kind;
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

// So that nobody can choose addresses that collide in a table.
uint64_t random_seed() {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != ssize_t{sizeof seed}) seed = static_cast<uint64_t>(now_realtime_ns());
  return seed;
}

archive::ArchiveOptions archive_options(const formats::ProxyOptions& options) {
  archive::ArchiveOptions archive;
  archive.segment_bytes = options.segment_bytes;
  archive.compress_after_s = options.compress_after_s;
  archive.retention = options.retention;
  return archive;
}

}  // namespace

Shard::Shard(const formats::ProxyOptions& options, io::Loop loop, uint64_t descriptors)
    : options_(options),
      services_(services_of(options_)),
      loop_(std::move(loop)),
      limits_(options_, descriptors, random_seed()),
      buffers_(options_.buffers_bytes_max),
      descriptors_max_(descriptors) {}

Result<std::unique_ptr<Shard>> Shard::start(const formats::ProxyOptions& options, Reread reread) {
  auto loop = io::Loop::make(options.engine);
  if (!loop) return tl::unexpected<Error>(loop.error());
  if (!loop->why_epoll().empty()) log::info("connections are watched by epoll: {}", loop->why_epoll());
  const uint64_t ports = formats::ports_of(options.services);
  const uint64_t raised = raise_descriptors(Limits::descriptors_for(options.sessions_max) + ports);
  const uint64_t descriptors = raised - std::min(raised, ports);
  std::unique_ptr<Shard> shard(new Shard(options, std::move(*loop), descriptors));
  shard->reread_ = std::move(reread);
  // What wants privilege comes first: ports, keys. No thread runs before it is given up.
  if (auto listening = shard->listen(); !listening) return tl::unexpected<Error>(listening.error());
  Fd metrics;
  if (options.metrics) {
    auto socket = io::listen_tcp(*options.metrics);
    if (!socket) return wrap("metrics", socket);
    metrics = std::move(*socket);
  }
  auto keys = load_keys(options);
  if (!keys) return tl::unexpected<Error>(keys.error());
  if (auto given = give_up_privileges(options); !given) return tl::unexpected<Error>(given.error());
  archive::ArchiveOptions writing = archive_options(options);
  writing.indexed = [&tagged = shard->tagged_](const archive::SessionSummary& row) { tagged.indexed(row); };
  auto archive = archive::Archive::open(options.archive, writing);
  if (!archive) return tl::unexpected<Error>(archive.error());
  shard->archive_ = std::move(*archive);
  shard->writer_ = &shard->archive_->writer(0);
  if (auto started = shard->tagged_.start(); !started) return tl::unexpected<Error>(started.error());
  if (auto started = shard->start_baits(std::move(*keys)); !started) return tl::unexpected<Error>(started.error());
  shard->recall();
  if (auto started = shard->start_commands(); !started) return tl::unexpected<Error>(started.error());
  if (metrics) shard->metrics_ = std::make_unique<MetricsServer>(std::move(metrics));
  if (auto closed = close_sandbox(); !closed) return tl::unexpected<Error>(closed.error());
  return shard;
}

Status Shard::watch_listener(int socket, size_t index) {
  return loop_.add(socket, token_of(kListener, static_cast<uint32_t>(index)));
}

Status Shard::listen() {
  for (size_t service = 0; service < services_.size(); ++service) {
    current_.push_back(service);
    source_kept_from_start_ |= services_[service].options.source_kept;
    for (const formats::EndpointRange& where : services_[service].options.listen) {
      for (uint16_t offset = 0; offset < where.ports; ++offset) {
        auto socket = io::listen_tcp(where.at(offset), services_[service].options.transparent);
        if (!socket) return wrap("service " + services_[service].options.name, socket);
        if (auto added = watch_listener(socket->get(), listeners_.size()); !added) return added;
        listeners_.push_back({std::move(*socket), service, offset});
      }
    }
  }
  auto headers = HeaderIntake::make();
  if (!headers) return tl::unexpected<Error>(headers.error());
  headers_ = std::move(*headers);
  return loop_.add(headers_->poll_fd(), token_of(kHeaders, 0));
}

Status Shard::start_baits(std::vector<wire::TlsContext> keys) {
  for (size_t i = 0; i < options_.baits.size(); ++i) {
    const formats::BaitOptions& bait = options_.baits[i];
    auto link =
        std::make_unique<ControlLink>(bait.monitor, std::move(keys[i]), 3 * kMillisecond * options_.heartbeat_ms);
    const auto index = static_cast<uint32_t>(baits_.size());
    if (auto added = loop_.add(link->wake_fd(), token_of(kBaitLink, index)); !added) return added;
    baits_.push_back(std::make_unique<Bait>(bait, options_.source_port_first, options_.source_port_last,
                                            std::move(link), *writer_,
                                            [this](SessionId session, const Alert& each) { alert(session, each); }));
  }
  return {};
}

Status Shard::start_commands() {
  auto commands = wire::LocalServer::listen(options_.socket);
  if (!commands) return tl::unexpected<Error>(commands.error());
  commands_ = std::make_unique<wire::LocalServer>(std::move(*commands));
  if (auto added = loop_.add(commands_->poll_fd(), token_of(kCommands, 0)); !added) return added;
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  reserve_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!signals_ || !reserve_) return fail_errno("signalfd");
  return loop_.add(signals_.get(), token_of(kSignals, 0));
}

void Shard::run() {
  systemd_.ready();
  while (!stopping_ || !live_.empty() || headers_->waiting() > 0) {
    const int wait_ms = !next_.empty() ? 0 : !held_.empty() ? kHeldMs : kTickMs;
    for (const io::Event& event : loop_.wait(wait_ms)) take_event(event);
    move_queued();
    tick(now_monotonic_ns());
  }
  log::info("all sessions are closed: {} in all", counters_.sessions_total);
}

void Shard::take_event(const io::Event& event) {
  const auto kind = static_cast<Kind>(event.token & 15);
  const auto index = static_cast<uint32_t>(event.token >> 4 & 0xfffffff);
  const auto generation = static_cast<uint32_t>(event.token >> 32);
  switch (kind) {
    case kListener:
      // Else: told to stop, or of options that have changed, in this very turn.
      if (index < listeners_.size() && listeners_[index].socket) accept_all(listeners_[index]);
      return;
    case kBaitLink:
      return baits_[index]->take_events(now_monotonic_ns());
    case kCommands:
      return commands_->step(now_monotonic_ns(),
                             [this](const wire::LocalRequest& request) { return command(request); });
    case kSignals:
      return take_signal();
    case kHeaders:
      return take_headers(now_monotonic_ns());
    case kClient:
    case kBait:
      break;
  }
  Slot& slot = slots_[index];
  if (!slot.relay || slot.generation != generation) return;  // of a session that has ended meanwhile
  const Side side = kind == kClient ? Side::client : Side::bait;
  if (side == Side::bait && slot.relay->connecting()) return leg_ready(index, event);
  slot.relay->told(side, event);
  move(index);
}

void Shard::take_signal() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGHUP) {
    [[maybe_unused]] const auto said_in_the_log = reload();
    return;
  }
  if (std::exchange(stopping_, true)) {
    log::info("told to stop once more: {} live sessions are ended at once", live_.size());
    stop_deadline_ns_ = 0;
    return;
  }
  stop_deadline_ns_ = now_monotonic_ns() + options_.shutdown_grace_ms * kMillisecond;
  systemd_.stopping();
  listeners_.clear();
  headers_->end_all(EndReason::shutdown, [this](HeaderIntake::Outcome outcome) { header_taken(std::move(outcome)); });
  log::info("told to stop: no new session; {} live ones have {} ms", live_.size(), options_.shutdown_grace_ms);
}

bool Shard::accept_all(Listener& listener) {
  for (int i = 0; i < kAcceptsATurn; ++i) {
    io::Accepted accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket) {
      came_in({std::move(accepted), listener.service, listener.offset, {}, {}});
      continue;
    }
    if (errno != EMFILE && errno != ENFILE) return false;
    // The system has none: the reserve lets this one in, to be turned away with a reset instead of being left to hang.
    reserve_.reset();
    accepted = io::accept_tcp(listener.socket.get());
    if (accepted.socket) refuse({std::move(accepted), listener.service, listener.offset, {}, {}}, Limit::descriptors);
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    return true;
  }
  return true;
}

void Shard::refuse(const Arrival& arrival, Limit limit) {
  counters_.refused(services_[arrival.service].options.name, to_string(limit));
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
  if (limit == Limit::descriptors) {
    out_of_descriptors_ = true;
    descriptors_lacked_ns_ = now;
  }
  const auto lines = limits_.log_line(limit, now);
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
  const int64_t now = now_monotonic_ns();
  const Limits::Admission admission = limits_.admit(arrival.accepted.peer, now);
  if (admission.refused) return refuse(arrival, *admission.refused);
  const uint32_t index = free_slot();
  Slot& slot = slots_[index];
  slot.service = arrival.service;
  slot.offset = arrival.offset;
  slot.peer = arrival.accepted.peer;
  slot.id = begin(arrival);
  slot.source = admission.source;
  slot.opened_ns = now;
  slot.times = {options_.connect_timeout_ms, options_.idle_timeout_ms, options_.life_ms};
  const RelayOptions relay{options_.buffer_bytes, options_.durability, options_.session_bytes_max};
  slot.relay = std::make_unique<Relay>(*writer_, buffers_, slot.id, relay, std::move(arrival.accepted.socket));
  choose_bait(index);
  deadlines_.set(index, deadline_of(slot));
  live_[slot.id.value] = index;
  counters_.opened(services_[slot.service].options.name);
  if (services_[slot.service].is_parent) kin_.opened(slot.service, slot.peer, slot.id);
  // What is there already is read first: for whoever has only looked whether somebody listens, the bait is left alone.
  move(index);
  if (!slots_[index].relay) return;
  if (watch(index, Side::client)) connect(index);
}

// False: it could not be, and the session is over.
bool Shard::watch(uint32_t index, Side side) {
  const Slot& slot = slots_[index];
  const bool bait = side == Side::bait;
  const io::Token token = token_of(bait ? kBait : kClient, index, slot.generation);
  const auto added = loop_.add_connection(slot.relay->stream(side), token, bait);
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
  slot.relay->bait_chosen(std::move(socket));
  if (Bait* bait = bait_of(slot); bait != nullptr) {
    slot.leg_announced = true;
    bait->leg_opened(slot.id, {{io::local_end(leg), slot.to}, services_[slot.service].options.name});
  }
  watch(index, Side::bait);
}

void Shard::leg_failed(uint32_t index, int error) {
  if (try_another(index, error)) return;
  slots_[index].relay->bait_failed(error);
  close(index);
}

// The connection to the bait stands, or will not.
void Shard::leg_ready(uint32_t index, const io::Event& event) {
  Slot& slot = slots_[index];
  const int leg = slot.relay->socket(Side::bait);
  const int error = event.failed ? io::pending_error(leg) : 0;
  // One that was reset has stood, if nobody has looked meanwhile: who refuses does it with ECONNREFUSED.
  if (error != 0 && error != ECONNRESET) return leg_failed(index, error);
  if (error == 0 && !event.writable) return;
  slot.leg_stands = true;
  writer_->connected(slot.id, now_realtime_ns(), {io::local_end(leg), slot.to});
  bait_answered(slot);
  slot.relay->bait_stands();
  if (error == ECONNRESET) slot.relay->bait_was_reset();
  slot.relay->told(Side::bait, event);
  move(index);
}

void Shard::move(uint32_t index) {
  Slot& slot = slots_[index];
  const Relay::Progress progress = slot.relay->move();
  if (const auto limit = slot.relay->take_limit()) met(*limit, slot);
  if (slot.relay->over()) return close(index);
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
  const Session& session = slot.relay->session();
  formats::ClosedEvent event;
  event.reason = session.end_reason();
  event.bytes_in = session.received_from(Side::client);
  event.bytes_out = session.received_from(Side::bait);
  event.forwarded_in = session.forwarded_to(Side::bait);
  event.forwarded_out = session.forwarded_to(Side::client);
  event.client_leg = io::tcp_figures(slot.relay->socket(Side::client));
  if (slot.leg_stands) event.bait_leg = io::tcp_figures(slot.relay->socket(Side::bait));
  writer_->closed(slot.id, now_realtime_ns(), event);
  counters_.ended(services_[slot.service].options.name, event.reason, event.bytes_in, event.bytes_out);
  slot.relay.reset();
  if (Bait* bait = bait_of(slot); bait != nullptr && slot.leg_announced) bait->leg_closed(slot.id, slot.leg_stands);
  if (services_[slot.service].is_parent) kin_.ended(slot.service, slot.peer, slot.id, now_monotonic_ns());
  live_.erase(slot.id.value);
  limits_.ended(slot.source, now_monotonic_ns());
  deadlines_.clear(index);
  std::erase(waiting_for_port_, index);
  free_slots_.push_back(index);
}

void Shard::end(uint32_t index, EndReason reason) {
  slots_[index].relay->end(reason);
  close(index);
}

// What is due now; what need not be looked at in every turn is looked at every kTickMs.
void Shard::tick(int64_t now) {
  for (const auto& bait : baits_) bait->take_events(now);
  for (const uint32_t index : std::exchange(waiting_for_port_, {})) connect(index);
  if (now - last_tick_ns_ < kTickMs * kMillisecond) return;
  last_tick_ns_ = now;
  if (now - last_index_ns_ >= kIndexNs) {
    last_index_ns_ = now;
    writer_->tick();
  }
  if (now - last_heartbeat_ns_ >= options_.heartbeat_ms * kMillisecond) {
    last_heartbeat_ns_ = now;
    for (const auto& bait : baits_) bait->heartbeat(now);
  }
  out_of_descriptors_ &= now - descriptors_lacked_ns_ < kDescriptorsNs;
  take_headers(now);
  end_overdue(now);
  tell_watchers(now);
}

int64_t Shard::deadline_of(const Slot& slot) const {
  int64_t at = slot.relay->active_ns() + slot.times.idle_ms * kMillisecond;
  if (slot.times.life_ms > 0) at = std::min(at, slot.opened_ns + slot.times.life_ms * kMillisecond);
  if (slot.relay->connecting()) at = std::min(at, slot.connecting_ns + slot.times.connect_ms * kMillisecond);
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
  if (slot.relay->connecting() && now >= slot.connecting_ns + slot.times.connect_ms * kMillisecond)
    return leg_failed(index, ETIMEDOUT);
  const bool idle = now >= slot.relay->active_ns() + slot.times.idle_ms * kMillisecond;
  met(idle ? Limit::idle_timeout_ms : Limit::life_ms, slot);
  end(index, EndReason::timeout);
}

void Shard::end_all(EndReason reason) {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].relay) end(index, reason);
  }
}

void Shard::alert(SessionId session, Alert alert) {
  const auto found = live_.find(session.value);
  const bool cut = alert.raises_to() == SessionClass::attack && found != live_.end() &&
                   services_[slots_[found->second].service].options.on_alert == formats::OnAlert::cut;
  const AlertAction done = alert.action;
  if (cut) alert.action = AlertAction::cut;
  const SessionClass before = writer_->class_of(session);
  writer_->alert(session, now_realtime_ns(), alert);
  counters_.alert(alert.rule);
  if (start_ns(session) >= started_ns_)
    counters_.raised(writer_->service_of(session), before, writer_->class_of(session));
  if (alert.crash_state) writer_->crash(session, now_realtime_ns(), {alert.id, *alert.crash_state});
  log::write_repeated({"alerts", 200}, log::Level::warning,
                      fmt::format("{} {} {} by pid {}, {} ({})", alert.rule, alert.syscall, alert.arguments, alert.pid,
                                  to_string(alert.action), to_string(alert.confidence)),
                      to_string(session));
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
    reply.add_lines(status_json(picture()));
    return reply;
  }
  if (request.has_reload()) {
    const auto done = reload();
    if (!done) return wire::refusal(done.error().message);
    wire::LocalReply reply;
    reply.set_ok(true);
    reply.add_lines(*done);
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

}  // namespace skep::proxy

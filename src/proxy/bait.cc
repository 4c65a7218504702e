#include "proxy/bait.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

namespace skep::proxy {
namespace {

constexpr size_t kAlertsKnownMax = 20'000;   // twice what the monitor keeps
constexpr uint64_t kClaimsASecond = 20'000;  // of one monitor: alerts; and as many of what happens to processes
constexpr int64_t kSecond = 1'000'000'000;

Endpoint endpoint_of(const std::string& address, uint32_t port) {
  Endpoint endpoint;
  if (address.size() == endpoint.address.size()) std::memcpy(endpoint.address.data(), address.data(), address.size());
  endpoint.port = static_cast<uint16_t>(port);
  return endpoint;
}

Tuple tuple_of(const wire::FlowTuple& flow) {
  return {endpoint_of(flow.remote_address(), flow.remote_port()), endpoint_of(flow.local_address(), flow.local_port())};
}

void fill(wire::FlowTuple& to, const Tuple& tuple) {
  to.set_remote_address(tuple.proxy.address.data(), tuple.proxy.address.size());
  to.set_remote_port(tuple.proxy.port);
  to.set_local_address(tuple.bait.address.data(), tuple.bait.address.size());
  to.set_local_port(tuple.bait.port);
}

CrashState crash_of(const wire::CrashState& from) {
  CrashState state;
  state.pid = from.pid();
  state.tid = from.tid();
  state.comm = from.comm();
  state.signal = from.signal();
  state.code = from.code();
  state.address = from.address();
  state.registers.assign(from.registers().begin(), from.registers().end());
  state.code_bytes = from.code_bytes();
  state.stack = from.stack();
  return state;
}

Alert alert_of(const wire::Alert& from) {
  Alert alert;
  alert.id = from.id();
  alert.time_ns = static_cast<int64_t>(from.time_ns());
  alert.rule = from.rule();
  alert.priority = from.priority();
  alert.description = from.description();
  alert.pid = from.pid();
  alert.tid = from.tid();
  alert.exe = from.exe();
  alert.syscall = from.syscall();
  alert.arguments = from.arguments();
  alert.provenance = from.provenance();
  alert.action = static_cast<AlertAction>(from.action());
  alert.confidence = static_cast<Confidence>(from.confidence());
  alert.crash = from.crash();
  alert.suspect = from.suspect();
  alert.tags.assign(from.tags().begin(), from.tags().end());
  alert.stream_offset = from.stream_offset();
  alert.steps.assign(from.steps().begin(), from.steps().end());
  alert.candidates.assign(from.candidates().begin(), from.candidates().end());
  for (const wire::Process& process : from.lineage()) {
    alert.lineage.push_back({process.pid(), process.parent(), process.uid(), static_cast<int64_t>(process.start_ns()),
                             process.exe(), process.args(), process.comm()});
  }
  if (from.has_crash_state()) alert.crash_state = crash_of(from.crash_state());
  return alert;
}

}  // namespace

Bait::Bait(formats::BaitOptions options, const BaitSettings& settings, wire::TlsContext tls, Post& post,
           archive::EvidenceStore& evidence, Guarded<Guests>& guests)
    : options_(std::move(options)),
      settings_(settings),
      post_(post),
      guests_(guests),
      link_(options_.monitor, std::move(tls), 3 * settings.heartbeat_ns),
      ports_(settings.first_port, settings.last_port),
      files_(
          evidence, [this](SessionId session, formats::FileEvent event) { tell(session, std::move(event)); },
          [this](wire::Frame frame) { link_.send(std::move(frame)); }) {}

Bait::~Bait() {
  link_.stop();
}

void Bait::start() {
  link_.start([this](const std::vector<wire::ControlEvent>& events, int64_t now_ns) { turn(events, now_ns); });
}

bool Bait::supervised() const {
  const std::lock_guard lock(mutex_);
  return connected_;
}

std::optional<uint16_t> Bait::take_free_port() {
  const std::lock_guard lock(mutex_);
  const auto port = ports_.next_free();
  if (port) ports_.taken(*port);
  return port;
}

bool Bait::take_port(uint16_t port) {
  const std::lock_guard lock(mutex_);
  if (!ports_.usable(port)) return false;
  ports_.taken(port);
  return true;
}

void Bait::give_port_back(uint16_t port) {
  const std::lock_guard lock(mutex_);
  ports_.ended(port, false, connected_);
}

// To the session's shard, whose full mailbox is counted; to a guest.
void Bait::tell(SessionId session, decltype(Word::what) what) {
  if (is_guest(session)) {
    guests_->told(session, what);
    return;
  }
  if (!post_.tell({session, std::move(what)})) ++words_refused_;
}

void Bait::note(SessionId session, formats::NoteKind kind, std::string words) {
  tell(session, formats::NoteEvent{kind, std::move(words)});
}

void Bait::announce(SessionId session, const LiveLeg& leg) {
  wire::Frame frame;
  wire::SessionOpened& opened = *frame.mutable_session_opened();
  opened.set_session(session.value);
  fill(*opened.mutable_flow(), leg.tuple);
  opened.set_service(leg.service);
  link_.send(std::move(frame));
}

std::optional<formats::NoteEvent> Bait::leg_opened(SessionId session, const LiveLeg& leg) {
  const std::lock_guard lock(mutex_);
  const uint16_t port = leg.tuple.proxy.port;
  LiveLeg& live = live_[session.value] = leg;
  live.joined = ports_.names(port);
  if (!live.joined)
    return formats::NoteEvent{formats::NoteKind::unsupervised, "its source port may still mean an earlier session"};
  if (join_.session_opened(session, leg.tuple, now_monotonic_ns())) ports_.bound(port);
  if (!connected_) return formats::NoteEvent{formats::NoteKind::unsupervised, "the bait's monitor is away"};
  announce(session, leg);
  return std::nullopt;
}

// It is announced before its connection is made, so that a flow of the same ends which was told already is another.
Status Bait::guest_announced(SessionId guest, const LiveLeg& leg) {
  const std::lock_guard lock(mutex_);
  const uint16_t port = leg.tuple.proxy.port;
  if (!connected_) return fail("bait {}: its monitor is away", name());
  if (!ports_.usable(port) || !ports_.names(port))
    return tl::unexpected<Error>(
        Error{fmt::format("source port {} may still mean an earlier session", port), EADDRINUSE});
  ports_.taken(port);
  live_[guest.value] = leg;
  ++live_guests_;
  join_.session_forgotten(guest, leg.tuple);
  join_.session_opened(guest, leg.tuple, now_monotonic_ns());
  announce(guest, leg);
  return {};
}

void Bait::leg_recovered(SessionId session, const Tuple& tuple) {
  const std::lock_guard lock(mutex_);
  join_.session_opened(session, tuple, now_monotonic_ns());
  ports_.taken(tuple.proxy.port);
  ports_.ended(tuple.proxy.port, true, false);
  ended_unbound_[session.value] = tuple;
}

void Bait::leg_closed(SessionId session, bool connected) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(session.value);
  if (found == live_.end()) return;
  const Tuple tuple = found->second.tuple;
  live_.erase(found);
  if (is_guest(session)) --live_guests_;
  ports_.ended(tuple.proxy.port, connected, connected_);
  ended_unbound_[session.value] = tuple;
  forget_ended();
  if (!connected_) return;
  wire::Frame frame;
  frame.mutable_session_closed()->set_session(session.value);
  if (is_guest(session)) fill(*frame.mutable_session_closed()->mutable_replayed(), tuple);
  link_.send(std::move(frame));
}

// Whoever ended unbound and whose port is free again can be meant by no flow that is still to come.
void Bait::forget_ended() {
  std::erase_if(ended_unbound_, [&](const auto& item) {
    if (!ports_.usable(item.second.proxy.port)) return false;
    join_.session_forgotten({item.first}, item.second);
    return true;
  });
}

// The link's thread: what has come, and what is due.
void Bait::turn(const std::vector<wire::ControlEvent>& events, int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  for (const wire::ControlEvent& event : events) {
    if (std::holds_alternative<wire::PeerConnected>(event)) {
      greet();
    } else if (const auto* lost = std::get_if<wire::PeerGone>(&event)) {
      gone(lost->why);
    } else {
      last_heard_ns_ = now_realtime_ns();
      take_frame(std::get<wire::Frame>(event), now_ns);
    }
  }
  deliver(join_.take_ready(now_ns));
  files_.step(now_ns);
  if (now_ns - last_heartbeat_ns_ >= settings_.heartbeat_ns) heartbeat(now_ns);
}

void Bait::greet() {
  alerts_taken_ = alerts_marked_ = alerts_recorded_ = 0;
  mark_.clear();
  wire::Frame hello;
  hello.mutable_hello()->set_version(1);
  hello.mutable_hello()->set_name(name());
  hello.mutable_hello()->set_proxy_start(static_cast<uint64_t>(now_realtime_ns()));
  link_.send(std::move(hello));
}

// From its welcome on the monitor tells of every flow; of those that came and went before, it may have told nobody.
void Bait::welcomed() {
  if (connected_) return;
  connected_ = true;
  files_.monitor_came(now_monotonic_ns());
  log::info("bait {}: its monitor is connected", name());
  for (const auto& [id, leg] : live_) {
    if (!leg.joined) continue;
    announce({id}, leg);
    note({id}, formats::NoteKind::supervised_again, "the bait's monitor is there");
  }
}

void Bait::gone(const std::string& why) {
  const bool supervised = std::exchange(connected_, false);
  files_.monitor_gone(now_monotonic_ns());
  log::warning("bait {}: its monitor is away ({}): sessions are recorded unsupervised until it is back", name(), why);
  for (const auto& [id, leg] : live_) {
    if (!supervised) break;  // they are noted already
    note({id}, formats::NoteKind::unsupervised, "the bait's monitor went away: " + why);
  }
}

// What was taken is said once it is recorded, so that a killed proxy is told again what it had not recorded yet.
void Bait::heartbeat(int64_t now_ns) {
  last_heartbeat_ns_ = now_ns;
  if (!connected_) return;
  if (post_.passed(mark_) && join_.waiting() == 0) {
    alerts_recorded_ = std::exchange(alerts_marked_, alerts_taken_);
    mark_ = post_.mark();
  }
  wire::Frame frame;
  frame.mutable_ping()->set_number(++pings_);
  frame.mutable_ping()->set_sent_ns(static_cast<uint64_t>(now_ns));
  frame.mutable_ping()->set_alerts_taken(alerts_recorded_);
  ports_.ping_sent(pings_);
  link_.send(std::move(frame));
}

// `serial`: of the flow that the claim is about. Beyond the rate it is dropped, which is counted, and said once a
// second: in the log, and in the log of the session that it would have been for.
bool Bait::within_rate(Rate& rate, uint64_t serial, int64_t now_ns) {
  if (now_ns - rate.since_ns >= kSecond) rate = {now_ns, 0};
  if (++rate.claims <= kClaimsASecond) return true;
  ++claims_over_rate_;
  if (rate.claims > kClaimsASecond + 1) return false;
  log::warning("bait {}: its monitor claims more than {} events a second: the rest is counted and dropped", name(),
               kClaimsASecond);
  if (const auto session = join_.session_of(serial)) {
    note(*session, formats::NoteKind::monitor_flooding, "the bait's monitor claims too much: some of it was dropped");
  }
  return false;
}

void Bait::take_frame(const wire::Frame& frame, int64_t now_ns) {
  if (frame.has_flow_opened()) {
    take_flow(frame.flow_opened(), now_ns);
  } else if (frame.has_flow_served()) {
    if (within_rate(process_rate_, frame.flow_served().serial(), now_ns)) take_served(frame.flow_served());
  } else if (frame.has_pong()) {
    take_pong(frame.pong(), now_ns);
  } else if (frame.has_process()) {
    if (within_rate(process_rate_, frame.process().serial(), now_ns)) take_process(frame.process());
  } else if (frame.has_alert()) {
    ++alerts_taken_;
    if (within_rate(alert_rate_, frame.alert().serial(), now_ns)) take_alert(frame.alert(), now_ns);
  } else if (frame.has_file_found()) {
    ++alerts_taken_;
    if (within_rate(file_rate_, 0, now_ns)) files_.found(frame.file_found(), now_ns);
  } else if (frame.has_file_chunk()) {
    files_.piece(frame.file_chunk(), now_ns);
  } else if (frame.has_records_lost()) {
    ++alerts_taken_;
    if (within_rate(file_rate_, 0, now_ns)) take_lost(frame.records_lost());
  } else if (frame.has_degraded()) {
    log::write_repeated({"words of monitors", 50}, log::Level::warning,
                        fmt::format("bait {}: its monitor says: {}", name(), frame.degraded().words()));
  } else if (frame.has_welcome()) {
    welcomed();
  } else if (frame.has_flow_closed()) {
    join_.flow_closed(frame.flow_closed().serial());
  } else {
    ++claims_malformed_;
  }
}

void Bait::take_flow(const wire::FlowOpened& opened, int64_t now_ns) {
  const auto bound = join_.flow_opened(opened.serial(), tuple_of(opened.flow()), now_ns);
  if (!bound) return;
  ports_.bound(bound->tuple.proxy.port);
  ended_unbound_.erase(bound->session.value);
}

void Bait::take_served(const wire::FlowServed& served) {
  if (const auto session = join_.session_of(served.serial()))
    tell(*session, formats::ServedEvent{served.serial(), served.pid(), served.tid()});
}

void Bait::take_process(const wire::ProcessEvent& event) {
  const auto session = join_.session_of(event.serial());
  if (!session) return;
  tell(*session, formats::ProcessEvent{static_cast<formats::ProcessKind>(event.kind()), event.pid(), event.parent(),
                                       event.status(), event.exe()});
}

// What was under way when a connection ended is told again by the next.
bool Bait::known_already(const wire::Alert& alert) {
  const auto [at, fresh] = alerts_known_.emplace(alert.id(), alert.pid());
  if (!fresh) return true;
  alerts_order_.push_back(*at);
  if (alerts_order_.size() > kAlertsKnownMax) {
    alerts_known_.erase(alerts_order_.front());
    alerts_order_.pop_front();
  }
  return false;
}

void Bait::take_alert(const wire::Alert& alert, int64_t now_ns) {
  if (known_already(alert)) return;
  Join::Claim claim;
  claim.serial = alert.serial();
  claim.tuple = tuple_of(alert.flow());
  claim.candidates.assign(alert.candidates().begin(), alert.candidates().end());
  claim.writer = {alert.writer(), tuple_of(alert.writer_flow()), static_cast<Confidence>(alert.writer_confidence()),
                  alert.writer_offset()};
  claim.alert = alert_of(alert);
  deliver(join_.alert(std::move(claim), now_ns));
}

void Bait::deliver(const std::vector<Join::Delivered>& delivered) {
  for (const Join::Delivered& each : delivered) {
    tell(each.session, each.alert);
    // The files of a guest's alert would be evidence of nothing in the archive: they are not fetched.
    if (!is_guest(each.session)) files_.alert_delivered(each.alert, each.session);
  }
}

void Bait::take_pong(const wire::Pong& pong, int64_t) {
  ports_.pong_received(pong.number());
  forget_ended();
  const uint64_t lost = pong.kernel_lost() + pong.messages_dropped();
  if (lost > monitor_lost_) log::warning("bait {}: its monitor has lost {} records in all", name(), lost);
  monitor_lost_ = lost;
}

// Said where something may be lacking: the verdicts themselves depend on no record.
void Bait::take_lost(const wire::RecordsLost& lost) {
  if (lost.number() <= last_loss_) return;  // told again by a new connection
  last_loss_ = lost.number();
  std::set<uint64_t> sessions;
  for (const wire::FlowName& flow : lost.flows()) {
    auto session = join_.session_of(flow.serial());
    if (!session) session = join_.unbound_at(tuple_of(flow.flow()));
    if (session) sessions.insert(session->value);
  }
  for (const auto& [id, leg] : live_) {
    if (lost.more() && leg.joined) sessions.insert(id);
  }
  const std::string words = fmt::format("kernel records were lost: {} of {}", lost.records(), lost.ring());
  log::warning("bait {}: {}; {} sessions were open meanwhile", name(), words, sessions.size());
  for (const uint64_t session : sessions) note({session}, formats::NoteKind::kernel_lost, words);
}

BaitPicture Bait::picture() const {
  const std::lock_guard lock(mutex_);
  return {name(), connected_, live_sessions(), monitor_lost_ + link_.counters().missing, status_json()};
}

std::string Bait::status_json() const {
  JsonWriter json;
  json.begin_object()
      .field("name", name())
      .field("monitor", to_string(options_.monitor))
      .field("connected", connected_);
  json.key("last_heard");
  if (last_heard_ns_ == 0) {
    json.null();
  } else {
    json.value(format_time(last_heard_ns_));
  }
  const auto channel = link_.counters();
  json.field("live_sessions", static_cast<unsigned long>(live_sessions()))
      .field("bindings", static_cast<unsigned long>(join_.bindings()));
  json.field("ports_held", static_cast<unsigned long>(ports_.held()))
      .field("ports_unnamed", static_cast<unsigned long>(ports_.unnamed()))
      .field("monitor_lost", monitor_lost_)
      .field("frames_missing", channel.missing);
  json.field("frames_malformed", channel.malformed + claims_malformed_).field("claims_over_rate", claims_over_rate_);
  json.field("alerts_dropped", join_.counters().alerts_dropped)
      .field("alerts_contradictory", join_.counters().alerts_contradictory)
      .field("flows_dropped", join_.counters().flows_dropped)
      .field("queue_refused", link_.refused() + words_refused_);
  json.field("files_refused", files_.refused())
      .field("files_under_way", static_cast<unsigned long>(files_.under_way()));
  return json.end_object().take();
}

}  // namespace skep::proxy

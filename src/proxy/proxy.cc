#include "proxy/proxy.h"

#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>

#include "base/log.h"
#include "base/text.h"
#include "proxy/descriptors.h"
#include "proxy/privileges.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int kTickMs = 50;
constexpr int64_t kPatienceNs = 5000 * kMillisecond;  // with a shard that is asked
constexpr std::chrono::milliseconds kLook{100};       // whether it is still there

enum Token : io::Token { kCommands = 0, kSignals = 1 };

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

}  // namespace

Proxy::Proxy(std::shared_ptr<const Settings> settings, uint64_t descriptors, unsigned shards, io::Loop loop)
    : descriptors_max_(descriptors),
      settings_(std::move(settings)),
      loop_(std::move(loop)),
      tagged_(settings_->options.archive),
      post_(shards),
      common_(settings_->options, descriptors, random_seed()),
      doors_(shards) {
  for (const formats::ServiceOptions& service : settings_->options.services)
    source_kept_from_start_ |= service.source_kept;
}

Result<std::unique_ptr<Proxy>> Proxy::start(const formats::ProxyOptions& options, Reread reread) {
  const unsigned shards = formats::shards_of(options);
  auto loop = io::Loop::make(Engine::epoll);
  if (!loop) return tl::unexpected<Error>(loop.error());
  auto filters = make_filters(options);
  if (!filters) return tl::unexpected<Error>(filters.error());
  say_filters(*filters);
  const uint64_t ports = formats::ports_of(options.services) * shards;
  const uint64_t raised = raise_descriptors(Limits::descriptors_for(options.sessions_max) + ports);
  std::unique_ptr<Proxy> proxy(new Proxy(first_settings(options, std::move(*filters)), raised - std::min(raised, ports),
                                         shards, std::move(*loop)));
  proxy->reread_ = std::move(reread);
  for (unsigned i = 0; i < shards; ++i) {
    auto shard = Shard::make(proxy->common_, proxy->post_.of(i), proxy->settings_);
    if (!shard) return tl::unexpected<Error>(shard.error());
    proxy->shards_.push_back(std::move(*shard));
  }
  if (const std::string& why = proxy->shards_.front()->why_epoll(); !why.empty())
    log::info("connections are watched by epoll: {}", why);
  // What wants privilege comes first: ports, keys. No thread runs before it is given up.
  if (auto listening = proxy->listen(); !listening) return tl::unexpected<Error>(listening.error());
  Fd metrics;
  if (options.metrics) {
    auto socket = io::listen_tcp(*options.metrics);
    if (!socket) return wrap("metrics", socket);
    metrics = std::move(*socket);
  }
  auto keys = load_keys(options);
  if (!keys) return tl::unexpected<Error>(keys.error());
  if (auto given = give_up_privileges(options); !given) return tl::unexpected<Error>(given.error());
  if (auto opened = proxy->open_archive(); !opened) return tl::unexpected<Error>(opened.error());
  if (auto started = proxy->start_baits(std::move(*keys)); !started) return tl::unexpected<Error>(started.error());
  if (auto started = proxy->start_commands(); !started) return tl::unexpected<Error>(started.error());
  if (metrics) proxy->metrics_ = std::make_unique<MetricsServer>(std::move(metrics));
  for (unsigned i = 0; i < shards; ++i) proxy->shards_[i]->start(proxy->archive_->writer(i));
  if (auto closed = close_sandbox(); !closed) return tl::unexpected<Error>(closed.error());
  return proxy;
}

// In the order in which they need each other: what the baits still say is recorded before the archive ends.
Proxy::~Proxy() {
  stop_shards(0);
  for (const auto& shard : shards_) shard->join();
  common_.baits.clear();
  for (const auto& shard : shards_) shard->settle();
}

void Proxy::stop_shards(int64_t deadline_ns) {
  for (size_t i = 0; i < shards_.size(); ++i)
    post_.of(static_cast<unsigned>(i)).put(Errand([=](Shard& shard) { shard.stop(deadline_ns); }));
}

Status Proxy::listen() {
  auto opened = doors_.open(settings_->options.services);
  if (!opened) return tl::unexpected<Error>(opened.error());
  doors_.settle(*opened);
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (auto listening = shards_[i]->listen(opened->all, std::move(opened->fresh[i])); !listening) return listening;
  }
  return {};
}

Status Proxy::open_archive() {
  const formats::ProxyOptions& options = settings_->options;
  archive::ArchiveOptions writing;
  writing.segment_bytes = options.segment_bytes;
  writing.compress_after_s = options.compress_after_s;
  writing.retention = options.retention;
  writing.writers = static_cast<unsigned>(shards_.size());
  writing.indexed = [this](const archive::SessionSummary& row) { tagged_.indexed(row); };
  auto archive = archive::Archive::open(options.archive, writing);
  if (!archive) return tl::unexpected<Error>(archive.error());
  archive_ = std::move(*archive);
  return tagged_.start();
}

Status Proxy::start_baits(std::vector<wire::TlsContext> keys) {
  const formats::ProxyOptions& options = settings_->options;
  const BaitSettings settings{options.source_port_first, options.source_port_last, options.heartbeat_ms * kMillisecond};
  for (size_t i = 0; i < options.baits.size(); ++i)
    common_.baits.push_back(std::make_unique<Bait>(options.baits[i], settings, std::move(keys[i]), post_,
                                                   archive_->evidence(), common_.guests));
  recall();
  for (const auto& bait : common_.baits) bait->start();
  return {};
}

void Proxy::recall() {
  for (const archive::SessionSummary& session : archive_->recovered()) {
    for (const auto& service : settings_->services) {
      if (service->options.name != session.service || session.leg.port == 0) continue;
      if (session.protocol != Protocol::tcp) continue;  // the monitor had not been told of it
      for (size_t i = 0; i < service->baits.size(); ++i) {
        if (service->baits[i] != Service::kUnsupervised && service->options.baits[i].address.contains(session.bait))
          common_.baits[service->baits[i]]->leg_recovered(session.id, {session.leg, session.bait});
      }
    }
  }
}

Status Proxy::start_commands() {
  auto commands = wire::LocalServer::listen(settings_->options.socket);
  if (!commands) return tl::unexpected<Error>(commands.error());
  commands_ = std::make_unique<wire::LocalServer>(std::move(*commands));
  if (auto added = loop_.add(commands_->poll_fd(), kCommands); !added) return added;
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return fail_errno("signalfd");
  return loop_.add(signals_.get(), kSignals);
}

bool Proxy::over() const {
  return std::all_of(shards_.begin(), shards_.end(), [](const auto& shard) { return shard->over(); });
}

void Proxy::run() {
  systemd_.ready();
  while (!over()) {
    for (const io::Event& event : loop_.wait(kTickMs)) {
      if (event.token == kSignals) {
        take_signal();
      } else {
        commands_->step(now_monotonic_ns(), [this](const wire::LocalRequest& request) { return command(request); });
      }
    }
    tell_watchers(now_monotonic_ns());
    forget_guests(now_monotonic_ns());
  }
  log::info("all sessions are closed: {} in all", summary().sessions_total);
}

void Proxy::take_signal() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGHUP) {
    [[maybe_unused]] const auto said_in_the_log = reload();
    return;
  }
  stop();
}

void Proxy::stop() {
  const uint64_t live = summary().sessions_live;
  const uint32_t grace_ms = settings_->options.shutdown_grace_ms;
  int64_t deadline_ns = 0;
  if (std::exchange(stopping_, true)) {
    log::info("told to stop once more: {} live sessions are ended at once", live);
  } else {
    deadline_ns = now_monotonic_ns() + grace_ms * kMillisecond;
    systemd_.stopping();
    log::info("told to stop: no new session; {} live ones have {} ms", live, grace_ms);
  }
  stop_shards(deadline_ns);
}

bool Proxy::ask(size_t shard, Errand errand) {
  auto done = std::make_shared<std::promise<void>>();
  auto answer = done->get_future();
  const bool put = post_.of(static_cast<unsigned>(shard)).put(Errand([errand = std::move(errand), done](Shard& asked) {
    errand(asked);
    done->set_value();
  }));
  const int64_t deadline_ns = now_monotonic_ns() + kPatienceNs;
  while (put && now_monotonic_ns() < deadline_ns) {
    if (answer.wait_for(kLook) == std::future_status::ready) return true;
    if (shards_[shard]->over()) shards_[shard]->settle();  // its thread does nothing any more
  }
  return false;
}

wire::LocalReply Proxy::command(const wire::LocalRequest& request) {
  wire::LocalReply reply;
  reply.set_ok(true);
  if (request.has_status()) {
    reply.add_lines(status_json(picture()));
    return reply;
  }
  if (request.has_reload()) {
    const auto done = reload();
    if (!done) return wire::refusal(done.error().message);
    reply.add_lines(*done);
    return reply;
  }
  if (request.has_cut()) return cut(request.cut().session());
  if (request.has_filter()) return filter(request.filter());
  if (request.has_watch()) return watch(request.watch());
  return wire::refusal("skep-proxy does not know this request");
}

wire::LocalReply Proxy::cut(const std::string& session) {
  const auto id = parse_session_id(session);
  if (!id) return wire::refusal(fmt::format("'{}' is no session id", session));
  auto was_open = std::make_shared<bool>(false);
  const size_t shard = archive_->writer_of(*id);
  if (!ask(shard, [=](Shard& of) { *was_open = of.cut_by_operator(*id); }))
    return wire::refusal(fmt::format("shard {} does not answer", shard));
  if (!*was_open) return wire::refusal(fmt::format("session {} is not open", session));
  wire::LocalReply reply;
  reply.set_ok(true);
  return reply;
}

wire::LocalReply Proxy::filter(const wire::FilterRequest& request) {
  wire::LocalReply reply;
  reply.set_ok(true);
  if (request.verb() == wire::FilterRequest::RELEASE)
    return common_.switched->release(request.source())
               ? reply
               : wire::refusal(fmt::format("'{}' is not switched to the bait", printable(request.source())));
  const int64_t realtime = now_realtime_ns() - now_monotonic_ns();
  for (const Switched::Entry& entry : common_.switched->list(now_monotonic_ns())) {
    JsonWriter json;
    json.begin_object().field("source", entry.source).field("since", format_time(entry.since_ns + realtime));
    json.field("until", format_time(entry.until_ns + realtime)).field("gid", entry.hit.gid);
    json.field("sid", entry.hit.sid).field("msg", entry.hit.message).field("sessions", entry.sessions);
    reply.add_lines(json.end_object().take());
  }
  return reply;
}

}  // namespace skep::proxy

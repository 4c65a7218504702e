#include "judge/judge.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "judge/alert_words.h"
#include "judge/courtroom.h"
#include "judge/leftovers.h"
#include "judge/local_commands.h"
#include "judge/losses.h"
#include "judge/option_files.h"
#include "judge/outbox.h"
#include "judge/profiles.h"
#include "judge/ring.h"
#include "judge/sandbox.h"
#include "wire/control_server.h"
#include "wire/local.h"

namespace skep::judge {
namespace {

constexpr size_t kRingBytes = 4 << 20;  // as in watch/bpf/maps.h
constexpr int64_t kMillisecond = 1'000'000;
constexpr timespec kGather{0, kMillisecond};

volatile sig_atomic_t stop_wanted = 0;

skep_record head_of(ByteView record) {
  skep_record head{};
  if (record.size() >= sizeof head) std::memcpy(&head, record.data(), sizeof head);
  return head;
}
uint64_t time_of(const Bytes& record) {
  return head_of(record).time_ns;
}

class Judge {
 public:
  Judge(WatchLink& watch, Enforcement& enforcement, Profiles& profiles, Ring alerts, Ring telemetry, Journal journal,
        wire::ControlServer control, wire::LocalServer local)
      : watch_(watch),
        enforcement_(enforcement),
        profiles_(profiles),
        journal_(std::move(journal)),
        outbox_(&journal_),
        exhibits_(outbox_, [&watch](const skep_file_order& order) { return watch.ask_file(order); }),
        court_(enforcement, outbox_, exhibits_),
        leftovers_([&watch](const skep_flow& flow, int signal) { return watch.end_processes(flow, signal); }),
        alerts_(std::move(alerts)),
        telemetry_(std::move(telemetry)),
        control_(std::move(control)),
        local_(std::move(local)) {}

  Status recall() {
    for (wire::Frame& frame : journal_.recall()) outbox_.put(std::move(frame));
    auto records = watch_.snapshot();
    if (!records) return tl::unexpected<Error>(records.error());
    for (const skep_snapshot_record& record : *records) {
      const auto* const bytes = reinterpret_cast<const uint8_t*>(&record.kernel);
      court_.take_record({bytes, std::min<size_t>(record.kernel.record.size, sizeof record.kernel)},
                         now_monotonic_ns());
    }
    return {};
  }

  int loop() {
    while (stop_wanted == 0) {
      wait();
      if (watch_.gone()) {
        say_degraded("watch is gone: its services have been ended", "monitor-away");
        log::error("watch is gone: nothing can be judged any more");
        return 1;
      }
      const int64_t now = now_monotonic_ns();
      take_kernel(now);
      court_.take_time(now);
      leftovers_.step(now);
      for (FileAnswer& answer : watch_.take_files()) exhibits_.answered(std::move(answer));
      exhibits_.step(now);
      for (const wire::ControlEvent& event : control_.step(now)) take_event(event);
      tell_proxy();
      give_piece();
      local_.step(now, [this](const wire::LocalRequest& request) {
        return answer_local(
            request, enforcement_, profiles_, [this] { return status(); }, [this] { take_kernel(now_monotonic_ns()); });
      });
      profiles_.step(now);
    }
    say_degraded("the monitor has been told to stop", "monitor-away");
    return 0;
  }

 private:
  void wait() {
    pollfd fds[] = {{alerts_.fd(), POLLIN, 0},
                    {telemetry_.fd(), POLLIN, 0},
                    {watch_.fd(), POLLIN, 0},
                    {control_.poll_fd(), POLLIN, 0},
                    {local_.poll_fd(), POLLIN, 0}};
    int timeout_ms = 1000;
    for (const auto deadline : {court_.next_deadline_ns(), leftovers_.next_deadline_ns()}) {
      if (!deadline) continue;
      timeout_ms =
          static_cast<int>(std::clamp<int64_t>((*deadline - now_monotonic_ns()) / kMillisecond + 1, 0, timeout_ms));
    }
    ::poll(fds, std::size(fds), exhibits_.busy() ? 0 : timeout_ms);
    // A moment for what follows at once: a connection is three records, and to be woken for each would cost the host
    // more than all that is done with them. Verdicts do not wait for it.
    if ((fds[0].revents | fds[1].revents) != 0) ::nanosleep(&kGather, nullptr);
    if (fds[2].revents != 0) watch_.pump();
    for (const skep_service_state& state : watch_.take_states()) enforcement_.services().note(state);
  }

  // Both rings, in the order in which it happened: the alerts are drained first, so that whatever led to one of them is
  // in the telemetry by then.
  void take_kernel(int64_t now) {
    std::vector<Bytes> records;
    const auto keep = [&](RingNumbers& numbers) {
      return [&, now](ByteView record) {
        numbers.take(head_of(record), now);
        records.emplace_back(record.begin(), record.end());
      };
    };
    alerts_.drain(keep(alert_numbers_));
    telemetry_.drain(keep(telemetry_numbers_));
    std::stable_sort(records.begin(), records.end(),
                     [](const Bytes& a, const Bytes& b) { return time_of(a) < time_of(b); });
    for (const Bytes& record : records) {
      profiles_.take(record);
      if (head_of(record).type != SKEP_FIRST_SEEN) court_.take_record(record, now);
      if (record.size() == sizeof(skep_flow_record))
        spans_.take(*reinterpret_cast<const skep_flow_record*>(record.data()));
    }
    tell_loss("alerts", alert_numbers_.lost(now));
    tell_loss("telemetry", telemetry_numbers_.lost(now));
  }

  void tell_loss(const char* ring, const RingNumbers::Loss& loss) {
    if (loss.records == 0) return;
    profiles_.lost(loss.records);
    log::warning("{} records of the kernel were lost: its ring of {} was full", loss.records, ring);
    wire::Frame frame;
    wire::RecordsLost& lost = *frame.mutable_records_lost();
    lost.set_number(static_cast<uint64_t>(now_realtime_ns()));
    lost.set_ring(ring);
    lost.set_records(loss.records);
    for (const skep_flow& flow : spans_.between(loss.from_ns, loss.to_ns)) {
      lost.set_more(lost.flows_size() >= wire::kCandidatesMax);
      if (lost.more()) break;
      wire::FlowName& name = *lost.add_flows();
      name.set_serial(flow.serial);
      fill_tuple(flow, *name.mutable_flow());
    }
    outbox_.put(std::move(frame));
  }

  void take_event(const wire::ControlEvent& event) {
    if (const auto* connected = std::get_if<wire::PeerConnected>(&event)) {
      log::info("the proxy at {} is connected", connected->peer);
    } else if (const auto* gone = std::get_if<wire::PeerGone>(&event)) {
      log::warning("the proxy is gone: {}", gone->why);
      outbox_.peer_gone();
      exhibits_.peer_gone();
    } else {
      take_frame(std::get<wire::Frame>(event));
    }
  }

  void take_frame(const wire::Frame& frame) {
    if (frame.has_hello()) {
      greet(frame.hello());
    } else if (frame.has_ping()) {
      answer_ping(frame.ping());
    } else if (frame.has_file_wanted()) {
      exhibits_.wanted(frame.file_wanted());
    } else if (frame.has_file_taken()) {
      exhibits_.taken(frame.file_taken().sha256());
    } else if (frame.has_session_opened()) {
      ++sessions_announced_;
    } else if (frame.has_session_closed()) {
      if (frame.session_closed().has_replayed()) replay_over(frame.session_closed().replayed());
    } else {
      ++frames_unexpected_;
    }
  }

  void replay_over(const wire::FlowTuple& tuple) {
    skep_flow flow = ends_of(tuple);
    flow.opened_ns = static_cast<uint64_t>(now_boottime_ns());
    leftovers_.over(flow, now_monotonic_ns());
  }

  void greet(const wire::Hello& hello) {
    if (hello.version() != 1)
      log::warning("the proxy speaks version {} of the control channel, this is version 1", hello.version());
    wire::Frame welcome;
    welcome.mutable_welcome()->set_version(1);
    welcome.mutable_welcome()->set_monitor_start(static_cast<uint64_t>(start_ns_));
    for (const ServiceBook::Entry& entry : enforcement_.services().entries())
      welcome.mutable_welcome()->add_services(entry.options.name);
    send(welcome);
    for (const wire::Frame& frame : court_.introduction()) send(frame);
    outbox_.peer_came();
  }

  // The barrier: every flow that the kernel had told of when the ping came is sent before the pong. (An alert that
  // waits for its confirmation may come after it: it names its flow by serial.)
  void answer_ping(const wire::Ping& ping) {
    outbox_.acknowledged(ping.alerts_taken());
    take_kernel(now_monotonic_ns());
    tell_proxy();
    const auto counters = watch_.counters();
    if (counters) kernel_ = counters->counters;
    wire::Frame frame;
    wire::Pong& pong = *frame.mutable_pong();
    pong.set_number(ping.number());
    pong.set_sent_ns(ping.sent_ns());
    pong.set_kernel_lost(kernel_.alerts_dropped + kernel_.telemetry_dropped);
    pong.set_messages_dropped(unsent_ + outbox_.lost());
    pong.set_records_missing(alert_numbers_.total() + telemetry_numbers_.total());
    send(frame);
  }

  void tell_proxy() {
    while (const wire::Frame* frame = outbox_.next()) {
      if (control_.send(*frame)) {
        outbox_.sent();
      } else if (outbox_.refused()) {
        ++unsent_;
      } else {
        return;
      }
    }
  }

  // A piece of a file in a turn, and only where nothing else waits: alerts go first.
  void give_piece() {
    if (outbox_.next() != nullptr) return;
    const auto piece = exhibits_.next_piece();
    if (piece && control_.send(*piece)) exhibits_.sent();
  }

  void send(const wire::Frame& frame) {
    if (!control_.send(frame)) ++unsent_;
  }

  void say_degraded(const char* words, const char* state) {
    wire::Frame frame;
    frame.mutable_degraded()->set_words(words);
    frame.mutable_degraded()->set_state(state);
    frame.mutable_degraded()->set_begins(true);
    send(frame);
    control_.step(now_monotonic_ns());
  }

  std::string status() {
    const auto answer = watch_.counters();
    if (answer) kernel_ = answer->counters;
    JsonWriter json;
    json.begin_object().field("program", "skep-monitor").field("proxy_connected", control_.connected());
    json.field("services", static_cast<unsigned long>(enforcement_.services().entries().size()));
    json.field("signatures", static_cast<unsigned long>(enforcement_.signatures().size()));
    json.field("processes", static_cast<unsigned long>(court_.processes().live()))
        .field("flows", static_cast<unsigned long>(court_.flows().all().size()));
    json.field("alerts", court_.counters().alerts)
        .field("crashes", court_.counters().crashes)
        .field("denied", kernel_.denied)
        .field("killed", kernel_.killed)
        .field("contained", kernel_.contained)
        .field("contained_packets", kernel_.contained_packets)
        .field("let_go", kernel_.let_go)
        .field("replays_processes_ended", leftovers_.ended())
        .field("replays_left_alone", leftovers_.refused());
    json.field("kernel_records_lost", kernel_.alerts_dropped + kernel_.telemetry_dropped)
        .field("alert_records_lost", kernel_.alerts_dropped)
        .field("telemetry_records_lost", kernel_.telemetry_dropped)
        .field("records_missing", alert_numbers_.total() + telemetry_numbers_.total())
        .field("kernel_helper_failures", kernel_.helper_failures)
        .field("first_seen", kernel_.first_seen);
    json.field("notices", answer ? answer->notices : 0).field("messages_unsent", unsent_ + outbox_.lost());
    json.field("programs_missed", answer ? answer->programs_missed : 0).field("files_missed", exhibits_.missed());
    json.field("alerts_unjournaled", outbox_.unjournaled());
    json.field("malformed_records", court_.counters().malformed_records)
        .field("malformed_frames", control_.counters().malformed);
    json.field("stale_frames", control_.counters().stale).field("missing_frames", control_.counters().missing);
    json.field("strangers_refused", control_.strangers_refused())
        .field("unexpected_frames", frames_unexpected_)
        .field("sessions_announced", sessions_announced_);
    json.key("degraded").begin_array();
    if (!control_.connected()) json.value("proxy-away");
    return json.end_array().end_object().take();
  }

  WatchLink& watch_;
  Enforcement& enforcement_;
  Profiles& profiles_;
  Journal journal_;
  Outbox outbox_;
  Exhibits exhibits_;
  Courtroom court_;
  Leftovers leftovers_;
  RingNumbers alert_numbers_;
  RingNumbers telemetry_numbers_;
  FlowSpans spans_;
  Ring alerts_;
  Ring telemetry_;
  wire::ControlServer control_;
  wire::LocalServer local_;
  const int64_t start_ns_ = now_realtime_ns();
  skep_counters kernel_{};
  uint64_t unsent_ = 0;
  uint64_t frames_unexpected_ = 0;
  uint64_t sessions_announced_ = 0;
};

struct Refused {
  Error error;
  int code;
};

tl::expected<int, Refused> serve(JudgeInheritance inheritance) {
  const auto refuse = [](const Error& error, int code) { return tl::unexpected<Refused>({error, code}); };
  const formats::MonitorOptions& options = inheritance.options;
  auto sets = load_signatures(options);
  if (!sets) return refuse(sets.error(), 2);
  auto held = load_profiles(options);
  if (!held) return refuse(held.error(), 2);
  auto tls = wire::TlsContext::load(options.keys, wire::Role::monitor);
  if (!tls) return refuse(tls.error(), 2);
  auto control = wire::ControlServer::listen(options.listen, std::move(*tls));
  if (!control) return refuse(control.error(), 1);
  const size_t slash = options.socket.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    if (auto made = make_directories(options.socket.substr(0, slash), 0711); !made) return refuse(made.error(), 1);
  }
  auto local = wire::LocalServer::listen(options.socket);
  if (!local) return refuse(local.error(), 1);
  auto alerts = Ring::map(std::move(inheritance.alerts_ring), kRingBytes);
  if (!alerts) return refuse(alerts.error(), 1);
  auto telemetry = Ring::map(std::move(inheritance.telemetry_ring), kRingBytes);
  if (!telemetry) return refuse(telemetry.error(), 1);
  if (auto dropped = become_user(options.user); !dropped) return refuse(dropped.error(), 1);

  WatchLink watch(std::move(inheritance.orders));
  Enforcement enforcement(watch, std::move(inheritance.table_memory), ServiceBook(options.app_groups, options.fence));
  if (auto begun = enforcement.begin(std::move(*sets), options.services); !begun) return refuse(begun.error(), 2);
  Profiles profiles(watch, enforcement.services());
  if (auto begun = profiles.begin(*held); !begun) return refuse(begun.error(), 2);
  if (auto sealed = watch.seal(); !sealed) return refuse(sealed.error(), 1);
  Judge judge(watch, enforcement, profiles, std::move(*alerts), std::move(*telemetry),
              Journal(std::move(inheritance.journal)), std::move(*control), std::move(*local));
  if (auto recalled = judge.recall(); !recalled) return refuse(recalled.error(), 1);
    // The sanitizers' own calls are not on the list, so a build with them goes without; its tests say so.
#if !defined(__SANITIZE_ADDRESS__)
  if (auto listed = allow_only(kAllowedCalls, OnUnlistedCall::end_process); !listed) return refuse(listed.error(), 1);
#endif
  log::info("judge is ready on {}", to_string(options.listen));
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, "ready\n", 6);
  return judge.loop();
}

}  // namespace

int run(JudgeInheritance inheritance) {
  log::set_area("judge");
  struct sigaction action {};
  action.sa_handler = [](int) { stop_wanted = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  const auto code = serve(std::move(inheritance));
  if (code) return *code;
  log::error("{}", code.error().error.message);
  return code.error().code;
}

}  // namespace skep::judge

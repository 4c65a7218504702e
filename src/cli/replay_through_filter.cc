// skep replay --through-filter: the regression of the filter.
#include <cstdio>
#include <thread>

#include "base/clock.h"
#include "base/text.h"
#include "cli/replay_attempts.h"
#include "cli/replay_series.h"
#include "cli/replay_text.h"

namespace skep::cli {
namespace {

constexpr int64_t kRecordedNs = 5'000'000'000;  // in which the proxy's log has the session whole
constexpr auto kPause = std::chrono::milliseconds(50);

// What the proxy made of one.
struct Passage {
  archive::SessionSummary session;  // of the replay
  const RuleHit* stopped_by() const {
    for (const RuleHit& hit : session.rule_hits) {
      if (suppresses(hit.action)) return &hit;
    }
    return nullptr;
  }
};

std::string passage_json(const Subject& subject, const Passage& passage) {
  const RuleHit* hit = passage.stopped_by();
  JsonWriter json;
  json.begin_object().field("session", subject.name).field("stopped", hit != nullptr);
  json.field("replayed_as", to_string(passage.session.id)).field("class", to_string(passage.session.session_class));
  if (hit) json.field("sid", hit->sid).field("msg", hit->message).field("action", to_string(hit->action));
  return json.end_object().take();
}

std::string passage_line(const Subject& subject, const Passage& passage) {
  const RuleHit* hit = passage.stopped_by();
  if (hit) return fmt::format("{}  stopped by {} {}", subject.name, rule_name(*hit), printable(hit->message));
  return fmt::format("{}  not stopped: {} as session {}", subject.name, to_string(passage.session.session_class),
                     to_string(passage.session.id));
}

class ThroughFilter {
 public:
  ThroughFilter(ReplayGround& ground, const ReplayOptions& options) : ground_(ground), attempts_(ground, options) {}

  Result<Passage> pass(const Subject& subject) {
    if (!subject.session) return fail("it lies in a file: where on the proxy it came in is not known");
    const auto recording = ground_.recording(subject);
    if (!recording) return tl::unexpected<Error>(recording.error());
    if (recording->empty()) return fail("the client sent nothing in it");
    const int64_t since_ns = now_realtime_ns();
    const replay::Plan plan = replay::plan_echoes(*recording);
    const replay::Attempt attempt = attempts_.play(*recording, plan, subject.session->entrance);
    if (attempt.ending == replay::Ending::not_connected || attempt.ending == replay::Ending::connect_timeout)
      return fail("the proxy takes no connection at {}", to_string(subject.session->entrance));
    return recorded(attempt, since_ns);
  }

 private:
  Result<Passage> recorded(const replay::Attempt& attempt, int64_t since_ns) {
    archive::Filter filter;
    filter.since_ns = since_ns - 1'000'000'000;
    filter.source = address_text(attempt.own);
    for (const int64_t until = now_monotonic_ns() + kRecordedNs; now_monotonic_ns() < until;
         std::this_thread::sleep_for(kPause)) {
      const auto sessions = ground_.reader()->list(filter);
      if (!sessions) return tl::unexpected<Error>(sessions.error());
      for (const archive::SessionSummary& each : *sessions) {
        if (each.client == attempt.own && each.end_ns != 0) return Passage{each};
      }
    }
    return fail("the proxy recorded no session of {} that has ended", to_string(attempt.own));
  }

  ReplayGround& ground_;
  ReplayAttempts attempts_;
};

}  // namespace

int replay_through_filter(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects) {
  ThroughFilter through(ground, options);
  size_t stopped = 0, failed = 0, turn = 0;
  for (const Subject& subject : subjects) {
    if (stop_flag()) break;
    ++turn;
    const auto passage = through.pass(subject);
    if (!passage) {
      ++failed;
      replay_complains(subject.name + ": " + passage.error().message);
      continue;
    }
    stopped += passage->stopped_by() ? 1 : 0;
    std::puts((options.json ? passage_json(subject, *passage) : passage_line(subject, *passage)).c_str());
    std::fflush(stdout);
    if (subjects.size() > 1 && turn % 20 == 0) std::fprintf(stderr, "skep replay: %zu of %zu\n", turn, subjects.size());
  }
  std::fprintf(stderr, "skep replay: %zu of %zu are stopped by today's rules, %zu could not be replayed\n", stopped,
               subjects.size(), failed);
  return stopped == subjects.size() ? 0 : 1;
}

}  // namespace skep::cli

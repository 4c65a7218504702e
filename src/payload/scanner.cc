#include "payload/scanner.h"

#include "payload/candidates.h"
#include "payload/request_side.h"
#include "payload/sight.h"

namespace skep::payload {

using formats::RuleBuffer;
using formats::RuleProtocol;

Scratch::Scratch() : parts_(std::make_unique<Parts>()) {}
Scratch::~Scratch() = default;

struct Scanner::State final : BufferSource {
  State(std::shared_ptr<const RuleSet> set, const Flow& flow, const ScanLimits& given, HostBits* hosts, int64_t now_ns)
      : rules(std::move(set)), session(*rules, flow, hosts, now_ns), limits(given) {
    if (!session.compiled().of_applications) session.application.recognition = Recognition::none;
  }

  void take(ByteView bytes);
  void take_piece(ByteView piece);
  void recognise_application(ByteView piece);
  void begin_message();
  void end_message();
  void finish();
  void find(ByteView piece);
  void judge();
  Look look(const Part& part) override;
  void stop(std::string_view why) {
    if (!stopped) stopped = Stopped{sight.end(), why};
    candidates.clear();
    requests.reset();
  }
  // A thread's scratch is ready for the set that it scanned by last.
  void use(Scratch& given);

  const std::shared_ptr<const RuleSet> rules;
  SessionRules session;
  const ScanLimits limits;
  Scratch::Parts* scratch = nullptr;  // for the time of a call
  Sight sight;
  LiteralStream literals;
  Candidates candidates;
  std::vector<Candidate> early;  // of rules on requests, before it is known what the client speaks
  std::optional<RequestSide> requests;
  uint64_t message_start = 0;
  bool message_open = false;
  bool complete = false;  // nothing follows in this message
  bool finished = false;
  std::optional<Stopped> stopped;
};

void Scanner::State::use(Scratch& given) {
  scratch = &given.parts();
  scratch->hits.clear();
  const Compiled& compiled = session.compiled();
  if (std::exchange(scratch->prepared, compiled.serial) == compiled.serial) return;
  compiled.each_group([this](const LiteralGroup& group) {
    // The machine has no memory: there is no way to go on.
    SKEP_CHECK(group.set.prepare(scratch->literals).has_value());
  });
}

void Scanner::State::take(ByteView bytes) {
  if (stopped || finished || bytes.empty()) return;
  if (limits.bytes_max - sight.end() < bytes.size()) bytes = bytes.first(limits.bytes_max - sight.end());
  if (!std::exchange(message_open, true)) begin_message();
  sight.begin(bytes);
  for (ByteView piece = sight.next(); !piece.empty() && !stopped; piece = sight.next()) take_piece(piece);
  sight.leave();
  if (sight.end() >= limits.bytes_max) stop("bytes");
}

void Scanner::State::take_piece(ByteView piece) {
  find(piece);
  recognise_application(piece);
  if (requests) {
    const bool was_broken = !requests->broken().empty();
    requests->take(piece, message_start, *scratch);
    if (!was_broken && !requests->broken().empty()) ++session.counts.http_broken;
  }
  judge();
  // What was first looked for is out of sight, and the rest of its rule has not come.
  candidates.judge([this](const Candidate& each) {
    if (each.seen_at >= sight.start()) return false;
    ++session.counts.out_of_window;
    return true;
  });
  if (session.exhausted(sight.end())) stop("effort");
}

void Scanner::State::find(ByteView piece) {
  const LiteralGroup& group = session.compiled().stream;
  if (group.set.empty()) return;
  const Findings& findings = scratch->look(group, literals, piece);
  for (const uint32_t literal : findings.found()) {
    for (const uint32_t rule : group.rules[literal]) {
      if (session.said(rule) || session.applies(rule) == SessionRules::Applies::no) continue;
      const uint64_t end = findings.end_of(literal);
      if (session.compiled().rules[rule].rule.of_requests) {
        if (requests) {
          requests->found_in_stream(rule, end);
        } else if (early.size() < RequestSide::kFromStreamMax) {
          early.push_back({rule, end});
        }
      } else {
        candidates.add(rule, end);
      }
    }
  }
}

void Scanner::State::recognise_application(ByteView piece) {
  if (session.application.recognition != Recognition::undecided) return;
  const View from_start = sight.view(0, UINT64_MAX, false);
  session.application = recognise(from_start.bytes);
  const bool http =
      session.application.recognition == Recognition::found && session.application.protocol == RuleProtocol::http;
  if (!http || !session.compiled().of_requests) return;
  requests.emplace(session, sight, std::exchange(early, {}));
  // What came before it was known.
  requests->take(from_start.bytes.first(from_start.bytes.size() - piece.size()), message_start, *scratch);
}

void Scanner::State::judge() {
  do {
    candidates.judge([this](Candidate& each) {
      const bool anchored = session.compiled().rules[each.rule].rule.parts.front().anchored;
      const Holds holds = session.judge(each, *this, sight.end(), anchored ? message_start : 0, *scratch);
      // Of what may go over several messages the end of one decides nothing.
      return holds == Holds::yes || (holds == Holds::no && (anchored || !complete));
    });
  } while (session.bits_changed());
  if (requests && !scratch->hits.empty()) requests->judge_again(*scratch);
}

Look Scanner::State::look(const Part& part) {
  if (part.where.buffer != RuleBuffer::payload) return {};
  return {Presence::there, sight.view(part.anchored ? message_start : 0, UINT64_MAX, complete)};
}

void Scanner::State::begin_message() {
  message_start = sight.end();
  for (const uint32_t rule : session.compiled().stream_always) {
    if (!session.said(rule)) candidates.add(rule, Candidates::kStays);
  }
}

void Scanner::State::end_message() {
  if (stopped || finished || !std::exchange(message_open, false)) return;
  complete = true;
  judge();
  complete = false;
}

void Scanner::State::finish() {
  if (finished) return;
  if (requests && !stopped) requests->finish(*scratch);
  message_open = true;
  end_message();
  finished = true;
}

Scanner::Scanner(std::shared_ptr<const RuleSet> rules, const Flow& flow, const ScanLimits& limits, HostBits* hosts,
                 int64_t now_ns)
    : state_(std::make_unique<State>(std::move(rules), flow, limits, hosts, now_ns)) {}
Scanner::~Scanner() = default;
Scanner::Scanner(Scanner&&) noexcept = default;
Scanner& Scanner::operator=(Scanner&&) noexcept = default;

std::span<const Hit> Scanner::take(ByteView bytes, Scratch& scratch) {
  state_->use(scratch);
  state_->take(bytes);
  return state_->scratch->hits;
}

std::span<const Hit> Scanner::answered(Scratch& scratch) {
  state_->use(scratch);
  state_->end_message();
  return state_->scratch->hits;
}

std::span<const Hit> Scanner::finish(Scratch& scratch) {
  state_->use(scratch);
  state_->finish();
  return state_->scratch->hits;
}

bool Scanner::in_http_head() const {
  const State& state = *state_;
  if (state.stopped || state.finished || !state.session.compiled().of_requests) return false;
  if (state.requests) return state.requests->in_head();
  return state.sight.end() > 0 && state.session.application.recognition == Recognition::undecided;
}

std::optional<Scanner::Stopped> Scanner::stopped() const {
  return state_->stopped;
}

const ScanCounts& Scanner::counts() const {
  return state_->session.counts;
}

const RuleSet& Scanner::rules() const {
  return *state_->rules;
}

size_t Scanner::bytes_held() const {
  const State& state = *state_;
  return sizeof(State) + state.sight.bytes_held() + state.candidates.bytes_held() + state.session.bytes_held() +
         state.session.compiled().stream.set.stream_bytes() + (state.requests ? state.requests->bytes_held() : 0);
}

}  // namespace skep::payload

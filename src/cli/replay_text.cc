#include "cli/replay_text.h"

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/text.h"
#include "view/record_words.h"

namespace skep::cli {
namespace {

using replay::Judgement;
using replay::Recording;
using replay::successes;
using replay::Trial;
using replay::Trials;

constexpr size_t kShownBytes = 256;  // of what came behind the trigger, in JSON

const Alert* alert_of(const std::vector<Trial>& trials) {
  for (const Trial& trial : trials) {
    if (trial.sign != replay::Sign::alert && trial.sign != replay::Sign::crash) continue;
    for (const Alert& alert : trial.attempt.alerts) {
      if (alert.crash == (trial.sign == replay::Sign::crash)) return &alert;
    }
  }
  return nullptr;
}

void control_json(JsonWriter& json, std::string_view name, const std::vector<Trial>& trials) {
  json.key(name).begin_object();
  json.field("tries", static_cast<unsigned long>(trials.size()));
  json.field("passed", static_cast<unsigned long>(successes(trials)));
  json.end_object();
}

void fields_json(JsonWriter& json, const replay::Plan& plan) {
  json.key("plan").begin_object().field("rung", replay::to_string(plan.rung));
  json.key("fields").begin_array();
  for (const replay::Field& field : plan.fields) {
    json.begin_object().field("kind", replay::kind_of(field)).field("message", field.place.message);
    json.field("offset", field.place.offset).field("bytes", field.place.bytes).field("why", printable(field.why));
    json.end_object();
  }
  json.end_array();
  if (!plan.crypto.empty()) json.field("crypto", plan.crypto);
  if (plan.gave_up_looking) json.field("gave_up_looking", plan.why);
  json.end_object();
}

std::string attempt_ms(const replay::Attempt& attempt) {
  return fmt::format("{:.1f} ms", static_cast<double>(attempt.ended_ns - attempt.begun_ns) / 1e6);
}

}  // namespace

int replay_complains(const std::string& words, int code) {
  std::fprintf(stderr, "skep replay: %s\n", words.c_str());
  return code;
}

std::string trial_json(const Recording& recording, const Trial& trial, unsigned number) {
  const replay::Attempt& attempt = trial.attempt;
  JsonWriter json;
  json.begin_object().field("session", recording.name).field("attempt", number);
  json.field("part", replay::to_string(trial.part)).field("target", to_string(attempt.target));
  json.field("own", to_string(attempt.own)).field("begun", format_time(attempt.begun_ns));
  json.field("steps_total", attempt.steps_total).field("steps_done", attempt.steps_done);
  json.key("diverged_at");
  if (trial.diverged_at) {
    json.value(*trial.diverged_at);
  } else {
    json.null();
  }
  json.field("outcome", replay::outcome(trial)).field("ending", replay::to_string(attempt.ending));
  if (!attempt.lacking.empty()) json.field("lacking", printable(attempt.lacking));
  json.field("watched", attempt.watched);
  if (!attempt.watched && !attempt.unwatched_because.empty())
    json.field("unwatched_because", printable(attempt.unwatched_because));
  json.field("alive_after", attempt.alive_after);
  json.key("alerts").begin_array();
  for (const Alert& alert : attempt.alerts) view::alert_json(json, alert, nullptr);
  json.end_array();
  json.key("call_backs").begin_array();
  for (const auto& hit : attempt.sink_hits) {
    json.begin_object().field("peer", to_string(hit.peer)).field("time", format_time(hit.time_ns));
    json.field("bytes", base64(as_text(ByteView(hit.bytes).first(std::min(hit.bytes.size(), kShownBytes)))))
        .end_object();
  }
  json.end_array();
  json.field("after_bytes", static_cast<unsigned long>(attempt.after.size()));
  json.field("after", base64(as_text(ByteView(attempt.after).first(std::min(attempt.after.size(), kShownBytes)))));
  return json.end_object().take();
}

std::string trial_line(const Trial& trial, unsigned number) {
  const replay::Attempt& attempt = trial.attempt;
  std::string line = fmt::format("{:>4}  {:<23} {:<21} {:>3}/{:<3} {:<14} {}", number, replay::to_string(trial.part),
                                 to_string(attempt.target), attempt.steps_done, attempt.steps_total,
                                 replay::outcome(trial), attempt_ms(attempt));
  if (trial.diverged_at) line += fmt::format("  message {} is another", *trial.diverged_at);
  if (!attempt.lacking.empty()) line += "  " + printable(attempt.lacking);
  for (const Alert& alert : attempt.alerts) line += "\n        " + view::alert_comment(alert);
  return line;
}

std::string verdict_word(const Judgement& judgement) {
  if (judgement.reason == replay::Reason::none) return std::string(replay::to_string(judgement.verdict));
  return fmt::format("{}({})", replay::to_string(judgement.verdict), replay::to_string(judgement.reason));
}

std::string verdict_json(const Recording& recording, const Endpoint& target, const Trials& trials,
                         const Judgement& judgement) {
  JsonWriter json;
  json.begin_object().field("session", recording.name).field("verdict", replay::to_string(judgement.verdict));
  json.key("reason");
  if (judgement.reason == replay::Reason::none) {
    json.null();
  } else {
    json.value(replay::to_string(judgement.reason));
  }
  json.field("words", printable(judgement.words)).field("target", to_string(target));
  json.field("attempts", static_cast<unsigned long>(trials.target.size()));
  control_json(json, "positive_control", trials.positive);
  json.field("success_rate", replay::success_rate(trials.positive));
  json.field("tries_wanted", replay::tries_for(replay::success_rate(trials.positive)));
  control_json(json, "negative_control", trials.negative);
  json.field("harmless", replay::to_string(trials.harmless));
  json.key("unresolved").begin_array();
  for (const replay::Field* field : trials.plan.unresolved()) {
    json.begin_object().field("message", field->place.message).field("offset", field->place.offset);
    json.field("bytes", field->place.bytes).field("why", printable(field->why)).end_object();
  }
  json.end_array();
  fields_json(json, trials.plan);
  json.key("alert");
  if (const Alert* alert = alert_of(trials.target)) {
    view::alert_json(json, *alert, nullptr);
  } else {
    json.null();
  }
  return json.end_object().take();
}

std::string verdict_text(const Trials& trials, const Judgement& judgement) {
  std::string text = verdict_word(judgement) + "\n  " + printable(judgement.words) + "\n";
  text += fmt::format("  plan: {}, {} fields, {} unresolved\n", replay::to_string(trials.plan.rung),
                      trials.plan.fields.size(), trials.plan.unresolved().size());
  if (!trials.positive.empty())
    text += fmt::format("  bait: effect in {} of {} tries (rate {:.2f}: {} tries are enough for 99 %)\n",
                        successes(trials.positive), trials.positive.size(), replay::success_rate(trials.positive),
                        replay::tries_for(replay::success_rate(trials.positive)));
  if (!trials.negative.empty())
    text += fmt::format("  harmless twin ({}): effect in {} of {} tries\n", replay::to_string(trials.harmless),
                        successes(trials.negative), trials.negative.size());
  text += fmt::format("  target: effect in {} of {} tries\n", successes(trials.target), trials.target.size());
  return text;
}

int exit_code(const Judgement& judgement) {
  switch (judgement.verdict) {
    case replay::Verdict::confirmed:
    case replay::Verdict::likely:
    case replay::Verdict::crashed:
      return 0;
    case replay::Verdict::not_vulnerable:
    case replay::Verdict::inconclusive:
      return 1;
  }
  return 1;
}

}  // namespace skep::cli

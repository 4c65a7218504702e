#include "view/session_pcapng.h"

#include <algorithm>

#include "base/text.h"
#include "formats/community_id.h"
#include "formats/event_codec.h"
#include "view/record_words.h"
#include "view/session_evidence.h"

namespace skep::view {
namespace {

using formats::Comments;
using formats::RecordType;

// As syslog counts.
constexpr int kAlertPriority = 1;
constexpr int kNoticePriority = 5;
constexpr int kInformationPriority = 6;

// An alert is a comment at the attacker's packet that holds the last byte the service had read when it happened, with
// the files and the crash that belong to it.
class Packets {
 public:
  Packets(formats::PcapngWriter& writer, const archive::SessionSummary& session, const SessionEvidence& evidence)
      : writer_(writer), session_(session), evidence_(evidence) {}

  // False: the sink takes nothing more.
  bool take(const formats::Record& record) {
    const int64_t time = record.time_ns;
    if (record.type == RecordType::data) return data(record);
    if (record.type == RecordType::half_closed) return writer_.finished(time, record.direction);
    if (session_.alerts_total > 0) {
      JsonWriter json;
      record_json(json, record);
      if (!writer_.custom(json.text())) return false;
    }
    switch (record.type) {
      case RecordType::opened:
        return opened(record);
      case RecordType::alert:
        return alert(record);
      case RecordType::rule:
        return rule(record);
      case RecordType::closed:
        return closed(record);
      case RecordType::file:
        if (const auto file = formats::decode<formats::FileEvent>(record.payload))
          return writer_.journal({time, kNoticePriority, file->pid, "", "skep " + role_text(*file), names()});
        return true;
      case RecordType::crash:
        if (const auto crash = formats::decode<formats::CrashEvent>(record.payload))
          return writer_.journal({time, kNoticePriority, crash->state.pid, crash->state.comm,
                                  "skep crash " + crash_text(crash->state), names()});
        return true;
      case RecordType::note:
        if (const auto note = formats::decode<formats::NoteEvent>(record.payload))
          return writer_.journal({time, kInformationPriority, 0, "", "skep note: " + printable(note->words), names()});
        return true;
      default:
        return true;
    }
  }

 private:
  std::vector<std::pair<std::string, std::string>> names() const {
    return {{"SKEP_SESSION", to_string(session_.id)}, {"SKEP_SERVICE", printable(session_.service)}};
  }
  void add_comments(Comments& comments, const Alert& alert) {
    comments.push_back(alert_comment(alert));
    for (const formats::FileEvent& file : evidence_.files) {
      if (file.alert == alert.id && file.pid == alert.pid) comments.push_back("skep " + role_text(file));
    }
    if (const auto crash = evidence_.crashes.find(alert.id); crash != evidence_.crashes.end())
      comments.push_back("skep crash " + crash_text(crash->second.state));
    told_.push_back(alert.id);
  }
  bool opened(const formats::Record& record) {
    const auto event = formats::decode<formats::OpenedEvent>(record.payload);
    return writer_.connected(record.time_ns, event ? formats::parse_saved_syn(event->syn.view()) : std::nullopt);
  }
  bool data(const formats::Record& record) {
    Comments comments;
    const uint64_t begin = record.stream_offset;
    for (const Alert& alert : session_.alerts) {
      if (record.direction == Direction::to_bait && alert.stream_offset > begin &&
          alert.stream_offset <= begin + record.payload.size())
        add_comments(comments, alert);
    }
    if (record.direction == Direction::to_bait) add_rules(comments, begin, begin + record.payload.size());
    return writer_.data(record.time_ns, record.direction, begin, record.payload, comments);
  }
  bool alert(const formats::Record& record) {
    const auto alert = formats::decode<Alert>(record.payload);
    if (!alert) return true;
    // One of no byte, or of one that is not there: it has a packet of its own, where packets without bytes are
    // nobody's.
    if (std::find(told_.begin(), told_.end(), alert->id) == told_.end()) {
      Comments comments;
      add_comments(comments, *alert);
      told_.pop_back();  // only those of the summary come again
      if (!writer_.remark(record.time_ns, Direction::to_bait, comments)) return false;
    }
    auto fields = names();
    fields.insert(fields.end(), {{"SKEP_RULE", printable(alert->rule)},
                                 {"SKEP_ACTION", std::string(to_string(alert->action))},
                                 {"SKEP_CONFIDENCE", std::string(to_string(alert->confidence))},
                                 {"SKEP_STREAM_OFFSET", std::to_string(alert->stream_offset)}});
    return writer_.journal({record.time_ns, alert->crash ? kNoticePriority : kAlertPriority, alert->pid,
                            alert->lineage.empty() ? "" : printable(alert->lineage.back().comm), alert_comment(*alert),
                            std::move(fields)});
  }
  void add_rules(Comments& comments, uint64_t begin, uint64_t end) {
    for (const RuleHit& hit : session_.rule_hits) {
      if (hit.stream_offset <= begin || hit.stream_offset > end) continue;
      comments.push_back(rule_hit_comment(hit));
      rules_told_.push_back(rule_name(hit));
    }
  }
  // One whose bytes were not kept has a packet of its own.
  bool rule(const formats::Record& record) {
    const auto hit = formats::decode<RuleHit>(record.payload);
    if (!hit) return true;
    if (std::find(rules_told_.begin(), rules_told_.end(), rule_name(*hit)) == rules_told_.end() &&
        !writer_.remark(record.time_ns, Direction::to_bait, {rule_hit_comment(*hit)}))
      return false;
    auto fields = names();
    fields.insert(fields.end(), {{"SKEP_RULE", rule_name(*hit)},
                                 {"SKEP_ACTION", std::string(to_string(hit->action))},
                                 {"SKEP_STREAM_OFFSET", std::to_string(hit->stream_offset)}});
    return writer_.journal({record.time_ns, kNoticePriority, 0, "", rule_hit_comment(*hit), std::move(fields)});
  }
  bool closed(const formats::Record& record) {
    const auto event = formats::decode<formats::ClosedEvent>(record.payload);
    if (!event) return true;
    switch (event->reason) {
      case EndReason::client_closed:
      case EndReason::server_closed:
        return writer_.finished(record.time_ns, Direction::to_bait) &&
               writer_.finished(record.time_ns, Direction::to_client);
      case EndReason::reset_by_client:
        return writer_.reset(record.time_ns, Direction::to_bait);
      case EndReason::crash_recovered:
      case EndReason::not_recorded:
        return true;  // nobody saw how it ended
      default:
        return writer_.reset(record.time_ns, Direction::to_client);
    }
  }

  formats::PcapngWriter& writer_;
  const archive::SessionSummary& session_;
  const SessionEvidence& evidence_;
  std::vector<uint64_t> told_;           // ids of alerts that a packet has; at most archive::kAlertsMax
  std::vector<std::string> rules_told_;  // names of rules likewise; at most archive::kRuleHitsMax
};

Comments section_comments(const archive::SessionSummary& session, const SessionEvidence& evidence) {
  Comments comments = {
      fmt::format("skep session {} class {} service {}", to_string(session.id), to_string(session.session_class),
                  printable(session.service)),
      "community id " + formats::community_id(session.protocol, session.client, session.entrance) + " outside" +
          (session.leg.port == 0
               ? std::string(", no leg to the bait")
               : fmt::format(", {} inside", formats::community_id(session.protocol, session.leg, session.bait)))};
  for (const Alert& alert : session.alerts) comments.push_back(alert_comment(alert));
  for (const RuleHit& hit : session.rule_hits) comments.push_back(rule_hit_comment(hit));
  for (const formats::FileEvent& kept : evidence.files) comments.push_back("skep " + role_text(kept));
  return comments;
}

}  // namespace

Status write_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const formats::Sink& sink) {
  SessionEvidence evidence;
  if (session.alerts_total > 0) {
    auto kept = evidence_of(reader, session);
    if (!kept) return tl::unexpected<Error>(kept.error());
    evidence = std::move(*kept);
  }
  formats::PcapngWriter writer(sink, session.client, session.entrance, session.protocol);
  if (!writer.begin(section_comments(session, evidence))) return {};
  Packets packets(writer, session, evidence);
  return reader.for_each_while(session, {}, [&](const formats::Record& record) { return packets.take(record); });
}

}  // namespace skep::view

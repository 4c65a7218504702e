// What the index knows of a session: one row, made from the session's records alone, so that it can be made again at
// any time.
#pragma once

#include <string>
#include <vector>

#include "formats/segment.h"
#include "model/session.h"

namespace skep::archive {

struct SessionSummary {
  SessionId id;
  std::string service;
  Protocol protocol = Protocol::tcp;
  SessionClass session_class = SessionClass::harmless;
  int64_t start_ns = 0;
  int64_t end_ns = 0;  // 0: open
  EndReason end_reason = EndReason::open;
  Endpoint client;
  Endpoint entrance;  // where on the proxy it came in
  SessionId parent;   // that it belongs to; 0: none
  Endpoint balancer;  // who passed it on; port 0: nobody
  Endpoint leg;       // the proxy's own end towards the bait; port 0: never connected
  Endpoint bait;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t forwarded_in = 0;
  uint64_t forwarded_out = 0;
  uint32_t served_by_pid = 0;
  bool unsupervised = false;
  bool incomplete = false;    // records of it were lost (a full disk, a full ring of the kernel)
  std::vector<Alert> alerts;  // the first kAlertsMax; all are in the log
  uint32_t alerts_total = 0;
  std::vector<RuleHit> rule_hits;  // the first kRuleHitsMax
  uint32_t rule_hits_total = 0;
  formats::RecordPlace last;  // of its newest record
  // What came first from the client, for the search: bytes that are not printable ASCII stand as a dot. The writer
  // gives it away once the session is over and on its way to the index.
  std::string head;
};

constexpr size_t kAlertsMax = 64;
constexpr size_t kRuleHitsMax = 32;
constexpr size_t kHeadBytesMax = 256;

// Takes one more record, which lies at `place`, into the summary. A rule that suppressed it makes a harmless session
// known. Otherwise classes only rise: a crash or an alert that names a set makes it suspect, any other alert an attack.
void apply(SessionSummary& summary, const formats::Record& record, const formats::RecordPlace& place);
// Its parts, for whoever has written the record and need not take it apart again.
void apply(SessionSummary& summary, const formats::OpenedEvent& event, int64_t time_ns);
void apply(SessionSummary& summary, const formats::OriginEvent& event, int64_t time_ns);
void apply(SessionSummary& summary, const formats::ConnectedEvent& event, int64_t time_ns);
void apply(SessionSummary& summary, const formats::ServedEvent& event, int64_t time_ns);
void apply(SessionSummary& summary, const Alert& alert, int64_t time_ns);
void apply(SessionSummary& summary, const RuleHit& hit, int64_t time_ns);
void apply(SessionSummary& summary, const formats::NoteEvent& event, int64_t time_ns);
void apply(SessionSummary& summary, const formats::ClosedEvent& event, int64_t time_ns);
void apply_data(SessionSummary& summary, const formats::Record& record);
// Of these it says nothing.
inline void apply(SessionSummary&, const formats::ProcessEvent&, int64_t) {}
inline void apply(SessionSummary&, const formats::FileEvent&, int64_t) {}
inline void apply(SessionSummary&, const formats::CrashEvent&, int64_t) {}

}  // namespace skep::archive

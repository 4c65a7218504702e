// Whose session was it? From an alert's label, and where that is not certain from the next answer of the thread
// concerned, to one flow with a confidence, or to the set of those that it may have been. Pure: the time is passed in.
//
//   label of the violator                            what decides                               confidence
//   read from one flow, alone in its process         the label, at once                         exact
//   the same, with other threads in its process      the next answer, if to the same flow       confirmed
//                                                    no answer: the label                       exact
//   forked by such a thread                          as for that thread                         inherited, confirmed
//   had others in hand                               the same flow, of a process that has       confirmed, else none
//                                                    shown that it answers what it read last
//   of a process that answers out of order           nothing does                               none
//   woken or begun by another thread                 the next answer, if to the same flow       confirmed, else none
//                                                    no answer: the only flow it can be         handoff, else none
//   none                                             the next answer                            handoff
//                                                    no answer: the only flow it can be         handoff, else none
//   answered already                                 the next answer, if to the same flow       handoff, else none
//   handed over by a socket or pipe                  the next answer, if to the same flow       confirmed, else none
//                                                    no answer: the label, where it is sure     handoff, else none
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "judge/flows.h"
#include "model/kernel_event.h"
#include "model/session.h"

namespace skep::judge {

constexpr int64_t kConfirmWaitNs = 50'000'000;
constexpr size_t kHeldMax = 4096;

struct Attributed {
  skep_alert_record alert{};
  skep_flow flow{};  // serial 0: not certain
  Confidence confidence = Confidence::none;
  std::vector<uint64_t> candidates;  // the likeliest first; at most kCandidatesMax
};

constexpr size_t kCandidatesMax = 256;  // as in wire/frame.h

// How sure it is that the session of this label wrote the file that it is said to have written. `none`: it may have.
Confidence writer_confidence(const skep_label& label);

class Attribution {
 public:
  explicit Attribution(const Flows& flows) : flows_(flows) {}

  // Decided at once, or held until its confirmation or its time comes. At the bound the oldest held one is decided
  // early.
  std::vector<Attributed> alert(const skep_alert_record& record, int64_t now_ns);
  // All that waited for this thread's answer.
  std::vector<Attributed> confirmed(const skep_confirm_record& record);
  // A process that has ended answers nobody: decided at once.
  Attributed crash(const skep_process_record& record) const;
  std::vector<Attributed> expired(int64_t now_ns);
  std::optional<int64_t> next_deadline_ns() const;

 private:
  struct Held {
    skep_alert_record alert;
    int64_t deadline_ns;
    std::vector<uint64_t> possible;  // as of the deed
  };
  std::vector<uint64_t> possible_for(const skep_alert_record& record) const;
  Attributed without_answer(const Held& held) const;
  Attributed with_answer(const Held& held, const skep_confirm_record& answer) const;

  const Flows& flows_;
  std::deque<Held> held_;
};

}  // namespace skep::judge

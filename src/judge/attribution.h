// Whose session was it? From an alert's label, and where that is not certain from the next answer of the thread
// concerned, to one flow with a confidence, or to the set of those that it may have been. Pure: the time is passed in.
//
//   label of the violator                             what decides                          confidence
//   read from one flow itself                         the label, at once                    exact
//   forked by a thread that had read from one flow    the label, at once                    inherited
//   had read from several that waited (or its parent) the next answer, if to the same flow  confirmed, else none
//   woken by a thread that had read (or its parent)   the next answer                       confirmed;
//                                                     no answer: the only flow it can be    handoff, else none
//   none, or answered already                         the next answer                       handoff;
//                                                     no answer: the only flow that the     handoff, else none
//                                                     process has ever served
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
  std::vector<uint64_t> candidates;
};

class Attribution {
 public:
  explicit Attribution(const Flows& flows) : flows_(flows) {}

  // Decided at once, or held until its confirmation or its time comes. At the bound the oldest held one is decided
  // early.
  std::vector<Attributed> alert(const skep_alert_record& record, int64_t now_ns);
  std::optional<Attributed> confirmed(const skep_confirm_record& record);
  std::vector<Attributed> expired(int64_t now_ns);
  std::optional<int64_t> next_deadline_ns() const;

 private:
  struct Held {
    skep_alert_record alert;
    int64_t deadline_ns;
  };
  std::vector<uint64_t> candidates_of(uint32_t pid, const skep_label& label) const;
  Attributed without_answer(const skep_alert_record& record) const;
  Attributed with_answer(const skep_alert_record& record, const skep_flow& answered) const;

  const Flows& flows_;
  std::deque<Held> held_;
};

}  // namespace skep::judge

// Alerts in words: from the kernel's record, the signature's text and the processes to the message that the proxy gets.
// Pure.
#pragma once

#include "judge/attribution.h"
#include "judge/process_table.h"
#include "match/compile.h"
#include "wire/control.pb.h"

namespace skep::judge {

// `signature` nullptr: of a table that is forgotten; the alert says so and loses nothing else.
wire::Alert alert_message(const Attributed& attributed, const match::SignatureInfo* signature,
                          const ProcessTable& processes, const std::string& service);

// A serving process ended by a crash signal: evidence against its session, not yet an alert on it.
wire::Alert crash_message(const skep_process_record& record, const Attributed& attributed,
                          const ProcessTable& processes, const std::string& service);

// The id of the alert on a crash that was at this time: never a kernel's, which are far below.
uint64_t crash_id(uint64_t realtime_ns);

// Where its process was when the signal came.
void fill_crash_state(const skep_crash_record& record, wire::CrashState& state);

bool is_exec_call(uint32_t call);
void fill_tuple(const skep_flow& flow, wire::FlowTuple& tuple);
// Its ends alone, of a tuple that came in a frame (wire/frame.cc has seen to its sizes).
skep_flow ends_of(const wire::FlowTuple& tuple);
uint64_t to_realtime_ns(uint64_t boot_ns);

}  // namespace skep::judge

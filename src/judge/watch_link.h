// The line to watch: one order at a time, each with its answer; what watch tells unasked is kept for `take`. One
// thread.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "model/watch_records.h"

namespace skep::judge {

struct FileAnswer {
  skep_file_answer facts{};
  Fd content;  // where facts.outcome is SKEP_FILE_COPIED
};

class WatchLink {
 public:
  explicit WatchLink(Fd socket) : socket_(std::move(socket)) {}
  int fd() const { return socket_.get(); }
  bool gone() const { return gone_; }

  Status set_table();
  Status set_service(skep_service_order order);
  Status remove_service(const std::string& name);
  Status set_profile(const skep_profile_order& order);
  // As skep_end_order says: how many were sent the signal.
  Result<uint32_t> end_processes(const skep_flow& flow, int signal);
  Status seal();
  Result<skep_counters_answer> counters();
  // Every live process and flow, as SKEP_FORK and SKEP_FLOW_OPENED records.
  Result<std::vector<skep_snapshot_record>> snapshot();
  // Without waiting; the answer is among take_files() later, with this ticket.
  uint32_t ask_file(skep_file_order order);
  std::vector<FileAnswer> take_files() { return std::exchange(files_, {}); }
  // Reads what has come unasked.
  void pump();
  std::vector<skep_service_state> take_states() { return std::exchange(states_, {}); }

 private:
  // Until it is done: the answer's number.
  template <typename Record>
  Result<uint32_t> ask(uint32_t type, Record record);
  template <typename Record>
  Status order(uint32_t type, const Record& record);
  Result<uint32_t> await(uint32_t ticket);
  // One packet; false where none is there within `timeout_ms`, or watch is gone.
  bool receive(int timeout_ms);
  void take(const char* packet, Fd descriptor);

  Fd socket_;
  bool gone_ = false;
  uint32_t last_ticket_ = 0;
  std::vector<skep_service_state> states_;
  std::vector<skep_snapshot_record> snapshot_;
  std::vector<FileAnswer> files_;
  skep_counters_answer counters_{};
  std::deque<skep_answer> answers_;
};

}  // namespace skep::judge

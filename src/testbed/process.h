// A program started in a namespace, with its output in a file; ended when its object is.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace skep::testbed {

struct StartOptions {
  std::string netns;        // empty: ours
  std::string output;       // stdout and stderr; empty: /dev/null
  std::string stdout_file;  // stdout alone, beside `output` for stderr
};

class Process {
 public:
  static Result<Process> start(const std::vector<std::string>& command, const StartOptions& options);
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();  // SIGTERM, and SIGKILL two seconds later

  pid_t pid() const { return pid_; }
  // Until a line of its output (of this life's, where the file is older) is `line`. Errors: it ended before, or did not
  // come to it in time; with its last words.
  Status await_line(const std::string& line, int timeout_ms);
  // Its wait status; an error where it has not ended in time.
  Result<int> await_end(int timeout_ms);
  bool running();
  void signal(int number) const;
  const std::string& output() const { return output_; }

 private:
  Process(pid_t pid, std::string output, size_t output_from)
      : pid_(pid), output_(std::move(output)), output_from_(output_from) {}
  void end();
  pid_t pid_ = -1;
  int status_ = 0;
  std::string output_;
  size_t output_from_ = 0;  // what stood there before
};

// Runs it and waits; an error where it does not exit with 0, with what it said.
Status run_to_end(const std::vector<std::string>& command, const StartOptions& options = {}, int timeout_ms = 60'000);

}  // namespace skep::testbed

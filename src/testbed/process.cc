#include "testbed/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"

namespace skep::testbed {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr timespec kPause{0, 5 * kMillisecond};
constexpr int kEndGraceMs = 5000;

[[noreturn]] void become(const std::vector<std::string>& command, const StartOptions& options) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (!options.netns.empty()) {
    const Fd netns(::open(("/run/netns/" + options.netns).c_str(), O_RDONLY | O_CLOEXEC));
    if (!netns || ::setns(netns.get(), CLONE_NEWNET) != 0) ::_exit(126);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int in = ::open("/dev/null", O_RDONLY);
  const int out =
      ::open(options.output.empty() ? "/dev/null" : options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (!options.stdout_file.empty()) ::dup2(::open(options.stdout_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 1);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

std::string last_words(const std::string& file) {
  const auto text = file.empty() ? Result<std::string>(std::string()) : read_file(file);
  if (!text) return "";
  return printable(text->size() > 600 ? text->substr(text->size() - 600) : *text);
}

}  // namespace

Result<Process> Process::start(const std::vector<std::string>& command, const StartOptions& options) {
  const auto before = read_file(options.output);
  const size_t output_from = before ? before->size() : 0;
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("start " + command[0]);
  if (pid == 0) become(command, options);
  return Process(pid, options.output, output_from);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      status_(other.status_),
      output_(std::move(other.output_)),
      output_from_(other.output_from_) {}

Process& Process::operator=(Process&& other) noexcept {
  end();
  pid_ = std::exchange(other.pid_, -1);
  status_ = other.status_;
  output_ = std::move(other.output_);
  output_from_ = other.output_from_;
  return *this;
}

Process::~Process() {
  end();
}

void Process::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  if (!await_end(kEndGraceMs)) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
}

bool Process::running() {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, &status_, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void Process::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

Status Process::await_line(const std::string& line, int timeout_ms) {
  const int64_t deadline = now_monotonic_ns() + timeout_ms * kMillisecond;
  while (true) {
    const bool alive = running();
    if (const auto text = read_file(output_)) {
      const std::string_view said = std::string_view(*text).substr(std::min(output_from_, text->size()));
      for (const std::string_view each : split(said, '\n')) {
        if (each == line) return {};
      }
    }
    if (!alive) return fail("it ended before it said '{}': {}", line, last_words(output_));
    if (now_monotonic_ns() > deadline)
      return fail("it did not say '{}' in {} ms: {}", line, timeout_ms, last_words(output_));
    ::nanosleep(&kPause, nullptr);
  }
}

Result<int> Process::await_end(int timeout_ms) {
  const int64_t deadline = now_monotonic_ns() + timeout_ms * kMillisecond;
  while (running()) {
    if (now_monotonic_ns() > deadline) return fail("it has not ended in {} ms: {}", timeout_ms, last_words(output_));
    ::nanosleep(&kPause, nullptr);
  }
  return status_;
}

Status run_to_end(const std::vector<std::string>& command, const StartOptions& options, int timeout_ms) {
  auto process = Process::start(command, options);
  if (!process) return tl::unexpected<Error>(process.error());
  const auto status = process->await_end(timeout_ms);
  if (!status) return wrap(command[0], status);
  if (*status == 0) return {};
  std::string words;
  for (const std::string& word : command) words += word + " ";
  return fail("{}: wait status {:#x} {}", words, *status, last_words(options.output));
}

}  // namespace skep::testbed

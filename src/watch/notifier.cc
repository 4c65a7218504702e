#include "watch/notifier.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "watch/spare_threads.h"

namespace skep::watch {
namespace {

constexpr int kKill = -1;
constexpr int kExpiryMs = 1000;

skep_notice question_of(const seccomp_notif& notice) {
  skep_notice question{};
  question.tid = notice.pid;
  question.arch = notice.data.arch;
  question.nr = notice.data.nr;
  for (size_t i = 0; i < std::size(question.args); ++i) question.args[i] = notice.data.args[i];
  return question;
}

ExecQuestion exec_of(const seccomp_notif& notice) {
  ExecQuestion question{static_cast<pid_t>(notice.pid), notice.data.nr, {}};
  for (size_t i = 0; i < std::size(question.args); ++i) question.args[i] = notice.data.args[i];
  return question;
}

seccomp_notif_resp answer_to(const seccomp_notif& notice, int verdict) {
  seccomp_notif_resp answer{};
  answer.id = notice.id;
  if (verdict == 0) {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else {
    answer.error = verdict == kKill ? -EPERM : -verdict;
  }
  return answer;
}

// linux/seccomp.h of 6.6. The caller waits until it is answered, so there is nothing to be had from waking the
// answering thread on another CPU, and an interrupt to that CPU is most of what a question costs. A kernel before 6.6
// refuses.
constexpr unsigned long kSetFlags = SECCOMP_IOW(4, uint64_t);
constexpr uint64_t kSyncWakeUp = 1;
void share_cpu(int notices) {
  ::ioctl(notices, kSetFlags, kSyncWakeUp);
}

}  // namespace

Status Notifier::start() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  stop_ = Fd(::eventfd(0, EFD_CLOEXEC));
  if (!epoll_ || !stop_) return fail_errno("start the notifier");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = stop_.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event) != 0) return fail_errno("start the notifier");
  thread_ = std::thread([this] { run(); });
  return {};
}

Notifier::~Notifier() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

Status Notifier::serve(Fd notices) {
  share_cpu(notices.get());
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = notices.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, notices.get(), &event) != 0)
    return fail_errno("serve a seccomp listener");
  notices.release();  // the thread closes it when the last process that it speaks for is gone
  return {};
}

void Notifier::run() {
  go_first();
  while (true) {
    epoll_event events[16];
    const int count = ::epoll_wait(epoll_.get(), events, std::size(events), copier_.expire() ? kExpiryMs : -1);
    if (count < 0 && errno != EINTR) {
      log::error("the notifier cannot wait: {}", std::strerror(errno));
      return;
    }
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_.get()) return;
      if (events[i].events & EPOLLIN) {
        answer_one(fd);
      } else {
        Fd gone(fd);
      }
    }
  }
}

void Notifier::answer_one(int notices) {
  seccomp_notif notice{};
  if (::ioctl(notices, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) return;  // the caller has died meanwhile
  if (notice.data.arch == AUDIT_ARCH_X86_64 && is_exec(notice.data.nr)) copier_.look(exec_of(notice));
  const int verdict = kernel_.decide(question_of(notice));
  ++answered_;
  if (verdict != 0) ++refused_;
  // The id still stands: the tid is still this caller's.
  if (verdict == kKill && ::ioctl(notices, SECCOMP_IOCTL_NOTIF_ID_VALID, &notice.id) == 0) {
    ::kill(static_cast<pid_t>(notice.pid), SIGKILL);
  }
  seccomp_notif_resp answer = answer_to(notice, verdict);
  if (::ioctl(notices, SECCOMP_IOCTL_NOTIF_SEND, &answer) != 0 && errno != ENOENT) {
    log::warning("a seccomp answer could not be given: {}", std::strerror(errno));
  }
}

}  // namespace skep::watch

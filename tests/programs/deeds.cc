#include "deeds.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

sockaddr_in own_address{};
int own_session = -1;

int error_of(long result) {
  return result < 0 ? errno : 0;
}

int in_child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid < 0) return errno;
  if (pid == 0) {
    const int outcome = work();
    ::_exit(outcome >= 0 ? outcome : 128 - outcome);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return -WTERMSIG(status);
  const int code = WEXITSTATUS(status);
  return code > 128 ? 128 - code : code;
}

int do_deed(const std::string& name, const std::string& word) {
  for (const Deeds* deeds :
       {&network_deeds(), &program_deeds(), &file_deeds(), &kernel_deeds(), &disguise_deeds(), &aftermath_deeds()}) {
    if (const auto deed = deeds->find(name); deed != deeds->end()) return deed->second(word);
  }
  return ENOSYS;
}

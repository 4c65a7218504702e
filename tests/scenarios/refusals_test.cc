// What an intruder does, done for real on a supervised host: each deed is refused as its signature says, its session is
// tagged, the service lives on; however the process came to be that does it.
#include "base/file.h"
#include "harness/deed_rig.h"

namespace skep::harness {
namespace {

constexpr DeedRow kRows[] = {
    {"an ordinary request", "plain nothing", "nothing done", "", AlertAction::observed},
    {"a signal and its handler", "plain signal", "signal done", "", AlertAction::observed},
    {"a port of the kernel's choice, not listened on", "plain bind_any", "bind_any done", "", AlertAction::observed},
    {"a shell", "plain shell", "shell killed by 9", "shell_started", AlertAction::killed},
    {"any other program", "plain program", "program killed by 9", "unlisted_program", AlertAction::killed},
    {"a program from memory", "plain memfd", "memfd killed by 9", "program_from_memory", AlertAction::killed},
    {"a listener that was never bound", "plain listen", "listen errno 13", "new_listener", AlertAction::denied},
    {"a port", "plain bind", "bind errno 13", "foreign_port", AlertAction::denied},
    {"a connection", "plain connect", "connect errno 101", "outgoing_connection", AlertAction::denied},
    {"a connection to the server itself, on behalf of a session", "plain connect_self", "connect_self errno 101",
     "outgoing_connection", AlertAction::denied},
    {"a datagram", "plain datagram", "datagram errno 101", "outgoing_connection", AlertAction::denied},
    {"a datagram socket connected", "plain datagram_connect", "datagram_connect errno 101", "outgoing_connection",
     AlertAction::denied},
    {"getaddrinfo for where to listen", "plain sort_wildcards", "sort_wildcards done", "", AlertAction::observed},
    {"tracing", "plain ptrace", "ptrace errno 1", "foreign_process_memory", AlertAction::denied},
    {"writing to another process", "plain vm_writev", "vm_writev errno 1", "foreign_process_memory",
     AlertAction::denied},
    {"a kernel module", "plain module", "module errno 1", "kernel_module", AlertAction::denied},
    {"a mount", "plain mount", "mount errno 1", "mount_or_namespace", AlertAction::denied},
    {"a namespace", "plain unshare", "unshare errno 1", "mount_or_namespace", AlertAction::denied},
    {"a child in a namespace", "plain clone", "clone errno 1", "mount_or_namespace", AlertAction::denied},
    {"another's namespace", "plain setns", "setns errno 1", "mount_or_namespace", AlertAction::denied},
    {"a packet socket", "plain packet_socket", "packet_socket errno 1", "raw_socket", AlertAction::denied},
    {"a packet socket by its lower half", "plain wide_packet_socket", "wide_packet_socket errno 1", "raw_socket",
     AlertAction::denied},
    {"a Unix socket", "plain unix_socket", "unix_socket done", "", AlertAction::observed},
    {"a message to an address", "plain message", "message errno 101", "outgoing_connection", AlertAction::denied},
    {"a raw socket", "plain raw_socket", "raw_socket errno 1", "raw_socket", AlertAction::denied},
    {"io_uring", "plain io_uring", "io_uring errno 38", "io_uring", AlertAction::denied},
    {"a ring that somebody else set up", "plain io_uring_enter", "io_uring_enter errno 38", "io_uring",
     AlertAction::denied},
    {"another's descriptor", "plain pidfd_getfd", "pidfd_getfd errno 1", "foreign_process_memory", AlertAction::denied},
    {"bpf", "plain bpf", "bpf errno 1", "kernel_interface", AlertAction::denied},
    {"perf", "plain perf", "perf errno 1", "kernel_interface", AlertAction::denied},
    {"userfaultfd", "plain userfaultfd", "userfaultfd errno 1", "kernel_interface", AlertAction::denied},
    {"a 32-bit call", "plain foreign_abi", "foreign_abi errno 38", "foreign_abi", AlertAction::denied},
    {"by a thread: a listener", "thread listen", "listen errno 13", "new_listener", AlertAction::denied},
    {"by a thread: a shell", "thread shell", "shell killed by 9", "shell_started", AlertAction::killed},
    {"by an orphan: a listener", "double_fork listen", "listen errno 13", "new_listener", AlertAction::denied},
    {"by an orphan: a shell", "double_fork shell", "shell killed by 9", "shell_started", AlertAction::killed},
    {"by an orphan: nothing", "double_fork nothing", "nothing done", "", AlertAction::observed},
    {"in a session of its own: a connection", "setsid connect", "connect errno 101", "outgoing_connection",
     AlertAction::denied},
    {"under another name: a shell", "renamed shell", "shell killed by 9", "shell_started", AlertAction::killed},
    {"after an exec: a listener", "exec listen", "listen errno 13", "new_listener", AlertAction::denied},
    {"after an exec: a shell", "exec shell", "shell killed by 9", "shell_started", AlertAction::killed},
    {"after an exec by a thread: a listener", "thread_exec listen", "listen errno 13", "new_listener",
     AlertAction::denied},
    {"after an exec by a thread: a shell", "thread_exec shell", "shell killed by 9", "shell_started",
     AlertAction::killed},
    {"after an exec: nothing", "exec nothing", "nothing done", "", AlertAction::observed},
};

using RefusalsTest = DeedTest;

TEST_F(RefusalsTest, EachDeedIsRefusedAsItsSignatureSays) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  for (const DeedRow& row : kRows) expect_answer(row);
  expect_sessions();
}

TEST_F(RefusalsTest, AnAdoptedServiceLivesOnAndItsDeedsEndTheirProcesses) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  const unsigned pid = number_in(rig_->skep({"hids", "services", "list"}).text, "pid");
  ASSERT_EQ(rig_->skep({"hids", "services", "remove", "deeds"}).code, 0);
  ASSERT_TRUE(write_file(rig_->file("adopt.yaml"), fmt::format("- {{name: deeds, pid: {}, port: 9000}}\n", pid)));
  ASSERT_EQ(rig_->skep({"hids", "services", "add", rig_->file("adopt.yaml")}).code, 0)
      << *read_file(rig_->file("skep.err"));
  const DeedRow rows[] = {
      {"an ordinary request", "plain nothing", "nothing done", "", AlertAction::observed},
      {"a signal and its handler", "plain signal", "signal done", "", AlertAction::observed},
      {"a shell", "plain shell", "shell killed by 9", "shell_started", AlertAction::killed},
      {"a connection", "plain connect", "connect errno 101", "outgoing_connection", AlertAction::denied},
      {"a listener", "double_fork listen", "listen killed by 9", "new_listener", AlertAction::killed},
      {"a 32-bit call", "double_fork foreign_abi", "foreign_abi killed by 9", "foreign_abi", AlertAction::killed},
  };
  for (const DeedRow& row : rows) expect_answer(row);
  expect_sessions();
}

// Apache's prefork wakes its children so. The same connection on behalf of a session is in the table above.
TEST_F(RefusalsTest, AServerThatWakesItselfIsLeftAlone) {
  auto folder = Folder::make();
  ASSERT_TRUE(folder);
  const std::string output = folder->path() + "/output";
  ASSERT_NO_FATAL_FAILURE(start("", ", output: " + output, ", --wake"));
  ASSERT_TRUE(eventually([&] { return read_file(output).value_or("").find("woken") != std::string::npos; }));
  EXPECT_EQ(*read_file(output), "woken: errno 0\n");
  EXPECT_EQ(number_in(rig_->skep({"hids", "status"}).text, "alerts"), 0u);
  expect({"and serves on", "plain nothing", "nothing done", "", AlertAction::observed});
}

TEST_F(RefusalsTest, AnAppGroupMayWhatOthersMayNot) {
  ASSERT_NO_FATAL_FAILURE(start("app_groups: [{name: cgi, programs: [/bin/true, /bin/sh]}]", ", app_groups: [cgi]"));
  expect({"a program of the group", "plain program", "program done", "", AlertAction::observed});
  expect({"a shell of the group", "plain shell", "shell done", "", AlertAction::observed});
  expect({"a program from memory is in no group", "plain memfd", "memfd killed by 9", "program_from_memory",
          AlertAction::killed});
}

TEST_F(RefusalsTest, AnAppGroupIsStartedByItsParentsAlone) {
  ASSERT_NO_FATAL_FAILURE(start(fmt::format("app_groups: [{{name: cgi, programs: [/bin/true], parents: [{}]}}, "
                                            "{{name: shells, programs: [/bin/sh]}}]",
                                            server()),
                                ", app_groups: [cgi, shells]"));
  expect({"by the server", "plain program", "program done", "", AlertAction::observed});
  expect({"a shell by anybody", "plain shell", "shell done", "", AlertAction::observed});
  expect({"by the shell", "plain program_by_shell", "program_by_shell killed by 9", "unlisted_program",
          AlertAction::killed});
}

TEST_F(RefusalsTest, WhatIsOnlyObservedHappens) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  ASSERT_NO_FATAL_FAILURE(
      set_signatures("  - {signature: seen, condition: 'evt.type = listen and fd.l4proto = tcp', action: observe}\n"
                     "  - {signature: ended, condition: 'evt.type = bind and fd.sport = 4444', action: kill}\n"
                     "  - {signature: old, condition: 'evt.type = foreign_abi and evt.abi = ia32 and evt.arg.0 = 77', "
                     "action: observe}\n"));
  expect({"observed: the listener opens", "plain listen", "listen done", "seen", AlertAction::observed});
  expect({"observed: a 32-bit call, by its own registers", "plain foreign_abi", "foreign_abi done", "old",
          AlertAction::observed});
  expect({"killed: the caller ends", "double_fork bind", "bind killed by 9", "ended", AlertAction::killed});
}

TEST_F(RefusalsTest, WhatAServiceInterceptsIsAskedAboutWhole) {
  ASSERT_NO_FATAL_FAILURE(start("", ", intercept: [socket, clone, connect]"));
  ASSERT_NO_FATAL_FAILURE(set_signatures(
      "  - {signature: local, condition: evt.type = socket and evt.arg.0 = AF_UNIX, action: deny, errno: EACCES}\n"
      "  - {signature: of_unix, condition: evt.type = connect and fd.typechar = u, action: deny, errno: EINVAL}\n"
      "  - {signature: packet, condition: evt.type = socket and evt.arg.0 = AF_PACKET, action: deny}\n"));
  expect({"any other socket", "plain bind", "bind done", "", AlertAction::observed});
  expect({"a Unix socket", "plain unix_socket", "unix_socket errno 13", "local", AlertAction::denied});
  expect({"a packet socket", "plain packet_socket", "packet_socket errno 1", "packet", AlertAction::denied});
  ASSERT_EQ(rig_->skep({"hids", "signatures", "remove", "local"}).code, 0);
  expect({"a Unix socket's connect", "plain connect_unix", "connect_unix errno 22", "of_unix", AlertAction::denied});
}

TEST_F(RefusalsTest, MemoryThatWouldBecomeAProgramIsAskedAboutByItsArguments) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  ASSERT_NO_FATAL_FAILURE(set_signatures(
      "  - {signature: made, action: deny, errno: EACCES,\n"
      "     condition: 'evt.type in (mprotect, pkey_mprotect) and evt.arg.2 intersects PROT_EXEC'}\n"
      "  - {signature: mapped, action: deny, condition: 'evt.type = mmap and evt.arg.2 intersects PROT_EXEC and "
      "evt.arg.3 intersects MAP_ANONYMOUS'}\n"));
  expect({"made so later", "plain mprotect_exec", "mprotect_exec errno 13", "made", AlertAction::denied});
  expect({"from the first", "plain mmap_exec", "mmap_exec errno 1", "mapped", AlertAction::denied});
  expect({"what a loader does with a program's files", "exec nothing", "nothing done", "", AlertAction::observed});
}

TEST_F(RefusalsTest, AMessageIsASendtoAfterTheCallToo) {
  ASSERT_NO_FATAL_FAILURE(start("", ", outgoing: {allow: [{net: 10.99.0.2}]}"));
  ASSERT_NO_FATAL_FAILURE(set_signatures(
      "  - {signature: sent, condition: evt.type = sendmsg and fd.l4proto = udp and evt.res = 1, action: observe}\n"));
  expect({"by sendmsg", "plain message", "message done", "sent", AlertAction::observed});
  expect({"by sendto", "plain datagram", "datagram done", "sent", AlertAction::observed});
}

// The kernel program that sees returns comes and goes with the signatures that need it.
TEST_F(RefusalsTest, ReturnsAreJudgedWheneverASetJudgesThem) {
  ASSERT_NO_FATAL_FAILURE(start("", ", outgoing: {allow: [{net: 10.99.0.2}]}"));
  const std::string returned =
      "  - {signature: sent, condition: evt.type = sendmsg and fd.l4proto = udp and evt.res = 1, action: observe}\n";
  const std::string before = "  - {signature: listens, condition: evt.type = listen, action: deny}\n";
  for (int turn = 0; turn < 2; ++turn) {
    ASSERT_NO_FATAL_FAILURE(set_signatures(returned));
    expect({"a set that judges a return", "plain message", "message done", "sent", AlertAction::observed});
    ASSERT_NO_FATAL_FAILURE(set_signatures(before));
    expect({"a set that judges none", "plain message", "message done", "", AlertAction::observed});
    expect({"what it judges", "plain listen", "listen errno 1", "listens", AlertAction::denied});
  }
  ASSERT_NO_FATAL_FAILURE(set_signatures(returned + before));
  expect({"both: a return", "plain message", "message done", "sent", AlertAction::observed});
  expect({"both: a call before it runs", "plain listen", "listen errno 1", "listens", AlertAction::denied});
}

TEST_F(RefusalsTest, ASeriesIsRefusedAtItsLastCall) {
  ASSERT_NO_FATAL_FAILURE(start("", ""));
  ASSERT_NO_FATAL_FAILURE(
      set_signatures("  - signature: leader_then_listener\n"
                     "    kind: sequence\n"
                     "    by: process\n"
                     "    maxspan: 10s\n"
                     "    action: deny\n"
                     "    steps:\n"
                     "      - {on: [setsid], where: 'evt.res > 0'}\n"
                     "      - {on: [listen]}\n"));
  const DeedRow rows[] = {
      {"its first half is nothing", "setsid bind", "bind done", "", AlertAction::observed},
      {"its last half is nothing", "plain listen", "listen done", "", AlertAction::observed},
      {"the last call is refused", "setsid listen", "listen errno 1", "leader_then_listener", AlertAction::denied},
      {"a thread that takes the first one's place does not shake it off", "thread_exec listen", "listen errno 1",
       "leader_then_listener", AlertAction::denied},
  };
  for (const DeedRow& row : rows) expect_answer(row);
  expect_sessions();
}

}  // namespace
}  // namespace skep::harness

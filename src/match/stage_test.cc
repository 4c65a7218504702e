// Where each condition is judged, and what is said where no place does what it says.
#include "match/stage.h"

#include <asm/unistd_64.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "match/compile.h"
#include "match/intercepts.h"
#include "match/syscalls.h"

namespace skep::match {
namespace {

using testing::HasSubstr;

// One signature for one service; the stage of its last step in the table, or the error.
Result<uint8_t> judged(const std::string& condition, const std::string& action,
                       const std::vector<std::string>& intercepts = {}, bool launched = true) {
  CompileContext context;
  context.resolve = resolve_nothing();
  context.services.push_back(
      {"web", 0, launched, launched ? intercepts_of(intercepts).value() : std::vector<uint16_t>{}});
  const auto set = formats::parse_signature_file(
      "t.yaml", "signatures: [{signature: a, condition: '" + condition + "', action: " + action + "}]");
  if (!set) return tl::unexpected<Error>(set.error());
  const auto compiled = compile({*set}, context);
  if (!compiled) return tl::unexpected<Error>(compiled.error());
  return compiled->table->steps[0].stage;
}

struct Row {
  const char* condition;
  const char* action;
  std::vector<std::string> intercepts;
  int stage;  // -1: it does not load
  const char* words = "";
};

void expect(const Row& row, bool launched = true) {
  const auto stage = judged(row.condition, row.action, row.intercepts, launched);
  EXPECT_EQ(stage ? *stage : -1, row.stage)
      << row.condition << " " << row.action << (stage ? "" : ": " + stage.error().message);
  if (stage) return;
  EXPECT_THAT(stage.error().message, HasSubstr(row.words)) << row.condition;
}

TEST(StageTest, TheNetworkHookGoesBeforeWhatIsAskedAndWhatHasRun) {
  const Row rows[] = {
      {"evt.type = connect and fd.rport = 25", "deny", {"connect"}, SKEP_STAGE_HOOK},
      {"evt.type = connect and fd.typechar = u", "deny", {"connect"}, SKEP_STAGE_PRE},
      {"evt.type = connect and fd.typechar = u", "kill", {"connect"}, SKEP_STAGE_PRE},
      {"evt.type = connect and fd.typechar = u", "kill", {}, SKEP_STAGE_POST},
      {"evt.type = connect and fd.typechar = u", "observe", {"connect"}, SKEP_STAGE_POST},
      {"evt.type = connect and fd.typechar = u", "deny", {}, -1, "add `intercept: [connect]`"},
      {"evt.type = connect and fd.sport = 80", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = connect and fd.sport = 80 and fd.rport = 80", "observe", {}, -1, "knows both fd.sport and fd.rport"},
      {"evt.type = bind and fd.sport = 80", "deny", {"bind"}, SKEP_STAGE_HOOK},
      {"evt.type = bind and fd.sport = 80 and fd.typechar = 4", "deny", {"bind"}, -1, "cannot be denied by fd.sport"},
      {"evt.type = bind and fd.rport = 80", "observe", {}, -1, "fd.rport is not known where bind is judged"},
      {"evt.type = listen and fd.rip = 1.1.1.1", "observe", {}, -1, "fd.rip is not known where listen is judged"},
      {"evt.type = connect and fd.l4proto = raw", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = connect and fd.l4proto != tcp", "observe", {}, SKEP_STAGE_HOOK},
  };
  for (const Row& row : rows) expect(row);
}

TEST(StageTest, ListenIsAtItsHookWhereThatCanHold) {
  const Row rows[] = {
      {"evt.type = listen and fd.is_service_port = false", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = listen and fd.l4proto = tcp", "observe", {}, SKEP_STAGE_HOOK},
      {"evt.type = listen and fd.typechar in (4, 6)", "observe", {}, SKEP_STAGE_HOOK},
      {"evt.type = listen and fd.typechar = u", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = listen and not fd.typechar in (4, 6)", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = listen and fd.l4proto = udp", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = listen and fd.l4proto != tcp", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = listen and evt.res = 0", "kill", {}, SKEP_STAGE_POST},
  };
  for (const Row& row : rows) expect(row);
}

TEST(StageTest, SocketAndCloneAreRefusedByArgumentOrWhereAllAreAskedAbout) {
  const Row rows[] = {
      {"evt.type = socket and evt.arg.0 = AF_PACKET", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = socket and evt.arg.0 in (AF_PACKET)", "kill", {}, SKEP_STAGE_PRE},
      {"evt.type = socket and evt.arg.1 in (3, 0x80003, 2051) and evt.arg.0 != AF_NETLINK", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = socket and (evt.arg.0 = AF_PACKET or evt.arg.1 = SOCK_RAW)", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = socket",
       "deny",
       {},
       -1,
       "only intercepts it for rare families as AF_PACKET and SOCK_RAW; add `intercept: [socket]`"},
      {"evt.type = socket and evt.arg.0 = AF_UNIX", "deny", {}, -1, "add `intercept: [socket]`"},
      {"evt.type = socket and evt.arg.0 != AF_PACKET", "deny", {}, -1, "add `intercept: [socket]`"},
      {"evt.type = socket and evt.arg.1 in (SOCK_RAW, SOCK_DGRAM)", "deny", {}, -1, "add `intercept: [socket]`"},
      {"evt.type = socket and (evt.arg.0 = AF_PACKET or user.uid = 0)", "deny", {}, -1, "add `intercept: [socket]`"},
      {"evt.type = socket and evt.arg.0 = AF_UNIX", "deny", {"socket"}, SKEP_STAGE_PRE},
      {"evt.type = socket and evt.arg.0 = AF_UNIX", "kill", {}, SKEP_STAGE_POST},
      {"evt.type = socket and evt.arg.0 in (AF_PACKET, 40, 31)", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = socket and evt.arg.0 intersects 32", "deny", {}, -1, "add `intercept: [socket]`"},
      {"evt.type = clone and evt.arg.0 intersects 0x7e020080", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = clone and evt.arg.0 intersects CLONE_NEWNET", "kill", {}, SKEP_STAGE_PRE},
      {"evt.type = clone and evt.arg.0 intersects 0x40000100", "deny", {}, -1, "add `intercept: [clone]`"},
      {"evt.type = clone and evt.arg.0 intersects 0x40000100", "deny", {"clone"}, SKEP_STAGE_PRE},
      {"evt.type = clone", "kill", {}, SKEP_STAGE_POST},
  };
  for (const Row& row : rows) expect(row);
}

TEST(StageTest, WhatMakesMemoryAProgramIsRefusedByItsArguments) {
  const Row rows[] = {
      {"evt.type in (mprotect, pkey_mprotect) and evt.arg.2 intersects PROT_EXEC", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = mprotect and evt.arg.2 in (5, 7)", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = mprotect and evt.arg.2 intersects PROT_WRITE", "deny", {}, -1, "only intercepts it for PROT_EXEC"},
      {"evt.type = mprotect and evt.arg.2 intersects 6", "deny", {}, -1, "add `intercept: [mprotect]`"},
      {"evt.type = mprotect and evt.arg.2 in (5, 3)", "deny", {}, -1, "add `intercept: [mprotect]`"},
      {"evt.type = mprotect and evt.arg.1 intersects PROT_EXEC", "deny", {}, -1, "add `intercept: [mprotect]`"},
      {"evt.type = mprotect and not evt.arg.2 intersects PROT_EXEC", "deny", {}, -1, "add `intercept: [mprotect]`"},
      {"evt.type = mmap and evt.arg.2 intersects PROT_EXEC and evt.arg.3 intersects MAP_ANONYMOUS",
       "deny",
       {},
       SKEP_STAGE_PRE},
      {"evt.type = mmap and evt.arg.2 = 7 and evt.arg.3 in (0x22, 0x20022)", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = mmap and evt.arg.2 intersects PROT_EXEC",
       "deny",
       {},
       -1,
       "only intercepts it for PROT_EXEC with MAP_ANONYMOUS; add `intercept: [mmap]`"},
      {"evt.type = mmap and evt.arg.2 intersects PROT_EXEC and evt.arg.3 intersects 0x22",
       "deny",
       {},
       -1,
       "add `intercept: [mmap]`"},
      {"evt.type = mmap and evt.arg.2 intersects PROT_EXEC", "deny", {"mmap"}, SKEP_STAGE_PRE},
      {"evt.type = mmap and evt.arg.2 intersects PROT_EXEC", "kill", {}, SKEP_STAGE_POST},
  };
  for (const Row& row : rows) expect(row);
}

TEST(StageTest, WhatCanNeverBeSeenDoesNotLoad) {
  const Row rows[] = {
      {"evt.type = mount and fd.typechar = 4", "observe", {}, -1, "fd.typechar is not known where mount is judged"},
      {"evt.type = close and fd.typechar = 4", "observe", {}, -1, "fd.typechar is not known where close is judged"},
      {"evt.type = close and fd.typechar = 4", "deny", {}, -1, "add `intercept: [close]`"},
      {"evt.type = close and fd.typechar = 4", "deny", {"close"}, SKEP_STAGE_PRE},
      {"evt.type = exit_group", "observe", {"exit_group"}, -1, "exit_group does not return"},
      {"evt.type = exit_group", "kill", {}, -1, "add `intercept: [exit_group]`"},
      {"evt.type = exit_group", "deny", {"exit_group"}, SKEP_STAGE_PRE},
      {"evt.type = clone3", "deny", {}, -1, "gets ENOSYS for it always"},
      {"evt.type = clone3", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = sendmsg and evt.arg.2 = 1", "observe", {}, -1, "evt.arg.2 is not known where sendto is judged"},
      {"evt.type = sendmsg and fd.typechar = u", "observe", {}, SKEP_STAGE_POST},
      {"evt.type = sendmsg and fd.typechar = u", "deny", {}, -1, "sendto cannot be intercepted"},
      {"evt.type = mount and evt.abi = ia32", "observe", {}, -1, "evt.abi is not known where mount is judged"},
      {"evt.type = foreign_abi and evt.abi = ia32", "deny", {}, SKEP_STAGE_PRE},
      {"evt.type = foreign_abi and fd.typechar = 4", "deny", {}, -1, "fd.typechar is not known"},
      {"evt.type = execve and evt.res = 0", "observe", {}, -1, "evt.res is not known where execve is judged"},
  };
  for (const Row& row : rows) expect(row);
}

TEST(StageTest, AnAdoptedServiceIsNeverAsked) {
  const Row rows[] = {
      {"evt.type = connect and fd.rport = 25", "deny", {}, SKEP_STAGE_HOOK},
      {"evt.type = connect and fd.typechar = u", "deny", {}, SKEP_STAGE_POST},
      {"evt.type = socket and evt.arg.0 = AF_PACKET", "deny", {}, SKEP_STAGE_POST},
      {"evt.type = listen", "deny", {}, SKEP_STAGE_HOOK},
  };
  for (const Row& row : rows) expect(row, false);
}

TEST(InterceptsTest, AddsEachCallOnce) {
  const auto calls = intercepts_of({"socket", "mount", "socket"});
  ASSERT_TRUE(calls);
  EXPECT_EQ(calls->size(), base_intercepts().size() + 1);
  EXPECT_EQ(calls->back(), __NR_socket);
  EXPECT_THAT(intercepts_of({}).value(), testing::Not(testing::Contains(__NR_socket)));
}

TEST(InterceptsTest, SaysWhatCannotBeIntercepted) {
  EXPECT_THAT(intercepts_of({"clone3"}).error().message, HasSubstr("clone3 cannot be intercepted"));
  EXPECT_THAT(intercepts_of({"sendmmsg"}).error().message, HasSubstr("sendmmsg cannot be intercepted"));
  EXPECT_THAT(intercepts_of({"opent"}).error().message, HasSubstr("did you mean 'open"));
  std::vector<std::string> names;
  for (const NamedCall& call : all_calls()) {
    if (names.size() < 64 && why_not_intercepted(call.number).empty() &&
        skep_canonical_call(call.number) == call.number)
      names.emplace_back(call.name);
  }
  EXPECT_THAT(intercepts_of(names).error().message, HasSubstr("64 are the most"));
}

}  // namespace
}  // namespace skep::match

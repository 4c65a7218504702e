#include "match/compile.h"

#include <asm/unistd_64.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/file.h"
#include "match/automaton.h"
#include "match/builtin.h"
#include "match/check.h"
#include "match/engine.h"
#include "match/intercepts.h"
#include "model/session.h"

namespace skep::match {
namespace {

using testing::HasSubstr;

CompileContext context_of(bool launched = true) {
  const auto base = base_intercepts();
  CompileContext context;
  context.services.push_back(
      {"web", 0, launched, launched ? std::vector<uint16_t>(base.begin(), base.end()) : std::vector<uint16_t>{}});
  context.resolve = resolve_nothing();
  return context;
}

Result<CompiledSet> compile_text(const std::string& signatures, const CompileContext& context = context_of()) {
  const auto set = formats::parse_signature_file("t.yaml", "signatures:\n" + signatures);
  if (!set) return tl::unexpected<Error>(set.error());
  return compile({*set}, context);
}

// The signatures that hold of the call, by the strongest alone: as they are told.
std::vector<std::string> fired(const CompiledSet& set, const skep_call& call, Engine* engine = nullptr,
                               uint64_t now = 1, const Caller& caller = {}) {
  std::vector<std::string> names;
  Engine fresh(*set.table);
  skep_call judged = call;
  judged.now_ns = now;
  for (const Fired& each : (engine != nullptr ? *engine : fresh).judge(judged, caller))
    names.push_back(set.signatures[each.signature].name);
  return names;
}

skep_call call_of(uint32_t nr, skep_stage stage) {
  skep_call call{};
  call.nr = nr;
  call.stage = static_cast<uint8_t>(stage);
  return call;
}

void set(skep_call& call, skep_field field, uint64_t value) {
  call.fields[field] = value;
  call.has |= uint64_t{1} << field;
}

skep_call exec_of(const char* name, bool listed) {
  skep_call call = call_of(__NR_execve, SKEP_STAGE_EXEC);
  set(call, SKEP_FIELD_EXE_NAME, skep_name_hash(name, static_cast<uint32_t>(std::string(name).size())));
  set(call, SKEP_FIELD_EXE_LISTED, listed);
  set(call, SKEP_FIELD_EXE_MEMFD, 0);
  return call;
}

CompiledSet builtin(bool launched = true) {
  const auto file = formats::parse_signature_file(kBuiltinName, std::string(builtin_yaml()));
  EXPECT_TRUE(file) << file.error().message;
  auto set = compile({*file}, context_of(launched));
  EXPECT_TRUE(set) << set.error().message;
  return std::move(*set);
}

TEST(BuiltinTest, NamesAShellBeforeAnUnlistedProgram) {
  const CompiledSet set = builtin();
  EXPECT_THAT(fired(set, exec_of("sh", false)), testing::ElementsAre("shell_started"));
  EXPECT_THAT(fired(set, exec_of("id", false)), testing::ElementsAre("reconnaissance_tool"));
  EXPECT_THAT(fired(set, exec_of("anything", false)), testing::ElementsAre("unlisted_program"));
  EXPECT_TRUE(fired(set, exec_of("sh", true)).empty());
}

TEST(BuiltinTest, LeavesTheServicesOwnListenerAlone) {
  const CompiledSet set = builtin();
  skep_call listen = call_of(__NR_listen, SKEP_STAGE_PRE);
  match::set(listen, SKEP_FIELD_FD_PROTO, 6);
  match::set(listen, SKEP_FIELD_SERVICE_PORT, 1);
  EXPECT_TRUE(fired(set, listen).empty());
  match::set(listen, SKEP_FIELD_SERVICE_PORT, 0);
  EXPECT_THAT(fired(set, listen), testing::ElementsAre("new_listener"));
}

TEST(BuiltinTest, LeavesNameLookUpsAlone) {
  const CompiledSet set = builtin();
  struct Row {
    uint32_t nr;
    uint64_t protocol, port;
    const char* address;
    bool fires;
  };
  const Row rows[] = {{__NR_connect, 6, 53, "192.0.2.1", true},  {__NR_connect, 6, 80, "192.0.2.1", true},
                      {__NR_connect, 6, 22, "0.0.0.0", true},    {__NR_connect, 17, 53, "192.0.2.1", false},
                      {__NR_connect, 17, 0, "192.0.2.1", false}, {__NR_connect, 17, 4444, "192.0.2.1", true},
                      {__NR_connect, 17, 22, "0.0.0.0", false},  {__NR_connect, 17, 22, "::", false},
                      {__NR_connect, 17, 22, "127.0.0.1", true}, {__NR_connect, 17, 22, "::1", true},
                      {__NR_sendto, 17, 22, "0.0.0.0", true},    {__NR_sendto, 17, 53, "192.0.2.1", false}};
  for (const Row& row : rows) {
    skep_call call = call_of(row.nr, SKEP_STAGE_HOOK);
    match::set(call, SKEP_FIELD_FD_PROTO, row.protocol);
    match::set(call, SKEP_FIELD_FD_RPORT, row.port);
    match::set(call, SKEP_FIELD_FOR_SESSION, 0);
    match::set(call, SKEP_FIELD_ALLOWED_PEER, 0);
    if (row.nr == __NR_connect) match::set(call, SKEP_FIELD_OWN_LISTENER, 0);
    call.has |= 1u << SKEP_FIELD_FD_RIP;
    const auto endpoint = parse_endpoint(row.address);
    ASSERT_TRUE(endpoint) << row.address;
    std::memcpy(call.remote, endpoint->address.data(), sizeof call.remote);
    EXPECT_EQ(!fired(set, call).empty(), row.fires) << row.nr << " " << row.protocol << ":" << row.port << row.address;
  }
}

TEST(BuiltinTest, LeavesAServerAloneThatWakesItself) {
  const CompiledSet set = builtin();
  for (const uint64_t own : {0, 1}) {
    for (const uint64_t for_session : {0, 1}) {
      skep_call call = call_of(__NR_connect, SKEP_STAGE_HOOK);
      match::set(call, SKEP_FIELD_FD_PROTO, 6);
      match::set(call, SKEP_FIELD_OWN_LISTENER, own);
      match::set(call, SKEP_FIELD_ALLOWED_PEER, 0);
      match::set(call, SKEP_FIELD_FOR_SESSION, for_session);
      EXPECT_EQ(fired(set, call).empty(), own == 1 && for_session == 0);
    }
  }
}

TEST(BuiltinTest, LeavesAPeerAloneThatTheServiceMaySpeakWith) {
  const CompiledSet set = builtin();
  for (const int nr : {__NR_connect, __NR_sendto}) {
    for (const uint64_t protocol : {6, 17}) {
      skep_call call = call_of(nr, SKEP_STAGE_HOOK);
      match::set(call, SKEP_FIELD_FD_PROTO, protocol);
      match::set(call, SKEP_FIELD_FD_RPORT, 25);
      match::set(call, SKEP_FIELD_FOR_SESSION, 1);
      if (nr == __NR_connect) match::set(call, SKEP_FIELD_OWN_LISTENER, 0);
      match::set(call, SKEP_FIELD_ALLOWED_PEER, 1);
      call.remote[0] = 1;
      call.has |= 1u << SKEP_FIELD_FD_RIP;
      EXPECT_TRUE(fired(set, call).empty()) << nr << " " << protocol;
      match::set(call, SKEP_FIELD_ALLOWED_PEER, 0);
      EXPECT_FALSE(fired(set, call).empty()) << nr << " " << protocol;
    }
  }
}

TEST(BuiltinTest, AnAdoptedServiceIsJudgedAfterTheCall) {
  const CompiledSet set = builtin(false);
  EXPECT_TRUE(fired(set, call_of(__NR_ptrace, SKEP_STAGE_PRE)).empty());
  EXPECT_THAT(fired(set, call_of(__NR_ptrace, SKEP_STAGE_POST)), testing::ElementsAre("foreign_process_memory"));
}

TEST(CompileTest, SaysWhatCannotBeDone) {
  struct Row {
    const char* description;
    const char* text;
    const char* words;
  };
  const Row rows[] = {
      {"a call nobody intercepts", "  - {signature: a, condition: evt.type = openat, action: deny}",
       "add `intercept: [openat]`"},
      {"unknown call", "  - {signature: a, condition: evt.type = execv}", "did you mean 'execve'?"},
      {"unknown field", "  - {signature: a, condition: evt.type = mount and fd.rprt = 5}", "did you mean 'fd.rport'?"},
      {"field not known there", "  - {signature: a, condition: evt.type = mount and proc.name = sh}",
       "proc.name is not known where mount is judged"},
      {"no call named", "  - {signature: a, condition: user.uid = 0}", "names no call"},
      {"no such service", "  - {signature: a, condition: evt.type = mount, services: [wev]}", "did you mean 'web'?"},
      {"unknown errno", "  - {signature: a, condition: evt.type = mount, errno: EWHAT}", "'EWHAT' is none of"},
      {"deny by the result", "  - {signature: a, condition: evt.type = mount and evt.res = 0, action: deny}",
       "cannot be denied by evt.res"},
      {"an unknown kind", "  - {signature: a, kind: heuristic, condition: evt.type = mount}",
       "'heuristic' is none of: blacklist, sequence, evidence"},
      {"unknown key", "  - {signature: a, conditon: evt.type = mount}", "did you mean 'condition'?"},
      {"open parenthesis", "  - {signature: a, condition: (evt.type = mount}", "a ')' is missing"},
      {"a call compared", "  - {signature: a, condition: evt.type < mount}", "evt.type wants = or in"},
      {"not a call compared", "  - {signature: a, condition: evt.type >= mount}", "evt.type wants = or in"},
      {"a call intersected", "  - {signature: a, condition: evt.type intersects mount}", "evt.type wants = or in"},
      {"two calls at once", "  - {signature: a, on: mount, condition: evt.type = bpf}", "no call is all that it wants"},
      {"an unknown field beside always",
       "  - {signature: a, condition: evt.type = mount or evt.type = mount and x = 1}", "unknown field 'x'"},
      {"a span of a blacklist", "  - {signature: a, maxspan: 10s, condition: evt.type = mount}",
       "unknown key 'maxspan'"},
      {"a scope of a blacklist", "  - {signature: a, by: thread, condition: evt.type = mount}", "unknown key 'by'"},
      {"the same name again",
       "  - {signature: a, condition: evt.type = mount}\n  - {signature: a, condition: evt.type = "
       "bpf}",
       "two signatures are named 'a'"},
      {"no port", "  - {signature: a, condition: evt.type = connect and fd.rport = 70000}", "is outside 0 to 65535"},
      {"no user", "  - {signature: a, condition: evt.type = mount and user.uid = -1}", "is outside 0 to 4294967295"},
      {"no character", "  - {signature: a, condition: evt.type = dup2 and fd.typechar = s, action: kill}",
       "'s' is none of: 4, 6"},
      {"a path for a name", "  - {signature: a, condition: evt.type = execve and proc.name = /bin/sh}",
       "say proc.exepath"},
      {"a name for a path", "  - {signature: a, condition: evt.type = execve and proc.exepath = sh}", "a path from /"},
      {"no bit", "  - {signature: a, condition: evt.type = mmap and evt.arg.2 intersects 0, action: kill}",
       "nothing intersects 0"},
      {"not a network", "  - {signature: a, condition: evt.type = connect and fd.rip in (10.0.0.0/33)}",
       "is no network"},
  };
  for (const Row& row : rows) {
    const auto set = compile_text(row.text);
    ASSERT_FALSE(set) << row.description;
    EXPECT_THAT(set.error().message, HasSubstr(row.words)) << row.description;
    EXPECT_THAT(set.error().message, testing::ContainsRegex("t.yaml:[23]")) << row.description;
  }
}

TEST(CompileTest, ANameTwiceInAllFilesIsAnError) {
  const auto first =
      formats::parse_signature_file("one.yaml", "signatures: [{signature: a, condition: evt.type = bpf}]");
  const auto second =
      formats::parse_signature_file("two.yaml", "signatures:\n  - {signature: a, condition: evt.type = mount}");
  ASSERT_TRUE(first && second);
  const auto set = compile({*first, *second}, context_of());
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message, "two.yaml:2: a: a signature of this name is in one.yaml already");
}

TEST(CompileTest, AMistakeIsToldOnce) {
  const auto set = compile_text("  - {signature: a, condition: 'evt.type in (mount, bpf) and user.uid = x'}");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message, "t.yaml:2: a: user.uid: 'x' is no number and no constant known here");
}

TEST(CompileTest, OneServiceNamedManyTimesLeavesRoomForOthers) {
  const std::string path = testing::TempDir() + "/many.yaml";
  std::string text = "signatures:\n";
  for (int i = 0; i < 100; ++i)
    text += fmt::format("  - {{signature: s{}, condition: evt.type = mount, services: web}}\n", i);
  text = text.substr(0, text.find("s40")) + "last, condition: evt.type = mount, services: other}\n";
  ASSERT_TRUE(write_file(path, text));
  const auto set = check_files({path});
  EXPECT_TRUE(set) << set.error().message;
}

TEST(CompileTest, EverySendIsOneCall) {
  const auto set = compile_text("  - {signature: a, condition: 'evt.type in (sendmsg, sendmmsg)', action: deny}");
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_THAT(fired(*set, call_of(skep_canonical_call(__NR_sendmmsg), SKEP_STAGE_HOOK)), testing::ElementsAre("a"));
  EXPECT_EQ(skep_canonical_call(__NR_sendmsg), uint32_t{__NR_sendto});
  EXPECT_EQ(skep_canonical_call(__NR_sendto), uint32_t{__NR_sendto});
  EXPECT_EQ(skep_canonical_call(__NR_mount), uint32_t{__NR_mount});
}

TEST(CompileTest, AMacroThatNamesItselfIsAnError) {
  const auto set = formats::parse_signature_file(
      "t.yaml", "macros: [{macro: m, condition: m or m}]\nsignatures: [{signature: a, condition: m}]");
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message, HasSubstr("name itself?"));
}

TEST(CompileTest, NetworksMatchByPrefix) {
  const auto set = compile_text(
      "  - {signature: a, condition: 'evt.type = connect and not fd.rip in (127.0.0.0/8, \"fd00::/8\")', action: "
      "deny}");
  ASSERT_TRUE(set) << set.error().message;
  struct Row {
    const char* address;
    bool fires;
  };
  for (const Row& row :
       {Row{"127.9.9.9", false}, Row{"128.0.0.1", true}, Row{"[fd12::1]", false}, Row{"[fe80::1]", true}}) {
    skep_call connect = call_of(__NR_connect, SKEP_STAGE_HOOK);
    const auto endpoint = parse_endpoint(row.address);
    std::memcpy(connect.remote, endpoint->address.data(), 16);
    connect.has |= 1u << SKEP_FIELD_FD_RIP;
    EXPECT_EQ(!fired(*set, connect).empty(), row.fires) << row.address;
  }
}

TEST(CompileTest, ExceptionsNarrowASignature) {
  const auto set = compile_text(
      "  - {signature: a, condition: evt.type = connect, action: deny,\n     exceptions: [{name: smtp, fields: "
      "[fd.l4proto, fd.rport], comps: [=, in], values: [[tcp, [25, 587]]]}]}");
  ASSERT_TRUE(set) << set.error().message;
  skep_call connect = call_of(__NR_connect, SKEP_STAGE_HOOK);
  match::set(connect, SKEP_FIELD_FD_PROTO, 6);
  match::set(connect, SKEP_FIELD_FD_RPORT, 587);
  EXPECT_TRUE(fired(*set, connect).empty());
  match::set(connect, SKEP_FIELD_FD_RPORT, 80);
  EXPECT_FALSE(fired(*set, connect).empty());
}

class SequenceTest : public testing::Test {
 protected:
  CompiledSet compiled() {
    auto set = compile_text(R"y(  - signature: s
    kind: sequence
    maxspan: 10s
    steps:
      - {on: [dup2, dup3], where: "evt.res in (0, 1, 2) and fd.typechar in (4, 6)"}
      - {on: [execve, execveat], where: "proc.name in (sh, bash)"}
)y");
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  static skep_call dup2(uint64_t result) {
    skep_call call = call_of(__NR_dup2, SKEP_STAGE_POST);
    set(call, SKEP_FIELD_RESULT, result);
    set(call, SKEP_FIELD_FD_TYPE, '4');
    return call;
  }
};

TEST_F(SequenceTest, FiresOnTheLastStepAfterTheFirst) {
  const CompiledSet set = compiled();
  Engine engine(*set.table);
  EXPECT_TRUE(fired(set, exec_of("sh", false), &engine).empty());
  EXPECT_TRUE(fired(set, dup2(0), &engine).empty());
  EXPECT_TRUE(fired(set, dup2(7), &engine).empty());
  EXPECT_THAT(fired(set, exec_of("sh", false), &engine), testing::ElementsAre("s"));
  EXPECT_TRUE(fired(set, exec_of("sh", false), &engine).empty()) << "begins anew once complete";
}

TEST_F(SequenceTest, ForgetsWhatIsOlderThanItsSpan) {
  const CompiledSet set = compiled();
  Engine engine(*set.table);
  fired(set, dup2(0), &engine, 1);
  EXPECT_TRUE(fired(set, exec_of("sh", false), &engine, 10'000'000'002).empty());
}

TEST_F(SequenceTest, StateOfAnotherTextCountsAsNone) {
  const CompiledSet set = compiled();
  Engine engine(*set.table);
  fired(set, dup2(0), &engine);
  set.table->signatures[0].epoch ^= 1;
  EXPECT_TRUE(fired(set, exec_of("sh", false), &engine).empty());
}

TEST(TableTest, AnIndexOutsideIsNotValid) {
  const CompiledSet set = builtin();
  ASSERT_TRUE(skep_table_valid(set.table.get()));
  const auto broken = [&](auto change) {
    auto copy = std::make_unique<skep_table>(*set.table);
    change(*copy);
    return !skep_table_valid(copy.get());
  };
  EXPECT_TRUE(broken([](skep_table& t) { t.calls[5] = {65535, 48}; }));
  EXPECT_TRUE(broken([](skep_table& t) { t.by_call[0] = SKEP_TABLE_STEPS_MAX; }));
  EXPECT_TRUE(broken([](skep_table& t) {
    t.steps[0].conjunction_first = SKEP_CONJUNCTIONS_MAX - 4;
    t.steps[0].conjunction_count = 16;
  }));
  EXPECT_TRUE(broken([](skep_table& t) { t.predicates[3].field = 99; }));
  EXPECT_TRUE(broken([](skep_table& t) { t.signatures[0].slot = SKEP_SLOTS_MAX; }));
  EXPECT_TRUE(broken([](skep_table& t) { t.signature_count = 4000; }));
  EXPECT_TRUE(broken([](skep_table& t) { t.guarded[7] = {SKEP_GUARDS_MAX - 1, 2}; }));
  EXPECT_TRUE(broken([](skep_table& t) { t.guards[0].field = SKEP_FIELD_COUNT; }));
}

}  // namespace
}  // namespace skep::match

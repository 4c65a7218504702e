// What is kept with an alert: the program that was to run lies on the proxy host, whole and once, when the honeypot
// host has nothing of it any more; where nothing could be kept, the session's log says why.
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "archive/evidence_store.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"
#include "view/session_evidence.h"

namespace skep::harness {
namespace {

std::string sha256_of(std::string_view bytes) {
  Sha256 sha;
  sha.add(as_bytes(bytes));
  return hex(sha.finish());
}

class EvidenceTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    auto folder = Folder::make();
    ASSERT_TRUE(folder);
    drops_.emplace(std::move(*folder));
    RigOptions options;
    const Rig names(options);
    options.services_monitor = fmt::format("  - {{name: drops, command: [{}, \"{}:9000\", {}], port: 9000}}\n",
                                           names.program("drop_server"), testbed::kHoneypotAddress, drops_->path());
    options.services_proxy = fmt::format("  - {{name: drops, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
  }
  void TearDown() override {
    rig_.reset();
    if (!mounted_.empty()) ::umount2(mounted_.c_str(), MNT_DETACH);
  }
  void start() {
    const auto started = rig_->start_programs();
    ASSERT_TRUE(started) << started.error().message;
  }
  struct Outcome {
    std::string answer;
    archive::SessionSummary session;
  };
  Outcome drop(const std::string& kind, const std::string& name, const std::string& bytes, int times = 1) {
    auto socket = connect_from(rig_->network().attacker(), std::string(testbed::kProxyOutside) + ":90");
    EXPECT_TRUE(socket) << socket.error().message;
    if (!socket) return {};
    send_text(*socket, fmt::format("{} {} {} {}\n", kind, name, bytes.size(), times) + bytes);
    const std::string answer = receive_all(*socket).text;
    socket->reset();
    const auto all = rig_->sessions(++sessions_);
    EXPECT_TRUE(all) << all.error().message;
    return {answer, all ? all->back() : archive::SessionSummary{}};
  }
  archive::SessionSummary found(const archive::SessionSummary& session) {
    auto reader = archive::Reader::open(rig_->file("archive"));
    auto found = reader->find(session.id);
    EXPECT_TRUE(found && *found);
    return found && *found ? **found : session;
  }
  view::SessionEvidence evidence(const archive::SessionSummary& session) {
    auto reader = archive::Reader::open(rig_->file("archive"));
    auto evidence = view::evidence_of(*reader, found(session));
    EXPECT_TRUE(evidence) << evidence.error().message;
    return *evidence;
  }
  // The files in this role, once `count` are told of and none is on its way.
  view::SessionEvidence settled(const archive::SessionSummary& session, size_t count = 1,
                                formats::FileRole role = formats::FileRole::program) {
    view::SessionEvidence last;
    EXPECT_TRUE(eventually([&] {
      last = evidence(session);
      std::erase_if(last.files, [&](const formats::FileEvent& file) { return file.role != role; });
      return last.files.size() >= count && std::none_of(last.files.begin(), last.files.end(), [](const auto& file) {
               return file.state == formats::FileState::coming;
             });
    })) << last.files.size()
        << rig_->log("monitor") << rig_->log("proxy");
    return last;
  }
  std::string stored(const std::string& sha256) {
    return read_file(archive::evidence_path(rig_->file("archive"), sha256)).value_or("");
  }
  std::string shown(const archive::SessionSummary& session) {
    return rig_->skep({"session", "show", to_string(session.id), "--json"}).text;
  }

  // Beside the script what the kernel ran in its place.
  void expect_interpreter(const archive::SessionSummary& session, const std::string& path) {
    const auto kept = settled(session, 1, formats::FileRole::interpreter);
    ASSERT_EQ(kept.files.size(), 1u);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(kept.files[0].path, path);
    EXPECT_EQ(kept.files[0].inode, info.st_ino);
    EXPECT_EQ(kept.files[0].sha256, sha256_of(read_file(path).value())) << kept.files[0].why;
    EXPECT_NE(shown(session).find("\"interpreter_sha256\":\"" + kept.files[0].sha256), std::string::npos);
    EXPECT_NE(rig_->skep({"session", "show", to_string(session.id)}).text.find("run by: " + path), std::string::npos);
  }

  const std::string program_ = read_file("/bin/true").value();
  std::optional<Folder> drops_;
  std::optional<Rig> rig_;
  std::string mounted_;
  size_t sessions_ = 0;
};

TEST_F(EvidenceTest, WhatWasToRunLiesOnTheProxyHost) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string script = "#!/bin/sh\nexit 0\n";
  const struct {
    const char* description;
    const char* kind;
    const std::string& bytes;
    const char* why;
  } rows[] = {{"by an absolute name", "absolute", program_, ""},
              {"by a relative name", "relative", program_, ""},
              {"from memory, by its link", "memfd", program_, ""},
              {"from memory, by its descriptor", "memfd_at", program_, ""},
              {"a script", "absolute", script, "a script: what the kernel opened"}};
  int number = 0;
  for (const auto& row : rows) {
    // Each is another file: a byte more.
    const std::string bytes = row.bytes + std::string(static_cast<size_t>(++number), '\n');
    const Outcome outcome = drop(row.kind, fmt::format("dropped-{}", number), bytes);
    EXPECT_EQ(outcome.answer, "killed by 9\n") << row.description;
    EXPECT_EQ(outcome.session.session_class, SessionClass::attack) << row.description;
    const auto kept = settled(outcome.session);
    ASSERT_EQ(kept.files.size(), 1u) << row.description;
    EXPECT_EQ(kept.files[0].sha256, sha256_of(bytes)) << row.description;
    EXPECT_EQ(kept.files[0].bytes, bytes.size()) << row.description;
    EXPECT_EQ(kept.files[0].state, formats::FileState::stored) << row.description << kept.files[0].why;
    EXPECT_TRUE(kept.files[0].why.starts_with(row.why)) << row.description << ": " << kept.files[0].why;
    EXPECT_EQ(kept.files[0].why.empty(), *row.why == '\0') << row.description << ": " << kept.files[0].why;
    EXPECT_EQ(stored(sha256_of(bytes)), bytes) << row.description;
    const std::string text = shown(outcome.session);
    EXPECT_NE(text.find(fmt::format("\"exe_sha256\":\"{}\"", sha256_of(bytes))), std::string::npos) << text;
    if (row.bytes == script) expect_interpreter(outcome.session, "/bin/sh");
    struct stat info {};
    ASSERT_EQ(::stat(archive::evidence_path(rig_->file("archive"), sha256_of(bytes)).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0400u) << row.description;
  }
}

TEST_F(EvidenceTest, AnExportBringsItsFilesAlong) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Outcome outcome = drop("absolute", "dropped", program_);
  const std::string sha256 = sha256_of(program_);
  ASSERT_EQ(settled(outcome.session).files.size(), 1u);
  const std::string id = to_string(outcome.session.id);
  ASSERT_EQ(rig_->skep({"session", "export", id, "--format", "raw", "-o", rig_->file("out")}).code, 0);
  EXPECT_EQ(read_file(rig_->file("out/" + id + ".files/" + sha256)).value_or(""), program_);
  ASSERT_EQ(rig_->skep({"session", "export", id, "-o", rig_->file("out/it.pcapng")}).code, 0);
  EXPECT_NE(read_file(rig_->file("out/it.pcapng")).value_or("").find("sha256 " + sha256), std::string::npos);
  EXPECT_NE(rig_->skep({"session", "show", id}).text.find("sha256 " + sha256 + ", stored"), std::string::npos);
  // The proxy writes the same by itself: with the alert, and with the file, which comes after the session's end.
  const std::string log = rig_->file("archive/tagged/" + id + ".pcapng");
  EXPECT_TRUE(eventually([&] {
    return read_file(log).value_or("").find("sha256 " + sha256 + ", stored") != std::string::npos;
  })) << rig_->log("proxy");
}

TEST_F(EvidenceTest, WhatTheSessionWroteIsListedWithItsAlertAndCopied) {
  ASSERT_NO_FATAL_FAILURE(start());
  EXPECT_EQ(drop("keep", "neighbours", program_).answer, "done\n");
  const Outcome outcome = drop("placed", "mine", program_);
  EXPECT_EQ(outcome.answer, "killed by 9\n");
  const auto kept = settled(outcome.session, 2, formats::FileRole::written);
  const struct {
    const char* description;
    std::string path;
    std::string bytes;
    std::string why;
  } rows[] = {{"opened and written", drops_->path() + "/mine", program_, ""},
              {"put in its place", drops_->path() + "/placed/mine", program_ + "placed",
               "written as " + drops_->path() + "/mine.part"}};
  ASSERT_EQ(kept.files.size(), std::size(rows));
  const std::string json = shown(outcome.session);
  const std::string text = rig_->skep({"session", "show", to_string(outcome.session.id)}).text;
  for (const auto& row : rows) {
    const auto told = std::find_if(kept.files.begin(), kept.files.end(),
                                   [&](const formats::FileEvent& each) { return each.path == row.path; });
    ASSERT_NE(told, kept.files.end()) << row.description << text;
    EXPECT_EQ(told->sha256, sha256_of(row.bytes)) << row.description << ": " << told->why;
    EXPECT_EQ(told->why, row.why) << row.description;
    EXPECT_TRUE(stored(told->sha256) == row.bytes) << row.description;
    struct stat info {};
    ASSERT_EQ(::stat(row.path.c_str(), &info), 0);
    EXPECT_EQ(told->inode, info.st_ino) << row.description;
    EXPECT_NE(json.find("\"role\":\"written\",\"path\":\"" + row.path), std::string::npos) << json;
    EXPECT_NE(text.find("  written: " + row.path + " inode"), std::string::npos) << text;
  }
  EXPECT_EQ(json.find("neighbours"), std::string::npos);
  const std::string id = to_string(outcome.session.id);
  ASSERT_EQ(rig_->skep({"session", "export", id, "--format", "raw", "-o", rig_->file("out")}).code, 0);
  EXPECT_EQ(read_file(rig_->file("out/" + id + ".files/" + sha256_of(rows[1].bytes))).value_or(""), rows[1].bytes);
}

// A name is any bytes: none keeps an alert from its session.
TEST_F(EvidenceTest, ANameThatIsNoTextIsToldLikeAnyOther) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string name = "\xff\xfe";
  const Outcome outcome = drop("absolute", name, program_);
  EXPECT_EQ(outcome.answer, "killed by 9\n");
  EXPECT_EQ(outcome.session.session_class, SessionClass::attack);
  EXPECT_EQ(settled(outcome.session).files.at(0).path, drops_->path() + "/" + name);
  EXPECT_EQ(settled(outcome.session, 1, formats::FileRole::written).files.at(0).path, drops_->path() + "/" + name);
  EXPECT_NE(rig_->skep({"session", "show", to_string(outcome.session.id)}).text.find("\\xff\\xfe"), std::string::npos);
}

TEST_F(EvidenceTest, OfManyWrittenFilesTheLastAreToldAndTheOthersCounted) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Outcome outcome = drop("many", "mine", program_, 40);
  EXPECT_EQ(outcome.answer, "killed by 9\n");
  constexpr size_t kMost = 32;
  const auto kept = settled(outcome.session, kMost + 1, formats::FileRole::written);
  ASSERT_EQ(kept.files.size(), kMost + 1);
  EXPECT_EQ(kept.written_left_out(), 41 - kMost);
  EXPECT_EQ(kept.files[0].inode, 0u);
  EXPECT_EQ(kept.files[0].why, "9 files more were written before these");
  std::vector<std::string> paths;
  for (const formats::FileEvent& file : kept.files) paths.push_back(file.path);
  for (int i = 9; i <= 40; ++i) {
    const std::string path = fmt::format("{}/mine-{}", drops_->path(), i);
    EXPECT_NE(std::find(paths.begin(), paths.end(), path), paths.end()) << path;
  }
  EXPECT_NE(shown(outcome.session).find("\"written_left_out\":9"), std::string::npos);
}

TEST_F(EvidenceTest, ALargeFileIsCutAndSaidToBe) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Outcome outcome = drop("large", "large", program_);
  EXPECT_EQ(outcome.answer, "killed by 9\n");
  const auto kept = settled(outcome.session);
  ASSERT_EQ(kept.files.size(), 1u);
  constexpr size_t kMost = 8 << 20;
  std::string beginning = program_;
  beginning.resize(kMost);
  EXPECT_EQ(kept.files[0].bytes, 100u << 20);
  EXPECT_EQ(kept.files[0].copied, kMost);
  EXPECT_EQ(kept.files[0].sha256, sha256_of(beginning));
  EXPECT_EQ(kept.files[0].why, "longer than 8388608 bytes: its beginning");
  EXPECT_EQ(stored(kept.files[0].sha256), beginning);
}

TEST_F(EvidenceTest, AHundredAlertsKeepTheirFileOnce) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_EQ(rig_->skep({"hids", "signatures", "remove", "foothold"}).code,
            0);  // which would refuse the fourth before it runs
  const Outcome outcome = drop("absolute", "dropped", program_, 100);
  EXPECT_EQ(outcome.session.alerts_total, 100u);
  const auto kept = settled(outcome.session, 100);
  EXPECT_EQ(kept.files.size(), 100u);
  for (const formats::FileEvent& file : kept.files) {
    EXPECT_EQ(file.sha256, sha256_of(program_)) << file.why;
    EXPECT_EQ(file.state, formats::FileState::stored);
  }
  EXPECT_EQ(stored(sha256_of(program_)), program_);
}

TEST_F(EvidenceTest, APipeInAProgramsPlaceHoldsNobodyUp) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Outcome pipe = drop("fifo", "pipe", "");
  EXPECT_EQ(pipe.answer, "errno 13\n");
  EXPECT_EQ(pipe.session.session_class, SessionClass::harmless);
  const Outcome after = drop("absolute", "dropped", program_);
  EXPECT_EQ(settled(after.session).files.at(0).sha256, sha256_of(program_));
}

TEST_F(EvidenceTest, AFullDiskIsSaidAndTheLogGoesOn) {
  const std::string archive = rig_->file("archive");
  ASSERT_TRUE(make_directories(archive));
  ASSERT_EQ(::mount("tmpfs", archive.c_str(), "tmpfs", 0, "size=8m"), 0);
  mounted_ = archive;
  ASSERT_NO_FATAL_FAILURE(start());
  const auto kept = settled(drop("large", "large", program_).session);
  ASSERT_EQ(kept.files.size(), 1u);
  EXPECT_EQ(kept.files[0].state, formats::FileState::not_stored);
  EXPECT_NE(kept.files[0].why.find("disk is too full"), std::string::npos) << kept.files[0].why;
  EXPECT_EQ(kept.files[0].sha256.size(), 64u) << "what it was is known all the same";
  EXPECT_EQ(settled(drop("absolute", "small", program_).session).files.at(0).state, formats::FileState::stored);
}

TEST_F(EvidenceTest, ACrashSaysWhereItWas) {
  ASSERT_NO_FATAL_FAILURE(start());
  const Outcome outcome = drop("crash", "none", "");
  EXPECT_EQ(outcome.answer, "killed by 11\n");
  EXPECT_EQ(outcome.session.session_class, SessionClass::suspect);
  const auto kept = evidence(outcome.session);
  ASSERT_EQ(kept.crashes.size(), 1u);
  const CrashState& state = kept.crashes.begin()->second.state;
  EXPECT_EQ(state.signal, 11u);
  EXPECT_EQ(state.code, 1) << "SEGV_MAPERR";
  EXPECT_EQ(state.address, 0x1234u);
  ASSERT_EQ(state.registers.size(), std::size(kRegisterNames));
  EXPECT_NE(state.registers[0], 0u);
  EXPECT_NE(state.registers[1], 0u);
  EXPECT_EQ(state.comm, "drop_server");
  EXPECT_EQ(state.code_bytes.size(), 32u);
  EXPECT_EQ(state.stack.size(), 64u);
  const auto programs = settled(outcome.session);
  ASSERT_EQ(programs.files.size(), 1u);
  const std::string own = Rig({}).program("drop_server");
  struct stat info {};
  ASSERT_EQ(::stat(own.c_str(), &info), 0);
  EXPECT_EQ(programs.files[0].path, own);
  EXPECT_EQ(programs.files[0].inode, info.st_ino);
  EXPECT_EQ(programs.files[0].sha256, sha256_of(read_file(own).value())) << programs.files[0].why;
  EXPECT_NE(shown(outcome.session).find("\"exe_sha256\":\"" + programs.files[0].sha256), std::string::npos);
  const std::string text = rig_->skep({"session", "show", to_string(outcome.session.id)}).text;
  EXPECT_NE(text.find("crash: SIGSEGV at 0x1234 rip 0x"), std::string::npos) << text;
}

// The judge stands still while the kernel has more to tell than its ring can hold. Verdicts do not depend on it.
TEST_F(EvidenceTest, WhatAFullRingLosesIsSaidAndNoVerdictIsLost) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_EQ(rig_->skep({"hids", "signatures", "remove", "foothold"}).code, 0);  // twenty alerts are counted below
  const pid_t judge = rig_->child_of_monitor("skep-judge");
  ASSERT_GT(judge, 0);
  ::kill(judge, SIGSTOP);
  const Outcome storm = drop("storm", "none", "", 8000);
  const Outcome refused = drop("absolute", "dropped", program_, 20);
  ::kill(judge, SIGCONT);
  EXPECT_EQ(storm.answer, "done\n");
  EXPECT_EQ(refused.answer, "killed by 9\n") << "the verdict falls in the kernel";
  const Outcome after = drop("absolute", "dropped", program_);
  EXPECT_TRUE(eventually([&] { return found(refused.session).alerts_total == 20; }))
      << "the other ring is whole: " << found(refused.session).alerts_total;
  for (const Outcome* each : {&storm, &refused}) {
    EXPECT_TRUE(eventually([&] { return !evidence(each->session).losses.empty(); })) << rig_->log("monitor");
    EXPECT_TRUE(found(each->session).incomplete);
  }
  const std::string status = rig_->skep({"hids", "status"}).text;
  EXPECT_GT(number_in(status, "telemetry_records_lost"), 0u) << status;
  EXPECT_EQ(number_in(status, "records_missing"), number_in(status, "telemetry_records_lost")) << status;
  EXPECT_EQ(number_in(status, "alert_records_lost"), 0u) << status;
  EXPECT_EQ(evidence(storm.session).losses.at(0),
            fmt::format("kernel records were lost: {} of telemetry", number_in(status, "records_missing")));
}

}  // namespace
}  // namespace skep::harness

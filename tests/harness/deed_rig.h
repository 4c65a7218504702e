// DeedTest: a rig with deed_server, which lies where only root writes, behind the proxy's port 90; one request a
// session, and what became of it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/folder.h"
#include "harness/rig.h"

namespace skep::harness {

struct DeedRow {
  const char* description;
  const char* request;
  const char* answer;  // what the deed itself saw
  const char* rule;    // "": harmless
  AlertAction action;
};

class DeedTest : public testing::Test {
 protected:
  void SetUp() override;
  // `monitor_more`: top-level lines of monitor.yaml; `service_more`: ", key: value" of the service; `words`: of its
  // command.
  void start(const std::string& monitor_more, const std::string& service_more, const std::string& words = "");
  // Lets the launched service go and takes it up again by its pid.
  void adopt(const std::string& service_more = "");
  // What is answered to one request, and the session that it was.
  std::pair<std::string, archive::SessionSummary> ask(const std::string& request);
  // In the place of all that was in force.
  void set_signatures(const std::string& lines);
  void expect(const DeedRow& row);
  // The same in two steps, for many rows: each one's answer, and then what their sessions say, awaited once.
  void expect_answer(const DeedRow& row);
  void expect_sessions();
  // The service's program, and others that a test puts beside it.
  std::string server() const { return program("deed_server"); }
  std::string program(const std::string& name) const { return programs_->path() + "/" + name; }
  // A counter of `skep hids status`.
  unsigned counted(std::string_view key) const { return number_in(rig_->skep({"hids", "status"}).text, key); }

  std::optional<Folder> programs_;
  std::optional<Rig> rig_;
  size_t sessions_ = 0;

 private:
  std::string answer_to(const std::string& request);
  void expect_session(const DeedRow& row, const archive::SessionSummary& session);
  std::vector<DeedRow> answered_;  // whose sessions have not been looked at
};

}  // namespace skep::harness

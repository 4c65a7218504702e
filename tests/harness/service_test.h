// ServiceTest: a real service of the distribution, started by its profile under supervision and behind the proxy.
// Ordinary sessions raise no alert, and every answer is, byte for byte, what the same service says where nobody
// supervises it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/folder.h"
#include "harness/profile.h"
#include "harness/rig.h"

namespace skep::harness {

inline constexpr char kEntrance[] = "10.99.1.2:90";
inline constexpr char kService[] = "10.99.0.3:9000";

// What a test says beside the profile.
struct Setting {
  std::string profile;
  std::vector<std::string> command;        // in the place of the profile's
  std::vector<uint16_t> more_ports = {};   // beside that of kService; the proxy passes each on as it is
  std::vector<std::string> programs = {};  // allowed beside those of the profile's app groups
  std::vector<std::string> env = {};       // "NAME=value", beside the profile's
  std::string socket = {};                 // the Unix socket at which it must listen before anybody comes
  std::string title = {};                  // in the table of sessions; empty: the profile
};

// What one session says, as `dialogue` reads it, and what must be found in the answer.
struct Exchange {
  const char* description;
  std::string request;
  std::string answer;
};

// A batch of sessions of `dialogue`: session i says exchange i modulo their number.
struct Batch {
  size_t sessions;
  bool keep_open;  // true: the service ends the session; false: the client ends its side after the request
  std::vector<Exchange> exchanges;
};

// Speaks with the service at `address` ("10.99.…:port") from a host; everything that was answered.
using Talk = std::function<std::string(const std::string& netns, const std::string& address)>;

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override;
  std::string file(const std::string& name) const { return folder_->path() + "/" + name; }

  // How often a test says what it has to say: 1, or what SKEP_SERVICE_TIMES says (`make test-services`).
  static size_t times();
  // The first that is there of programs or patterns; a test that needs one that is not there is skipped.
  static std::string installed(const std::vector<std::string>& patterns);

  // A folder below the test's own that belongs to a user of this host.
  void make_folder_of(const std::string& user, const std::string& name);

  // The whole of a test: supervised, silent, and the same answers without supervision. At least so many sessions.
  // `parts`: the entrance's service first.
  void check(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk);
  // … and without the second half, where answers name ids and times.
  void check_supervised(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk);
  void supervise(const std::vector<Setting>& parts);

  // What `dialogue` heard in all batches. Every exchange has one answer only, however often it was held. Lines that
  // begin with one of `masks` are cut to it: they tell times and ids.
  std::string converse(const std::vector<Batch>& batches, const std::string& netns, const std::string& address,
                       const std::vector<std::string>& masks = {"Date:"});
  // tests/programs/visitor.py: `kind` of client, so many times.
  std::string visitor(const std::string& kind, size_t times, const std::string& netns, const std::string& address);
  // What a client program wrote to its stdout; it must end with 0.
  std::string visit(const std::vector<std::string>& command, const std::string& netns);
  void expect_silence(size_t sessions_least);

  std::optional<Folder> folder_;  // for programs too
  std::optional<Rig> rig_;

 private:
  std::string heard_supervised(const std::vector<Setting>& parts, size_t sessions_least, const Talk& talk);
  std::vector<std::string> unsupervised(const formats::MonitoredService& service) const;
  bool listening();
  bool all_listening();
  std::vector<formats::MonitoredService> services_;  // as supervised
  std::vector<std::string> sockets_;
  std::string title_;
};

}  // namespace skep::harness

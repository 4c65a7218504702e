// How a connection comes in, and to which bait it goes: several baits, ranges of ports, sessions that belong together,
// balancers.
#include <sys/socket.h>

#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;
using namespace std::string_literals;

constexpr char kServices[] =
    "  - name: pair\n"
    "    listen: [\"10.99.1.2:90\"]\n"
    "    baits: [{address: 10.99.0.3:9000}, {address: 10.99.0.3:9001}]\n"
    "  - {name: ftp, listen: [\"10.99.1.2:21\"], address: 10.99.0.3:9002}\n"
    "  - {name: data, listen: [\"10.99.1.2:30000-30009\"], address: 10.99.0.3:40000-40009, linked_to: ftp}\n"
    "  - name: balanced\n"
    "    listen: [\"10.99.1.2:91\"]\n"
    "    address: 10.99.0.3:9003\n"
    "    proxy_protocol: {from: [10.99.1.1], timeout_ms: 1000}\n";

class IntakeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.services_proxy = kServices;
    options.proxy_more = "bait_retry_ms: 50";
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    for (const char* address : {"10.99.1.5/24", "10.99.1.6/24", "10.99.1.7/24"}) {
      const auto added = testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", address, "dev", "skoa"},
                                             {rig_->network().attacker(), {}, {}});
      ASSERT_TRUE(added) << added.error().message;
    }
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  Fd bait(const std::string& endpoint) {
    auto listener = listen_on(rig_->network().honeypot(), endpoint);
    EXPECT_TRUE(listener) << listener.error().message;
    return listener ? std::move(*listener) : Fd();
  }
  Fd client(const std::string& endpoint, const std::string& source = {}) {
    auto socket = connect_from(rig_->network().attacker(), endpoint, source);
    EXPECT_TRUE(socket) << socket.error().message;
    return socket ? std::move(*socket) : Fd();
  }
  // A whole session from `source`; whether this bait was the one.
  bool comes_to(const Fd& listener, const std::string& endpoint, const std::string& source) {
    const Fd from = client(endpoint, source);
    auto at = accept_one(listener);
    if (!at) return false;
    send_text(from, "x");
    ::shutdown(from.get(), SHUT_WR);
    return receive_all(*at).text == "x";
  }
  std::vector<SessionSummary> sessions(size_t count) {
    auto all = rig_->sessions(count);
    EXPECT_TRUE(all) << all.error().message;
    return all ? std::move(*all) : std::vector<SessionSummary>(count);
  }
  std::string text_of(const SessionSummary& session) {
    return rig_->skep({"session", "export", to_string(session.id), "--format", "text"}).text;
  }
  std::optional<Rig> rig_;
};

TEST_F(IntakeTest, SourcesTakeTurnsAndEachStaysAtItsBait) {
  const Fd one = bait("10.99.0.3:9000");
  const Fd two = bait("10.99.0.3:9001");
  for (int visit = 0; visit < 3; ++visit) {
    EXPECT_TRUE(comes_to(one, "10.99.1.2:90", "10.99.1.5"));
    EXPECT_TRUE(comes_to(two, "10.99.1.2:90", "10.99.1.6"));
    EXPECT_TRUE(comes_to(one, "10.99.1.2:90", "10.99.1.7"));
  }
  for (const SessionSummary& session : sessions(9))
    EXPECT_EQ(to_string(session.bait),
              address_text(session.client) == "10.99.1.6" ? "10.99.0.3:9001" : "10.99.0.3:9000");
}

TEST_F(IntakeTest, ABaitThatRefusesIsLeftOutUntilItAnswersAgain) {
  const Fd two = bait("10.99.0.3:9001");
  EXPECT_TRUE(comes_to(two, "10.99.1.2:90", "10.99.1.5")) << "the session itself goes to the other";
  const auto log = rig_->log("proxy");
  EXPECT_NE(log.find("service pair: 10.99.0.3:9000 is left out: Connection refused"), std::string::npos) << log;
  EXPECT_NE(rig_->skep({"status", "--json", "--config", rig_->file("proxy.yaml")})
                .text.find("\"address\":\"10.99.0.3:9000\",\"left_out\":true"),
            std::string::npos);
  EXPECT_NE(text_of(sessions(1)[0])
                .find("10.99.0.3:9000 could not be reached (Connection refused): it went to 10.99.0.3:9001"),
            std::string::npos);
  const Fd one = bait("10.99.0.3:9000");
  ASSERT_TRUE(eventually([&] {
    const Fd from = client("10.99.1.2:90", "10.99.1.6");
    reset(client("10.99.1.2:90", "10.99.1.7"));
    return rig_->log("proxy").find("10.99.0.3:9000 answers again") != std::string::npos;
  }));
}

TEST_F(IntakeTest, WhereNoBaitAnswersTheAttackerSeesTheRefusal) {
  EXPECT_TRUE(receive_all(client("10.99.1.2:90")).reset);
  EXPECT_EQ(sessions(1)[0].end_reason, EndReason::bait_refused);
}

TEST_F(IntakeTest, APortOfARangeGoesToItsOwnAtTheBaitAndBelongsToTheSessionThatOpenedIt) {
  const Fd control = bait("10.99.0.3:9002");
  const Fd seventh = bait("10.99.0.3:40007");
  Fd control_client = client("10.99.1.2:21", "10.99.1.5");
  Fd control_bait = std::move(*accept_one(control));
  EXPECT_TRUE(comes_to(seventh, "10.99.1.2:30007", "10.99.1.5"));
  EXPECT_TRUE(comes_to(seventh, "10.99.1.2:30007", "10.99.1.6")) << "another source";
  control_client.reset();
  EXPECT_EQ(receive_all(control_bait).text, "");
  control_bait.reset();
  sessions(3);
  EXPECT_TRUE(comes_to(seventh, "10.99.1.2:30007", "10.99.1.5")) << "just after its end";
  const auto all = sessions(4);
  EXPECT_EQ(to_string(all[1].entrance), "10.99.1.2:30007");
  EXPECT_EQ(to_string(all[1].bait), "10.99.0.3:40007");
  EXPECT_EQ(all[1].parent, all[0].id);
  EXPECT_EQ(all[2].parent.value, 0u);
  EXPECT_EQ(all[3].parent, all[0].id);
  EXPECT_EQ(all[0].parent.value, 0u);
  const std::string id = to_string(all[0].id);
  EXPECT_NE(rig_->skep({"session", "list", "--json"}).text.find("\"parent\":\"" + id + "\""), std::string::npos);
  EXPECT_NE(rig_->skep({"session", "show", to_string(all[1].id)}).text.find("it belongs to session " + id),
            std::string::npos);
}

constexpr char kVsftpd[] = R"(background=NO
listen=YES
listen_address=10.99.0.3
listen_port=9002
anonymous_enable=YES
anon_root={0}/ftp
secure_chroot_dir={0}/empty
pasv_address=10.99.1.2
pasv_addr_resolve=NO
pasv_min_port=40000
pasv_max_port=40009
isolate=NO
isolate_network=NO
)";

// A file by passive FTP as a browser fetches it. The ports are the same on both sides here, for vsftpd tells its own.
TEST_F(IntakeTest, ADataConnectionOfVsftpdBelongsToItsControlConnection) {
  if (::access("/usr/sbin/vsftpd", X_OK) != 0) GTEST_SKIP() << "no vsftpd; tools/install-deps installs it";
  const auto config = read_file(rig_->file("proxy.yaml"));
  std::string same_ports = *config;
  same_ports.replace(same_ports.find("30000-30009"), 11, "40000-40009");
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), same_ports));
  ASSERT_TRUE(rig_->kill_proxy());
  ASSERT_TRUE(rig_->start_proxy());
  for (const char* name : {"ftp/pub", "empty"}) ASSERT_TRUE(make_directories(rig_->file(name), 0755));
  ASSERT_TRUE(write_file(rig_->file("ftp/pub/note.txt"), "a note\n", 0644));
  ASSERT_TRUE(write_file(rig_->file("vsftpd.conf"), fmt::format(kVsftpd, rig_->file("."))));
  auto server = testbed::Process::start({"/usr/sbin/vsftpd", rig_->file("vsftpd.conf")},
                                        {rig_->network().honeypot(), rig_->file("vsftpd.log"), {}});
  ASSERT_TRUE(server);
  ASSERT_TRUE(eventually([&] { return connect_from(rig_->network().honeypot(), "10.99.0.3:9002").has_value(); }));
  const auto got = rig_->attack({"/usr/bin/curl", "-sS", "--max-time", "20", "ftp://10.99.1.2/pub/note.txt"});
  ASSERT_TRUE(got) << got.error().message << rig_->log("attack");
  EXPECT_EQ(*got, "a note\n");
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].service, "ftp");
  EXPECT_EQ(all[1].service, "data");
  EXPECT_EQ(all[1].parent, all[0].id);
  EXPECT_EQ(all[1].bytes_out, 7u);
}

struct Told {
  const char* description;
  std::string header;
  const char* client;  // as recorded
  const char* note;
};

TEST_F(IntakeTest, ATrustedBalancerTellsTheClientAndTheBaitGetsTheClientsBytesAlone) {
  const std::string v2 = "\r\n\r\n\0\r\nQUIT\n"s;
  const Told all[] = {
      {"a line", "PROXY TCP4 203.0.113.9 192.0.2.1 51514 80\r\n", "203.0.113.9:51514", ""},
      {"a line of IPv6", "PROXY TCP6 2001:db8::9 2001:db8::1 51514 80\r\n", "[2001:db8::9]:51514", ""},
      {"binary", v2 + "\x21\x11\0\x0c\xcb\0\x71\x09\xc0\0\x02\x01\xc9\x3a\0\x50"s, "203.0.113.9:51514", ""},
      {"UNKNOWN", "PROXY UNKNOWN\r\n", nullptr, "tells no client"},
      {"LOCAL", v2 + "\x20\0\0\0"s, nullptr, "tells no client"},
  };
  const Fd listener = bait("10.99.0.3:9003");
  size_t count = 0;
  for (const Told& told : all) {
    Fd balancer = client("10.99.1.2:91");
    // Byte by byte, and the last one together with the client's first.
    for (size_t i = 0; i + 1 < told.header.size(); ++i) send_text(balancer, told.header.substr(i, 1));
    send_text(balancer, told.header.substr(told.header.size() - 1) + "hello");
    Fd at = std::move(*accept_one(listener));
    EXPECT_EQ(receive_all(at, 5).text, "hello") << told.description;
    send_text(at, "answer");
    EXPECT_EQ(receive_all(balancer, 6).text, "answer") << told.description;
    at.reset();
    balancer.reset();
    const SessionSummary session = sessions(++count).back();
    if (told.client != nullptr) {
      EXPECT_EQ(to_string(session.client), told.client) << told.description;
    } else {
      EXPECT_EQ(session.client, session.balancer) << told.description;
    }
    EXPECT_EQ(session.entrance.port, told.client != nullptr ? 80 : 91) << told.description;
    EXPECT_EQ(address_text(session.balancer), "10.99.1.1") << told.description;
    EXPECT_EQ(session.bytes_in, 5u) << told.description;
    EXPECT_NE(text_of(session).find(told.note), std::string::npos) << told.description;
  }
}

TEST_F(IntakeTest, FromAnyoneElseAHeaderIsPayload) {
  const Fd listener = bait("10.99.0.3:9003");
  const std::string header = "PROXY TCP4 203.0.113.9 192.0.2.1 51514 80\r\n";
  Fd liar = client("10.99.1.2:91", "10.99.1.5");
  send_text(liar, header);
  Fd at = std::move(*accept_one(listener));
  EXPECT_EQ(receive_all(at, header.size()).text, header);
  liar.reset();
  at.reset();
  const SessionSummary session = sessions(1)[0];
  EXPECT_EQ(address_text(session.client), "10.99.1.5");
  EXPECT_EQ(session.balancer.port, 0);
}

struct Broken {
  const char* description;
  std::string bytes;
  bool finishes;
  EndReason reason;
  const char* note;
};

// Nothing of it reaches the bait, which does not even listen here; what was sent is recorded.
TEST_F(IntakeTest, AHeaderThatIsNoneEndsTheSessionWithANote) {
  const Broken all[] = {
      {"something else", "GET / HTTP/1.0\r\n\r\n", false, EndReason::cut, "it begins as no PROXY header does"},
      {"a lie", "PROXY TCP4 999.0.113.9 192.0.2.1 51514 80\r\n", false, EndReason::cut, "an address of it is none"},
      {"too long", "PROXY UNKNOWN " + std::string(500, 'x'), false, EndReason::cut, "does not end within 107 bytes"},
      {"cut", "PROXY TCP4 203.0", true, EndReason::client_closed, "it ended within its PROXY header"},
      {"nothing, and the end", "", true, EndReason::client_closed, "it ended within its PROXY header"},
      {"nothing at all", "", false, EndReason::timeout, "its PROXY header did not come in time"},
      {"half of it", "PROXY TCP4 203.0", false, EndReason::timeout, "its PROXY header did not come in time"},
  };
  size_t count = 0;
  for (const Broken& broken : all) {
    Fd balancer = client("10.99.1.2:91");
    send_text(balancer, broken.bytes);
    if (broken.finishes) ::shutdown(balancer.get(), SHUT_WR);
    EXPECT_TRUE(receive_all(balancer).reset) << broken.description;
    const SessionSummary session = sessions(++count).back();
    EXPECT_EQ(session.end_reason, broken.reason) << broken.description;
    EXPECT_EQ(session.bytes_in, broken.bytes.size()) << broken.description;
    EXPECT_EQ(address_text(session.client), "10.99.1.1") << broken.description;
    EXPECT_NE(text_of(session).find(broken.note), std::string::npos) << broken.description;
  }
}

}  // namespace
}  // namespace skep::harness

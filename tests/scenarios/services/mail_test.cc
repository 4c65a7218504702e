// Exim: letters by SMTP to users of the host, delivered at once by processes that it starts of its own program.
// dnsmasq: questions over TCP, for each of which it forks.
#include "base/file.h"
#include "harness/service_test.h"

namespace skep::harness {
namespace {

constexpr char kExim[] = R"(primary_hostname = site
spool_directory = {0}/spool
log_file_path = {0}/spool/%slog
pid_file_path = {0}/spool/pid
daemon_smtp_ports = 9000
local_interfaces = 10.99.0.3
domainlist local_domains = site
never_users = root
host_lookup =
rfc1413_hosts =
rfc1413_query_timeout = 0s
smtp_enforce_sync = false
smtp_accept_max = 100
queue_run_in_order = false
keep_environment =
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
  accept domains = +local_domains
  deny message = relay not permitted
begin routers
local:
  driver = accept
  domains = +local_domains
  local_parts = bee : keeper : queen
  transport = to_file
begin transports
to_file:
  driver = appendfile
  file = {0}/spool/mail-$local_part_data
  create_file = anywhere
  user = Debian-exim
begin retry
* * F,2h,15m
)";

class EximTest : public ServiceTest {
 protected:
  size_t letters(const std::string& user) const {
    const std::string box = read_file(file("spool/mail-" + user), 64 << 20).value_or("");
    size_t number = 0;
    for (size_t at = 0; (at = box.find("Subject: ", at)) != std::string::npos; ++at) ++number;
    return number;
  }
};

TEST_F(EximTest, ReceivesAndDeliversInSilence) {
  if (installed({"/usr/sbin/exim4"}).empty()) GTEST_SKIP() << "no Exim; make test-services installs it";
  ASSERT_NO_FATAL_FAILURE(make_folder_of("Debian-exim", "spool"));
  ASSERT_TRUE(write_file(file("exim.conf"), fmt::format(kExim, file("."))));
  const std::vector<Exchange> asked = {
      {"a letter in one breath",
       "EHLO visitor\\r\\nMAIL FROM:<a@site>\\r\\nRCPT TO:<bee@site>\\r\\nDATA\\r\\nSubject: x\\r\\n\\r\\nhello\\r\\n."
       "\\r\\nQUIT\\r\\n",
       "250 OK id="},
      {"a letter that is refused",
       "HELO visitor\\r\\nMAIL FROM:<a@site>\\r\\nRCPT TO:<a@elsewhere.example>\\r\\nRSET\\r\\nQUIT\\r\\n",
       "550 relay not permitted"},
      {"no SMTP at all", "GET / HTTP/1.0\\r\\n\\r\\nQUIT\\r\\n", "500 unrecognized command"},
  };
  check_supervised(
      {{"exim", {"/usr/sbin/exim4", "-bdf", "-C", file("exim.conf"), "-q30m"}}}, 360 * times(),
      [&](const std::string& netns, const std::string& address) {
        std::string heard = converse({{300 * times(), true, asked}}, netns, address, {"220 ", "250 OK id="});
        heard += visitor("smtp", 60 * times(), netns, address);
        // To the bee by each third dialogue, to the keeper twice and the queen once by each visitor.
        EXPECT_TRUE(eventually([&] { return letters("bee") == 100 * times(); })) << letters("bee");
        EXPECT_TRUE(eventually([&] { return letters("keeper") == 120 * times(); })) << letters("keeper");
        EXPECT_TRUE(eventually([&] { return letters("queen") == 60 * times(); })) << letters("queen");
        return heard;
      });
}

class DnsmasqTest : public ServiceTest {};

// A question as TCP carries it: its length, id 0x1234, recursion wanted, one question.
std::string question(const std::vector<std::string>& labels, int type) {
  size_t bytes = 12 + 1 + 4;
  std::string name;
  for (const std::string& label : labels) {
    name += fmt::format("\\x{:02x}{}", label.size(), label);
    bytes += 1 + label.size();
  }
  return fmt::format(
      "\\x00\\x{:02x}\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00{}\\x00\\x00\\x{:02x}\\x00\\x01",
      bytes, name, type);
}

TEST_F(DnsmasqTest, AnswersInSilence) {
  if (installed({"/usr/sbin/dnsmasq"}).empty()) GTEST_SKIP() << "no dnsmasq; make test-services installs it";
  ASSERT_TRUE(write_file(file("dnsmasq.conf"),
                         "port=9000\nlisten-address=10.99.0.3\nbind-interfaces\nno-resolv\nno-hosts\nlocal-ttl=60\n"
                         "address=/bee.site/10.9.8.7\ntxt-record=txt.site,\"honey\"\nlocal=/site/\n"
                         "mx-host=site,mail.site,10\n"));
  const std::vector<Exchange> asked = {
      {"an address", question({"bee", "site"}, 1), "\\u000a\\u0009\\u0008\\u0007"},
      {"a text", question({"txt", "site"}, 16), "honey"},
      {"an exchanger", question({"site"}, 15), "mail"},
      {"a name that is not there", question({"none", "site"}, 1), "none"},
      {"two questions in one session", question({"bee", "site"}, 1) + question({"txt", "site"}, 16), "honey"},
  };
  check({{"dnsmasq", {"/usr/sbin/dnsmasq", "-k", "-C", file("dnsmasq.conf"), "--log-facility=-", "-x", file("pid")}}},
        600 * times(), [&](const std::string& netns, const std::string& address) {
          return converse({{600 * times(), false, asked}}, netns, address);
        });
}

}  // namespace
}  // namespace skep::harness

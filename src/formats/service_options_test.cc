#include "formats/service_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/options.h"

namespace skep::formats {
namespace {

using testing::HasSubstr;

constexpr char kAll[] = R"(archive: /var/lib/skep
keys: /etc/skep/keys
baits:
  - {name: one, monitor: 10.99.0.3:7443}
  - {name: two, monitor: 10.99.0.4:7443}
services:
  - name: ftp
    listen: ["0.0.0.0:21"]
    baits:
      - {bait: one, address: 10.99.0.3:21}
      - {bait: two, address: 10.99.0.4:21}
    proxy_protocol: {from: [10.0.0.0/8, "fd00::/8"], timeout_ms: 500}
  - name: ftp-data
    listen: ["0.0.0.0:30000-30009", "[::]:30000-30009"]
    bait: one
    address: 10.99.0.3:40000-40009
    linked_to: ftp
    transparent: true
    source: transparent
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ServiceOptionsTest, ReadsEveryKey) {
  const auto options = parse_proxy_options("proxy.yaml", kAll);
  ASSERT_TRUE(options) << options.error().message;
  const ServiceOptions& ftp = options->services[0];
  ASSERT_EQ(ftp.baits.size(), 2u);
  EXPECT_EQ(ftp.baits[1].bait, "two");
  EXPECT_EQ(to_string(ftp.baits[1].address), "10.99.0.4:21");
  EXPECT_EQ(ftp.proxy_protocol.from.size(), 2u);
  EXPECT_EQ(ftp.proxy_protocol.timeout_ms, 500u);
  EXPECT_FALSE(ftp.transparent || ftp.source_kept);
  const ServiceOptions& data = options->services[1];
  EXPECT_EQ(data.listen[1].ports, 10);
  EXPECT_EQ(to_string(data.baits[0].address.at(9)), "10.99.0.3:40009");
  EXPECT_EQ(data.linked_to, "ftp");
  EXPECT_TRUE(data.transparent && data.source_kept);
}

constexpr char kDns[] = R"(archive: /var/lib/skep
services:
  - name: dns
    protocol: udp
    listen: ["0.0.0.0:53", "[::]:53"]
    address: 10.99.0.3:53
    source: transparent
  - name: dns-tcp
    listen: ["0.0.0.0:53"]
    address: 10.99.0.3:53
udp_timeout_ms: 5000
)";

TEST(ServiceOptionsTest, AServiceMaySpeakUdp) {
  const auto options = parse_proxy_options("proxy.yaml", kDns);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->services[0].protocol, Protocol::udp);
  EXPECT_EQ(options->services[1].protocol, Protocol::tcp);
  EXPECT_EQ(options->udp_timeout_ms, 5000u);
  EXPECT_THAT(effective_yaml(*options), HasSubstr("protocol: udp"));
}

TEST(ServiceOptionsTest, WhatDatagramsCannotHaveIsSaid) {
  struct Mistake {
    const char* to;
    const char* words;
  };
  const Mistake mistakes[] = {
      {"    protocol: sctp\n", "protocol: wants tcp or udp, found 'sctp'"},
      {"    protocol: udp\n    transparent: true\n", "transparent: is for `protocol: tcp`"},
      {"    protocol: udp\n    proxy_protocol: {from: [10.0.0.0/8]}\n", "no header stands before datagrams"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto options = parse_proxy_options("proxy.yaml", replaced(kDns, "    protocol: udp\n", mistake.to));
    ASSERT_FALSE(options) << mistake.to;
    EXPECT_THAT(options.error().message, HasSubstr(mistake.words));
  }
}

TEST(ServiceOptionsTest, EffectiveOptionsReadBackAreTheSame) {
  const auto options = parse_proxy_options("proxy.yaml", kAll);
  ASSERT_TRUE(options);
  const std::string text = effective_yaml(*options);
  const auto again = parse_proxy_options("effective", text);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(effective_yaml(*again), text);
  EXPECT_THAT(text, HasSubstr("10.99.0.3:40000-40009"));
}

TEST(ServiceOptionsTest, SaysWhatIsWrong) {
  struct Mistake {
    const char* description;
    const char* from;
    const char* to;
    const char* words;
  };
  const Mistake mistakes[] = {
      {"a range backwards", "0.0.0.0:30000-30009", "0.0.0.0:30009-30000", "is no address:port"},
      {"a range too long", "0.0.0.0:30000-30009", "0.0.0.0:30000-31024", "1024 ports are the most"},
      {"no port at the end", "0.0.0.0:30000-30009", "0.0.0.0:30000-", "is no address:port"},
      {"another number of ports", "40000-40009", "40000-40008", "has 9 ports: `listen` wants as many"},
      {"both forms", "    bait: one\n", "    baits: [{address: 10.99.0.3:1}]\n", "address: stands beside `baits`"},
      {"a bait that is none", "bait: two,", "bait: too,", "ftp: no bait is named 'too'; did you mean 'two'?"},
      {"an unknown key of a bait", "{bait: two, address", "{bait: two, adress", "did you mean 'address'?"},
      {"linked to nobody", "linked_to: ftp", "linked_to: ftps",
       "no other service is named 'ftps'; did you mean 'ftp'?"},
      {"linked to itself", "linked_to: ftp", "linked_to: ftp-data", "no other service is named 'ftp-data'"},
      {"no such source", "source: transparent", "source: mine", "wants own or transparent, found 'mine'"},
      {"no network", "10.0.0.0/8", "10.0.0.0/88", "is no network"},
      {"nobody to trust", "from: [10.0.0.0/8, \"fd00::/8\"], ", "", "'from' is missing"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto options = parse_proxy_options("proxy.yaml", replaced(kAll, mistake.from, mistake.to));
    ASSERT_FALSE(options) << mistake.description;
    EXPECT_THAT(options.error().message, HasSubstr(mistake.words)) << mistake.description;
  }
}

TEST(ServiceOptionsTest, TheNumberOfPortsInAllIsBounded) {
  std::string text = "archive: /a\nservices:\n";
  for (int i = 0; i < 5; ++i) {
    text += fmt::format("  - {{name: s{}, listen: [\"0.0.0.0:{}-{}\"], address: 192.0.2.1:1}}\n", i, i * 1024 + 1,
                        (i + 1) * 1024);
  }
  const auto options = parse_proxy_options("proxy.yaml", text);
  ASSERT_FALSE(options);
  EXPECT_THAT(options.error().message, HasSubstr("5120 ports are listened on: 4096 are the most"));
}

}  // namespace
}  // namespace skep::formats

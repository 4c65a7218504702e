#include "proxy/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/clock.h"
#include "io/sockets.h"

namespace skep::proxy {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

struct Request {
  const char* description;
  std::string text;
  const char* begins;
};

TEST(HttpReplyTest, AnswersWhatAScraperAsksAndNothingElse) {
  const Request requests[] = {
      {"a scrape", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
      {"with a query", "GET /metrics?x=y HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"},
      {"another page", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"a path that begins alike", "GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "},
      {"another method", "POST /metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "},
      {"no version", "GET /metrics\r\n\r\n", "HTTP/1.1 400 "},
      {"nothing", "\r\n\r\n", "HTTP/1.1 400 "},
      {"no HTTP at all", std::string(9000, '\xff') + "\r\n\r\n", "HTTP/1.1 400 "},
      {"a head without end", "GET /metrics HTTP/1.1\r\nX: " + std::string(MetricsServer::kRequestBytesMax, 'a'),
       "HTTP/1.1 431 "},
  };
  for (const Request& request : requests)
    EXPECT_THAT(http_reply(request.text, "page\n"), StartsWith(request.begins)) << request.description;
  EXPECT_EQ(http_reply("GET /metrics HTTP/1.1\r\n", "page\n"), "") << "more is needed";
  EXPECT_THAT(http_reply("HEAD /metrics HTTP/1.1\r\n\r\n", "page\n"), EndsWith("\r\n\r\n"));
}

class MetricsServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = io::listen_tcp(*parse_endpoint("127.0.0.1:0"));
    ASSERT_TRUE(listener) << listener.error().message;
    at_ = io::local_end(listener->get());
    server_.emplace(std::move(*listener));
    server_->publish("skep_something 1\n", now_monotonic_ns());
  }
  Fd connect() {
    auto socket = io::connect_tcp(at_, 0);
    EXPECT_TRUE(socket);
    pollfd wait{socket->get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&wait, 1, 10'000), 1);
    return std::move(*socket);
  }
  // All until the server closes.
  static std::string rest(const Fd& socket) {
    std::string text;
    char block[4096];
    while (true) {
      pollfd wait{socket.get(), POLLIN, 0};
      if (::poll(&wait, 1, 10'000) != 1) return text + "[and then nothing]";
      const ssize_t got = ::recv(socket.get(), block, sizeof block, 0);
      if (got <= 0) return text;
      text.append(block, static_cast<size_t>(got));
    }
  }
  static void send(const Fd& socket, std::string_view text) {
    EXPECT_EQ(::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  Endpoint at_;
  std::optional<MetricsServer> server_;
};

TEST_F(MetricsServerTest, GivesTheNewestPageAndItsAge) {
  server_->publish("skep_something 2\n", now_monotonic_ns());
  const Fd scraper = connect();
  send(scraper, "GET /metrics HTTP/1.1\r\n");
  send(scraper, "Host: x\r\n\r\n");
  const std::string reply = rest(scraper);
  EXPECT_THAT(reply, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\nskep_something 2\n"));
  EXPECT_THAT(reply, HasSubstr("\nskep_metrics_age_seconds 0."));
}

TEST_F(MetricsServerTest, WhoeverHoldsConnectionsKeepsNobodyOut) {
  std::vector<Fd> silent;
  for (size_t i = 0; i < 10 * MetricsServer::kClientsMax; ++i) silent.push_back(connect());
  const Fd scraper = connect();
  send(scraper, "GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(rest(scraper), StartsWith("HTTP/1.1 200 OK"));
  EXPECT_EQ(rest(silent[0]), "") << "the first had to go";
}

TEST_F(MetricsServerTest, EndsWhileClientsAreThere) {
  const Fd silent = connect();
  server_.reset();
  EXPECT_EQ(rest(silent), "");
}

}  // namespace
}  // namespace skep::proxy

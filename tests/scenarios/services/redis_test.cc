// Redis: pipelines, transactions, scripts, subscriptions, and snapshots in the background; memcached.
#include "base/file.h"
#include "harness/service_test.h"

namespace skep::harness {
namespace {

constexpr char kRedis[] = R"(bind 10.99.0.3
port 9000
protected-mode no
daemonize no
save ""
appendonly yes
appendfsync everysec
dir {}
)";

// A session's own answers must not hang on what others have done: a key has one value, whoever sets it.
const std::vector<Exchange> kSaid = {
    {"a ping", "PING\\r\\nQUIT\\r\\n", "+PONG"},
    {"a value set and read, as clients say it",
     "*3\\r\\n$3\\r\\nSET\\r\\n$4\\r\\nname\\r\\n$4\\r\\nskep\\r\\n*2\\r\\n$3\\r\\nGET\\r\\n$"
     "4\\r\\nname\\r\\nQUIT\\r\\n",
     "skep"},
    {"bytes of every kind", "*2\\r\\n$4\\r\\nECHO\\r\\n$6\\r\\n\\x00\\xff\\r\\n\\x80\\\\\\r\\nQUIT\\r\\n", "\\u00ff"},
    {"many requests at once", "PING 1\\r\\nSET a 1\\r\\nGET a\\r\\nEXISTS a\\r\\nTYPE a\\r\\nSTRLEN a\\r\\nQUIT\\r\\n",
     "string"},
    {"a transaction", "MULTI\\r\\nSET t 5\\r\\nGET t\\r\\nEXEC\\r\\nQUIT\\r\\n", "+QUEUED"},
    {"a script with a large answer", "EVAL \"return string.rep('honey', 40000)\" 0\\r\\nQUIT\\r\\n", "$200000"},
    {"a subscription", "SUBSCRIBE news\\r\\nUNSUBSCRIBE news\\r\\nQUIT\\r\\n", "unsubscribe"},
    {"a set that a script makes",
     "EVAL \"redis.call('DEL', 's') redis.call('SADD', 's', 1, 2) return redis.call('SCARD', 's')\" 0\\r\\nQUIT\\r\\n",
     ":2"},
    {"a stream read, and a wait in vain", "DEL q\\r\\nBLPOP q 0.01\\r\\nXRANGE none - +\\r\\nQUIT\\r\\n", "*-1"},
    {"a command that there is not", "NONSENSE 1 2\\r\\nQUIT\\r\\n", "-ERR unknown command"},
    {"a value of the wrong kind", "SET w text\\r\\nLPUSH w 1\\r\\nQUIT\\r\\n", "-WRONGTYPE"},
    {"no Redis at all", "*1\\r\\nhello\\r\\n", "-ERR Protocol error"},
};

const std::vector<Exchange> kLeft = {
    {"a ping, and the client goes", "PING\\r\\n", "+PONG"},
    {"a value, and the client goes", "SET b 2\\r\\nGET b\\r\\n", "$1"},
};

class RedisTest : public ServiceTest {};

TEST_F(RedisTest, ServesInSilence) {
  ASSERT_NO_FATAL_FAILURE(make_folder_of("redis", "redis"));
  ASSERT_TRUE(write_file(file("redis.conf"), fmt::format(kRedis, file("redis"))));
  const std::vector<Batch> batches = {{750 * times(), true, kSaid}, {250 * times(), false, kLeft}};
  check({{"redis", {"/usr/bin/redis-server", file("redis.conf")}}}, 1000 * times(),
        [&](const std::string& netns, const std::string& address) {
          const std::string first = visitor("redis", 3, netns, address);
          return first + converse(batches, netns, address);
        });
}

class MemcachedTest : public ServiceTest {};

TEST_F(MemcachedTest, ServesInSilence) {
  if (installed({"/usr/bin/memcached"}).empty()) GTEST_SKIP() << "no memcached; make test-services installs it";
  const std::vector<Exchange> asked = {
      {"a value set and read", "set a 0 0 5\\r\\nhoney\\r\\nget a\\r\\nquit\\r\\n", "VALUE a 0 5"},
      {"a value of bytes", "set b 7 0 3\\r\\n\\x00\\xff\\x0a\\r\\nget b\\r\\nquit\\r\\n", "VALUE b 7 3"},
      {"a value that is not there", "get none\\r\\nquit\\r\\n", "END"},
      {"by the commands of today", "ms c 2 T0\\r\\nhi\\r\\nmg c v\\r\\nmn\\r\\nquit\\r\\n", "VA 2"},
      {"its version", "version\\r\\nquit\\r\\n", "VERSION 1."},
      {"a command that there is not", "nonsense\\r\\nquit\\r\\n", "ERROR"},
  };
  check({{"memcached", {"/usr/bin/memcached", "-l", "10.99.0.3", "-p", "9000", "-U", "0", "-t", "4"}}}, 1500 * times(),
        [&](const std::string& netns, const std::string& address) {
          return converse({{1500 * times(), true, asked}}, netns, address);
        });
}

}  // namespace
}  // namespace skep::harness

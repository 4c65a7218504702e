#include "base/systemd.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace skep {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// A service manager's end: a datagram socket of a name of its own.
class SystemdTest : public testing::Test {
 protected:
  void SetUp() override {
    name_ = "@skep-systemd-test-" + std::to_string(::getpid());
    manager_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    address.sun_path[0] = '\0';
    ASSERT_EQ(::bind(manager_.get(), reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size())),
              0);
    ::setenv("NOTIFY_SOCKET", name_.c_str(), 1);
  }
  std::string heard() {
    char text[256];
    const ssize_t got = ::recv(manager_.get(), text, sizeof text, 0);
    return got < 0 ? "" : std::string(text, static_cast<size_t>(got));
  }
  std::string name_;
  Fd manager_;
};

TEST_F(SystemdTest, SaysReadyReloadingAndStopping) {
  Systemd systemd = Systemd::from_environment();
  systemd.ready();
  EXPECT_EQ(heard(), "READY=1");
  systemd.reloading(5'000);
  EXPECT_EQ(heard(), "RELOADING=1\nMONOTONIC_USEC=5");
  systemd.stopping();
  EXPECT_EQ(heard(), "STOPPING=1");
}

TEST_F(SystemdTest, NoChildInheritsTheWord) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const Systemd systemd = Systemd::from_environment();
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(std::getenv(name), nullptr);
}

TEST_F(SystemdTest, IsAliveWhenAThirdOfThePatienceHasPassed) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  Systemd systemd = Systemd::from_environment();
  EXPECT_EQ(systemd.alive_every_ns(), kSecond);
  systemd.alive(kSecond);
  EXPECT_EQ(heard(), "WATCHDOG=1");
  systemd.alive(2 * kSecond - 1);
  EXPECT_EQ(heard(), "");
  systemd.alive(2 * kSecond);
  EXPECT_EQ(heard(), "WATCHDOG=1");
}

TEST_F(SystemdTest, AWatchdogOfAnotherProcessIsNotOurs) {
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", "1", 1);
  Systemd systemd = Systemd::from_environment();
  systemd.alive(kSecond);
  EXPECT_EQ(heard(), "");
}

TEST_F(SystemdTest, StatusIsOneLineAndSaidOnce) {
  Systemd systemd = Systemd::from_environment();
  systemd.status("a\nREADY=1");
  EXPECT_EQ(heard(), "STATUS=a\\nREADY=1");
  systemd.status("a\nREADY=1");
  EXPECT_EQ(heard(), "");
}

TEST_F(SystemdTest, WithoutAManagerNothingIsSaid) {
  ::unsetenv("NOTIFY_SOCKET");
  Systemd systemd = Systemd::from_environment();
  systemd.ready();
  EXPECT_EQ(heard(), "");
}

}  // namespace
}  // namespace skep

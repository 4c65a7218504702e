// vsftpd: anonymous visitors, each file by a data connection of its own to one of a few ports (PASV and EPSV), which
// are the service's and the proxy's too.
#include <sys/stat.h>

#include "base/file.h"
#include "harness/service_test.h"

namespace skep::harness {
namespace {

constexpr char kVsftpd[] = R"(background=NO
listen=YES
listen_address=10.99.0.3
listen_port=9000
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
anon_root={0}/ftp
secure_chroot_dir={0}/empty
port_enable=NO
pasv_address=10.99.1.2
pasv_min_port=9010
pasv_max_port=9019
xferlog_enable=YES
vsftpd_log_file={0}/vsftpd.log
isolate=NO
isolate_network=NO
)";
constexpr uint16_t kPassiveFirst = 9010;
constexpr uint16_t kPassiveLast = 9019;
constexpr size_t kSessionsOfAVisit = 5;  // two logins and three data connections

class VsftpdTest : public ServiceTest {};

TEST_F(VsftpdTest, ServesInSilence) {
  if (installed({"/usr/sbin/vsftpd"}).empty()) GTEST_SKIP() << "no vsftpd; tools/install-deps installs it";
  for (const char* name : {"ftp", "ftp/pub", "empty"}) ASSERT_TRUE(make_directories(file(name)));
  ASSERT_NO_FATAL_FAILURE(make_folder_of("ftp", "ftp/incoming"));
  ASSERT_TRUE(write_file(file("ftp/pub/note.txt"), "a note\n"));
  std::string large;
  for (int i = 0; i < 8000; ++i) large += fmt::format("line {} of a file that does not fit a buffer\n", i);
  ASSERT_TRUE(write_file(file("ftp/pub/large.txt"), large));
  ASSERT_TRUE(write_file(file("vsftpd.conf"), fmt::format(kVsftpd, file("."))));
  Setting setting{"vsftpd", {"/usr/sbin/vsftpd", file("vsftpd.conf")}};
  for (uint16_t port = kPassiveFirst; port <= kPassiveLast; ++port) setting.more_ports.push_back(port);
  const size_t visits = 40 * times();
  check({setting}, visits * kSessionsOfAVisit,
        [&](const std::string& netns, const std::string& address) { return visitor("ftp", visits, netns, address); });
}

}  // namespace
}  // namespace skep::harness

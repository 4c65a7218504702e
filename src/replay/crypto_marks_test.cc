#include "replay/crypto_marks.h"

#include <gmock/gmock.h>

#include <string>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

using test::Dialogue;

std::string zeroes(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c == '~' ? '\0' : c;
  return out;
}

TEST(CryptoMarks, NameWhatCannotBeHeldAgain) {
  struct Case {
    std::string name;
    Recording recording;
  };
  const std::string kexinit = zeroes("~~\x02\x04\x06\x14") + "0123456789abcdef";
  const std::string mysql = zeroes("J~~~\x0a") + "8.0.35" + zeroes("~") + std::string(60, 'x');
  const std::string mysql_answer =
      zeroes("P~~\1\x85\xa6\x3f~") + std::string(28, 'y') + zeroes("root~\x14") + "01234567890123456789";
  const Case cases[] = {
      {"TLS", Dialogue().client(zeroes("\x16\x03\x01\x02~\x01~\x01\xfc\x03\x03")).server("\x16\x03\x03").take()},
      {"TLS", Dialogue()
                  .server("220 x\r\n")
                  .client("STARTTLS\r\n")
                  .server("220 go\r\n")
                  .client(zeroes("\x16\x03\x01\x02~\x01~"))
                  .take()},
      {"SSH key exchange", Dialogue().server("SSH-2.0-x\r\n").client("SSH-2.0-y\r\n" + kexinit).take()},
      {"", Dialogue().server("SSH-2.0-x\r\n").client("SSH-2.0-y\r\n").take()},
      {"SCRAM", Dialogue()
                    .client("user")
                    .server(zeroes("R~~~\x17~~~\x0aSCRAM-SHA-256~~"))
                    .client(zeroes("p~~~6SCRAM-SHA-256~~~~ n,,n=,r=9IZ2O01zb9IgiIZ1WJ/zgpJB"))
                    .take()},
      {"HTTP Digest", Dialogue()
                          .client("GET / HTTP/1.1\r\n\r\n")
                          .server("HTTP/1.1 401 U\r\nWWW-Authenticate: Digest nonce=\"x\"\r\n\r\n")
                          .client("GET / HTTP/1.1\r\nAuthorization: Digest username=\"a\", response=\"b\"\r\n\r\n")
                          .take()},
      {"CRAM-MD5",
       Dialogue().server("220 x\r\n").client("AUTH CRAM-MD5\r\n").server("334 x\r\n").client("y\r\n").take()},
      {"APOP", Dialogue().server("+OK <1.2@x>\r\n").client("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n").take()},
      {"MySQL password", Dialogue().server(mysql).client(mysql_answer).take()},
      {"PostgreSQL md5 password",
       Dialogue().client("x").server(zeroes("R~~~\x0c~~~\5") + "salt").client(zeroes("p~~~(") + "md5abc").take()},
      {"NTLM", Dialogue().client("a").server("b").client(zeroes("NTLMSSP~\3~~~")).take()},
      {"VNC password", Dialogue()
                           .server("RFB 003.008\n")
                           .client("RFB 003.008\n")
                           .server("0123456789abcdef")
                           .client("fedcba9876543210")
                           .take()},
      {"Kerberos", Dialogue().client("a").client("\x60\x82\x06\x09\x2A\x86\x48\x86\xF7\x12\x01\x02\x02").take()},
      {"", Dialogue()  // PostgreSQL that trusts
               .client(zeroes("~~~ ~\3~~user~postgres~~"))
               .server(zeroes("R~~~\x08~~~~K~~~\x0c") + "\x12\x34\xab\xcd\xef\x91\x82\x73")
               .client(zeroes("Q~~~\x1aselect version()~"))
               .take()},
      {"", Dialogue().client("*1\r\n$4\r\nPING\r\n").server("+PONG\r\n").take()},
      {"", Dialogue().server("220 ftp\r\n").client("USER anonymous\r\n").server("331\r\n").client("PASS x\r\n").take()},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(recognised_crypto(each.recording), each.name);
    const Plan plan = plan_echoes(each.recording);
    EXPECT_EQ(plan.crypto, each.name);
    if (each.name.empty()) {
      EXPECT_THAT(plan.unresolved(), testing::IsEmpty()) << explain(each.recording, plan);
    }
  }
}

}  // namespace
}  // namespace skep::replay

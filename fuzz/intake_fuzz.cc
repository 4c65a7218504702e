// links: skep_proxy
// What a monitor that was taken over may say of files, in any order: nothing is kept that is not what its SHA-256 says.
#include <cstdlib>
#include <filesystem>

#include "archive/one_writer.h"
#include "base/log.h"
#include "proxy/file_intake.h"

namespace {

using namespace skep;

constexpr SessionId kSession{1 << 20};

struct Bench {
  std::string folder;
  archive::EvidenceStore store;
  ~Bench() { std::filesystem::remove_all(folder); }
};

Bench& bench() {
  static Bench made = [] {
    char name[] = "/tmp/skep-intake-fuzz-XXXXXX";
    SKEP_CHECK(::mkdtemp(name) != nullptr);
    return Bench{name, archive::EvidenceStore(name)};
  }();
  static const bool begun = made.store.begin().has_value();
  SKEP_CHECK(begun);
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<wire::Frame> said;
  proxy::FileIntake intake(
      bench().store, [](SessionId session, const formats::FileEvent&) { SKEP_CHECK(session == kSession); },
      [&](wire::Frame frame) { said.push_back(std::move(frame)); });
  ByteReader reader({data, size});
  int64_t now_ns = 0;
  while (reader.left() > 0) {
    const auto what = reader.le<uint8_t>();
    const auto value = reader.le<uint8_t>();
    now_ns += int64_t{reader.le<uint8_t>()} << 28;
    std::string sha256(32, static_cast<char>(value & 3));
    Alert alert;
    alert.id = value & 7u;
    alert.role = static_cast<AlertRole>(value >> 3 & 1 ? 2 : 0);
    wire::FileFound found;
    found.set_alert(value & 7u);
    found.set_inode(value);
    found.set_role(static_cast<wire::FileFound::Role>(value >> 4 & 3));
    found.set_left_out(value & 1u);
    found.set_sha256(sha256);
    found.set_offered((value & 8) != 0);
    found.set_copied(value & 31u);
    wire::FileChunk chunk;
    chunk.set_sha256(said.empty() || (value & 64) != 0 ? sha256 : said.back().file_wanted().sha256());
    chunk.set_offset(said.empty() ? value : said.back().file_wanted().offset());
    chunk.set_content(std::string(as_text(reader.raw(std::min<size_t>(value & 15u, reader.left())))));
    chunk.set_gone(value == 255);
    switch (what % 6) {
      case 0:
        intake.alert_delivered(alert, kSession);
        break;
      case 1:
        intake.found(found, now_ns);
        break;
      case 2:
        intake.piece(chunk, now_ns);
        break;
      case 3:
        intake.monitor_gone(now_ns);
        break;
      case 4:
        intake.monitor_came(now_ns);
        break;
      default:
        intake.step(now_ns);
    }
    SKEP_CHECK(intake.under_way() <= proxy::FileIntake::kTransfersMax);
  }
  SKEP_CHECK(bench().store.stored() == 0);  // none of these names is that of a dozen bytes
  return 0;
}

// links: skep_formats
// honeytrap's JSON of any bytes, however they come, gives the same attacks and the same damage; bytes as the payload of
// an attack come back equal, behind any damage too.
#include <algorithm>

#include "formats/honeytrap.h"

namespace {

using namespace skep;

struct Read {
  std::vector<Bytes> payloads;
  std::vector<std::string> damage;
};

Read read(std::string_view text, size_t room) {
  Read done;
  const auto end = formats::read_honeytrap(
      [&](std::span<uint8_t> into) {
        const size_t bytes = std::min({room, into.size(), text.size()});
        std::copy_n(text.begin(), bytes, into.begin());
        text.remove_prefix(bytes);
        return bytes;
      },
      [&](formats::HoneytrapAttack&& attack) {
        done.payloads.push_back(std::move(attack.received.bytes));
        return true;
      });
  SKEP_CHECK(end.attacks == done.payloads.size() && end.damage.size() <= end.damages);
  done.damage = end.damage;
  return done;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Read once = read(text, SIZE_MAX);
  const Read slowly = read(text, 1);
  SKEP_CHECK(once.payloads == slowly.payloads && once.damage == slowly.damage);
  const Bytes payload(data, data + size);
  const std::string one = "{\"attack_connection\": {\"payload\": {\"data_hex\": \"" + hex(payload) + "\"}}}\n";
  SKEP_CHECK(read(one, 7).payloads == std::vector<Bytes>{payload});
  const Read behind = read("]\n" + one, 7);
  SKEP_CHECK(behind.payloads == std::vector<Bytes>{payload} && behind.damage.size() == 1);
  return 0;
}

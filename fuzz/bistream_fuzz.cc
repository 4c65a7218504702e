// links: skep_formats
// A bistream of any bytes, however they come, gives the same pieces or the same error; what is written of them is read
// back equal, and bytes as a piece too.
#include <algorithm>

#include "formats/bistream.h"

namespace {

using namespace skep;

using Pieces = std::vector<std::pair<Direction, Bytes>>;

std::string read(std::string_view text, size_t room, Pieces& pieces) {
  formats::BistreamReader reader([&](std::span<uint8_t> into) {
    const size_t bytes = std::min({room, into.size(), text.size()});
    std::copy_n(text.begin(), bytes, into.begin());
    text.remove_prefix(bytes);
    return bytes;
  });
  const auto whole = reader.read([&](Direction direction, ByteView bytes) {
    pieces.emplace_back(direction, Bytes(bytes.begin(), bytes.end()));
    return true;
  });
  return whole ? "" : whole.error().message;
}

void write_and_read(const Pieces& pieces) {
  std::string text;
  formats::BistreamWriter writer([&](ByteView bytes) {
    text += as_text(bytes);
    return true;
  });
  writer.begin({});
  for (const auto& [direction, bytes] : pieces) writer.piece(direction, bytes);
  writer.end();
  Pieces again;
  SKEP_CHECK(formats::looks_like_bistream(text));
  SKEP_CHECK(read(text, 1000, again).empty() && again == pieces);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Pieces pieces;
  Pieces slowly;
  const std::string error = read(text, SIZE_MAX, pieces);
  SKEP_CHECK(read(text, 1, slowly) == error && slowly == pieces);
  write_and_read(pieces);
  write_and_read({{Direction::to_bait, Bytes(data, data + size)}, {Direction::to_client, Bytes(data, data + size)}});
  return 0;
}

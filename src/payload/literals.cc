#include "payload/literals.h"

namespace skep::payload {

Result<LiteralSet> LiteralSet::make(std::span<const Literal> literals, bool streaming, bool hyperscan) {
  LiteralSet out;
  if (literals.empty()) return out;
  if (!hyperscan || !HyperscanSet::here()) {
    out.set_ = AhoCorasick(literals);
    return out;
  }
  auto set = HyperscanSet::make(literals, streaming);
  if (!set) return tl::unexpected<Error>(set.error());
  out.set_ = std::move(*set);
  return out;
}

Status LiteralSet::prepare(LiteralScratch& scratch) const {
  const auto* const hyperscan = std::get_if<HyperscanSet>(&set_);
  return hyperscan != nullptr ? hyperscan->prepare(scratch) : Status{};
}

void LiteralSet::scan(ByteView bytes, LiteralScratch& scratch, const LiteralFound& found) const {
  if (const auto* const hyperscan = std::get_if<HyperscanSet>(&set_)) return hyperscan->scan(bytes, scratch, found);
  AhoCorasick::Stream stream;
  if (const auto* const built_in = std::get_if<AhoCorasick>(&set_)) built_in->scan(stream, bytes, found);
}

void LiteralSet::scan(LiteralStream& stream, ByteView bytes, LiteralScratch& scratch, const LiteralFound& found) const {
  if (const auto* const hyperscan = std::get_if<HyperscanSet>(&set_))
    return hyperscan->scan(stream.hyperscan, bytes, scratch, found);
  if (const auto* const built_in = std::get_if<AhoCorasick>(&set_)) built_in->scan(stream.built_in, bytes, found);
}

size_t LiteralSet::stream_bytes() const {
  const auto* const hyperscan = std::get_if<HyperscanSet>(&set_);
  return hyperscan != nullptr ? hyperscan->stream_bytes() : 0;
}

size_t LiteralSet::database_bytes() const {
  if (const auto* const hyperscan = std::get_if<HyperscanSet>(&set_)) return hyperscan->database_bytes();
  const auto* const built_in = std::get_if<AhoCorasick>(&set_);
  return built_in != nullptr ? built_in->database_bytes() : 0;
}

std::string literal_engine(bool hyperscan) {
  return hyperscan && HyperscanSet::here() ? HyperscanSet::version() : "built-in";
}

}  // namespace skep::payload

#include "payload/hyperscan.h"

#include <fmt/format.h>

#include <string_view>
#include <vector>

#ifdef SKEP_HYPERSCAN
#include <hs.h>
#endif

namespace skep::payload {

#ifdef SKEP_HYPERSCAN
namespace {

std::string in_hexadecimal(std::string_view bytes) {
  std::string out;
  out.reserve(4 * bytes.size());
  for (const char each : bytes) out += fmt::format("\\x{:02x}", static_cast<uint8_t>(each));
  return out;
}

int on_match(unsigned id, unsigned long long, unsigned long long to, unsigned, void* context) {
  const auto& found = *static_cast<const LiteralFound*>(context);
  found.call(found.context, id, to);
  return 0;
}

}  // namespace

HyperscanScratch::~HyperscanScratch() {
  hs_free_scratch(scratch_);
}

HyperscanStream::~HyperscanStream() {
  reset();
}

HyperscanStream& HyperscanStream::operator=(HyperscanStream&& other) noexcept {
  std::swap(stream_, other.stream_);
  return *this;
}

void HyperscanStream::reset() {
  // No scratch: matches at the end of the stream are none of literals.
  if (stream_ != nullptr) hs_close_stream(std::exchange(stream_, nullptr), nullptr, nullptr, nullptr);
}

void HyperscanSet::Free::operator()(hs_database* database) const {
  hs_free_database(database);
}

bool HyperscanSet::here() {
  return hs_valid_platform() == HS_SUCCESS;
}

std::string HyperscanSet::version() {
  const std::string_view text = hs_version();
  return fmt::format("Hyperscan {}", text.substr(0, text.find(' ')));
}

Result<HyperscanSet> HyperscanSet::make(std::span<const Literal> literals, bool streaming) {
  std::vector<std::string> texts;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags;
  std::vector<unsigned> numbers;
  for (const Literal& each : literals) {
    texts.push_back(in_hexadecimal(each.bytes));
    flags.push_back(HS_FLAG_DOTALL | (each.nocase ? HS_FLAG_CASELESS : 0));
    numbers.push_back(static_cast<unsigned>(numbers.size()));
  }
  for (const std::string& text : texts) expressions.push_back(text.c_str());
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  const auto done =
      hs_compile_multi(expressions.data(), flags.data(), numbers.data(), static_cast<unsigned>(numbers.size()),
                       streaming ? HS_MODE_STREAM : HS_MODE_BLOCK, nullptr, &database, &error);
  if (done != HS_SUCCESS) {
    const std::string why = error != nullptr ? error->message : "no memory";
    hs_free_compile_error(error);
    return fail("{} literals for Hyperscan: {}", numbers.size(), why);
  }
  HyperscanSet out;
  out.database_.reset(database);
  return out;
}

Status HyperscanSet::prepare(HyperscanScratch& scratch) const {
  const auto done = hs_alloc_scratch(database_.get(), &scratch.scratch_);
  if (done != HS_SUCCESS) return fail("memory for Hyperscan: its error {}", done);
  return {};
}

void HyperscanSet::scan(ByteView bytes, HyperscanScratch& scratch, const LiteralFound& found) const {
  if (bytes.empty()) return;  // Hyperscan takes an address that is none for our mistake
  const auto done =
      hs_scan(database_.get(), reinterpret_cast<const char*>(bytes.data()), static_cast<unsigned>(bytes.size()), 0,
              scratch.scratch_, on_match, const_cast<LiteralFound*>(&found));
  SKEP_CHECK(done == HS_SUCCESS);
}

void HyperscanSet::scan(HyperscanStream& stream, ByteView bytes, HyperscanScratch& scratch,
                        const LiteralFound& found) const {
  if (bytes.empty()) return;
  if (stream.stream_ == nullptr) SKEP_CHECK(hs_open_stream(database_.get(), 0, &stream.stream_) == HS_SUCCESS);
  const auto done =
      hs_scan_stream(stream.stream_, reinterpret_cast<const char*>(bytes.data()), static_cast<unsigned>(bytes.size()),
                     0, scratch.scratch_, on_match, const_cast<LiteralFound*>(&found));
  SKEP_CHECK(done == HS_SUCCESS);
}

size_t HyperscanSet::stream_bytes() const {
  size_t bytes = 0;
  return hs_stream_size(database_.get(), &bytes) == HS_SUCCESS ? bytes : 0;
}

size_t HyperscanSet::database_bytes() const {
  size_t bytes = 0;
  return hs_database_size(database_.get(), &bytes) == HS_SUCCESS ? bytes : 0;
}

#else

HyperscanScratch::~HyperscanScratch() = default;
HyperscanStream::~HyperscanStream() = default;
HyperscanStream& HyperscanStream::operator=(HyperscanStream&&) noexcept {
  return *this;
}
void HyperscanStream::reset() {}
void HyperscanSet::Free::operator()(hs_database*) const {}
bool HyperscanSet::here() {
  return false;
}
std::string HyperscanSet::version() {
  return {};
}
Result<HyperscanSet> HyperscanSet::make(std::span<const Literal>, bool) {
  return fail("built without Hyperscan");
}
Status HyperscanSet::prepare(HyperscanScratch&) const {
  return {};
}
void HyperscanSet::scan(ByteView, HyperscanScratch&, const LiteralFound&) const {}
void HyperscanSet::scan(HyperscanStream&, ByteView, HyperscanScratch&, const LiteralFound&) const {}
size_t HyperscanSet::stream_bytes() const {
  return 0;
}
size_t HyperscanSet::database_bytes() const {
  return 0;
}

#endif

}  // namespace skep::payload

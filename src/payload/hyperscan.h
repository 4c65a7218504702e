// Hyperscan behind our words. Literals alone, as expressions in hexadecimal: the literal interface of Debian's 5.4.0
// has faults.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"
#include "payload/literal.h"

// The library's own names, so that its header stays in one place.
struct hs_database;
struct hs_scratch;
struct hs_stream;

namespace skep::payload {

// Of a thread, for all the databases that it was made ready for.
class HyperscanScratch {
 public:
  HyperscanScratch() = default;
  ~HyperscanScratch();
  HyperscanScratch(const HyperscanScratch&) = delete;
  HyperscanScratch& operator=(const HyperscanScratch&) = delete;

 private:
  friend class HyperscanSet;
  hs_scratch* scratch_ = nullptr;
};

class HyperscanStream {
 public:
  HyperscanStream() = default;
  ~HyperscanStream();
  HyperscanStream(HyperscanStream&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
  HyperscanStream& operator=(HyperscanStream&& other) noexcept;
  void reset();

 private:
  friend class HyperscanSet;
  hs_stream* stream_ = nullptr;
};

class HyperscanSet {
 public:
  // Whether the build has it, and this CPU can run it.
  static bool here();
  static std::string version();
  static Result<HyperscanSet> make(std::span<const Literal> literals, bool streaming);

  // Scans by a scratch only what it was made ready for.
  Status prepare(HyperscanScratch& scratch) const;
  void scan(ByteView bytes, HyperscanScratch& scratch, const LiteralFound& found) const;
  void scan(HyperscanStream& stream, ByteView bytes, HyperscanScratch& scratch, const LiteralFound& found) const;
  size_t stream_bytes() const;
  size_t database_bytes() const;

 private:
  struct Free {
    void operator()(hs_database* database) const;
  };
  std::unique_ptr<hs_database, Free> database_;
};

}  // namespace skep::payload

// SHA-256, piece by piece. One thread an object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"

struct evp_md_ctx_st;

namespace skep {

class Sha256 {
 public:
  static constexpr size_t kBytes = 32;

  Sha256();
  void add(ByteView bytes);
  // Of all that was added; once.
  Bytes finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace skep

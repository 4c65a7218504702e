// What the steps of a signature table want to be told, so that the kernel programs gather nothing else.
#pragma once

#include <array>
#include <cstdint>

#include "model/signature_table.h"

namespace skep::watch {

using CallBits = std::array<uint64_t, SKEP_CALLS_MAX / 64>;  // bit n: of calls of number n

struct TableNeeds {
  CallBits returns{};                             // may be judged after they have returned
  std::array<uint64_t, SKEP_CALLS_MAX> fields{};  // of each call, bit f: a step looks at field f, or binds it
};
TableNeeds needs_of(const skep_table& table);

}  // namespace skep::watch

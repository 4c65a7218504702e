// The one byte that a Windows server of code page 1252 takes for a character that it does not have: Microsoft's best
// fit (bestfit1252.txt). Functions of values; any thread.
#pragma once

#include <cstdint>

namespace skep::http {

// '?' where there is none.
uint8_t best_fit(uint32_t code_point);

}  // namespace skep::http

// The calls that a condition names, and what it wants of each.
#pragma once

#include <cstdint>
#include <map>

#include "base/result.h"
#include "formats/condition.h"

namespace skep::match {

// By call, the alternatives that name it, without their predicates on evt.type. Every field in them is a known one.
Result<std::map<uint16_t, formats::Disjunction>> by_call(const formats::Disjunction& condition);

// "words; did you mean 'near'?"
std::string or_nearest(std::string words, std::string_view near);

}  // namespace skep::match

// The signature set that is in force where the options name no file.
#pragma once

#include <string_view>

namespace skep::match {

std::string_view builtin_yaml();
constexpr char kBuiltinName[] = "built-in";

}  // namespace skep::match

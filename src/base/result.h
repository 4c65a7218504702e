// Result<T>: what the machine may refuse (style: errors of kind 2). Context is added once per rank with `wrap`.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace skep {

struct Error {
  std::string message;  // what failed, on what, what to do
  int code = 0;         // errno where there is one, else 0
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

template <typename... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{fmt::format(format, std::forward<Args>(args)...), 0});
}

// "context: strerror(errno)", with the errno kept. Call it before anything else can change errno.
tl::unexpected<Error> fail_errno(std::string context);

// The error of `result`, with "context: " before its words.
template <typename T>
tl::unexpected<Error> wrap(std::string context, const Result<T>& result) {
  return tl::unexpected<Error>(Error{std::move(context) + ": " + result.error().message, result.error().code});
}

// Ends the process: a broken promise of our own code (errors of kind 3), in release too.
[[noreturn]] void broken(const char* condition, const char* file, int line);

}  // namespace skep

#define SKEP_CHECK(condition) ((condition) ? static_cast<void>(0) : ::skep::broken(#condition, __FILE__, __LINE__))

// What a loop waits with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skep {

enum class Engine : uint8_t {
  automatic,  // io_uring, or epoll where the kernel or a container refuses it
  io_uring,
  epoll,
};
constexpr std::string_view kEngineNames[] = {"auto", "io_uring", "epoll"};
constexpr std::string_view to_string(Engine engine) {
  return kEngineNames[static_cast<size_t>(engine)];
}

}  // namespace skep

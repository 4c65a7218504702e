// Memory that is used again and again: emptied, but let go of where it grew large. Functions of values; any thread.
#pragma once

#include <cstddef>

namespace skep::http {

constexpr size_t kKeptBytes = 8192;

template <typename Vector>
void empty(Vector& vector) {
  if (vector.capacity() * sizeof(vector[0]) > kKeptBytes)
    vector = Vector();
  else
    vector.clear();
}

}  // namespace skep::http

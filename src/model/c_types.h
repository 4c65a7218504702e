/* Fixed-width names for headers that are compiled as C for BPF and as C++ for the host.
 *
 * SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SKEP_MODEL_C_TYPES_H
#define SKEP_MODEL_C_TYPES_H

#ifdef __cplusplus
#include <cstdint>
#define SKEP_STATIC_ASSERT static_assert
#elif defined(__bpf__)
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef signed int int32_t;
typedef signed long long int64_t;
#define SKEP_STATIC_ASSERT _Static_assert
#else
#include <stdint.h>
#define SKEP_STATIC_ASSERT _Static_assert
#endif

#endif

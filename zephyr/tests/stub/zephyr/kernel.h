/* Declarations of Zephyr's public interface that the glue uses, and nothing else: for compiling it without Zephyr. */
#ifndef STUB_KERNEL_H
#define STUB_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IS_ENABLED(CONFIG_X) is 1 where CONFIG_X is defined as 1, and 0 where it is not defined. */
#define STUB_PLACE_1 0,
#define STUB_SECOND(first, second, ...) second
#define STUB_IS_3(place) STUB_SECOND(place 1, 0, 0)
#define STUB_IS_2(value) STUB_IS_3(STUB_PLACE_##value)
#define IS_ENABLED(symbol) STUB_IS_2(symbol)

#define MIN(a, b) ((a) < (b) ? (a) : (b))

int64_t k_uptime_get(void);

#endif

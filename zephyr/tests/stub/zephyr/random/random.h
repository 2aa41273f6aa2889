#ifndef STUB_RANDOM_H
#define STUB_RANDOM_H

#include <stddef.h>

int sys_csrand_get(void *to, size_t len);

#endif

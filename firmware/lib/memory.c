/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions that the compiler may call by itself; the soft core has no C library. */
#include <stddef.h>

void *memset(void *to, int value, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);

void *memset(void *to, int value, size_t size)
{
    unsigned char *byte = to;

    while (size--)
        *byte++ = (unsigned char)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *out = to;
    const unsigned char *in = from;

    while (size--)
        *out++ = *in++;
    return to;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions that the compiler may call by itself; the soft core has no C library. */
#include <stddef.h>
#include <stdint.h>

void *memset(void *to, int value, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);

void *memset(void *to, int value, size_t size)
{
    unsigned char *byte = to;

    /* Structures are aligned, and four times as fast by words. */
    if (((uintptr_t)to & 3u) == 0) {
        uint32_t *word = to, pattern = (unsigned char)value * 0x01010101u;
        for (; size >= 4; size -= 4)
            *word++ = pattern;
        byte = (unsigned char *)word;
    }
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

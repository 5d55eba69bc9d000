/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names as text, without printf or malloc: for soft cores and for tests on the host. */
#ifndef VKBENCH_TEXT_H
#define VKBENCH_TEXT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Decimal digits of the largest uint64_t, and the terminating NUL. */
#define TEXT_U64_SIZE 21

/** value / by, and the rest; the compiler's own 64-bit division would take 2 KiB of a soft core's memory. */
uint64_t text_divide(uint64_t value, uint32_t by, uint32_t *rest);

/** Writes value in decimal with a NUL into out (TEXT_U64_SIZE bytes); returns the number of digits. */
size_t text_from_u64(char *out, uint64_t value);

/** The same in upper-case hexadecimal, at least min_digits (1..16) of up to 16 digits. */
size_t text_from_hex(char *out, uint64_t value, unsigned min_digits);

enum text_number {
    TEXT_NUMBER_OK,       /* value is set */
    TEXT_NUMBER_NONE,     /* does not begin like a number */
    TEXT_NUMBER_BROKEN,   /* begins like one, but something else follows */
    TEXT_NUMBER_RANGE     /* negative, or above 2^64-1 */
};

/** Reads a whole text of length bytes as decimal (12, +12, -12) or hexadecimal (#H1F) integer. */
enum text_number text_to_u64(const char *text, size_t length, uint64_t *value);

/** Upper case of an ASCII letter; every other byte as it is. */
char text_upper(char c);

/**
 * Compares a word with a SCPI keyword such as "TRIGger": true for its long form and for its short form (the
 * capitals, digits and signs it begins with), in any case.
 */
bool text_is_keyword(const char *keyword, size_t keyword_length, const char *word, size_t word_length);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names as text: see text.h. */
#include "text.h"

uint64_t text_divide(uint64_t value, uint32_t by, uint32_t *rest)
{
    uint64_t quotient = 0;
    uint64_t left = 0;

    if (value >> 32 == 0) {
        *rest = (uint32_t)value % by;
        return (uint32_t)value / by;
    }
    for (int bit = 63; bit >= 0; bit--) {
        left = left << 1 | (value >> bit & 1u);
        quotient <<= 1;
        if (left >= by) {
            left -= by;
            quotient |= 1u;
        }
    }
    *rest = (uint32_t)left;
    return quotient;
}

size_t text_from_u64(char *out, uint64_t value)
{
    char digits[TEXT_U64_SIZE];
    size_t count = 0;

    do {
        uint32_t part; /* nine digits at a time: 32-bit division is the soft core's own */
        value = text_divide(value, 1000000000u, &part);
        for (unsigned i = 0; i < 9 && (value != 0 || part != 0 || count == 0); i++) {
            digits[count++] = (char)('0' + part % 10u);
            part /= 10u;
        }
    } while (value != 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    out[count] = '\0';
    return count;
}

size_t text_from_hex(char *out, uint64_t value, unsigned min_digits)
{
    unsigned digits = 16;

    while (digits > 1 && digits > min_digits && (value >> (4 * (digits - 1))) == 0)
        digits--;
    for (unsigned i = 0; i < digits; i++)
        out[i] = "0123456789ABCDEF"[(value >> (4 * (digits - 1 - i))) & 15u];
    out[digits] = '\0';
    return digits;
}

char text_upper(char c)
{
    return (c >= 'a' && c <= 'z') ? (char)(c - 'a' + 'A') : c;
}

/* Value of a digit, or 16 for any other byte. */
static unsigned digit_value(char c)
{
    c = text_upper(c);
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10u;
    return 16;
}

enum text_number text_to_u64(const char *text, size_t length, uint64_t *value)
{
    uint64_t sum = 0;
    unsigned base = 10;
    size_t at = 0;
    bool negative = false, too_big = false;

    if (length >= 2 && text[0] == '#' && text_upper(text[1]) == 'H') {
        base = 16;
        at = 2;
        if (at == length || digit_value(text[at]) >= base)
            return TEXT_NUMBER_BROKEN;
    } else {
        if (length >= 1 && (text[0] == '+' || text[0] == '-')) {
            negative = text[0] == '-';
            at = 1;
        }
        if (at == length || digit_value(text[at]) >= base)
            return TEXT_NUMBER_NONE;
    }
    for (; at < length; at++) {
        unsigned digit = digit_value(text[at]);
        if (digit >= base)
            return TEXT_NUMBER_BROKEN;
        uint64_t most = base == 16 ? UINT64_MAX / 16u : UINT64_MAX / 10u;
        if (sum > most || (sum == most && digit > (uint32_t)(UINT64_MAX - most * base)))
            too_big = true;
        else
            sum = sum * base + digit;
    }
    if (too_big || (negative && sum != 0))
        return TEXT_NUMBER_RANGE;
    *value = sum;
    return TEXT_NUMBER_OK;
}

bool text_is_keyword(const char *keyword, size_t keyword_length, const char *word, size_t word_length)
{
    size_t short_length = 0;

    while (short_length < keyword_length && !(keyword[short_length] >= 'a' && keyword[short_length] <= 'z'))
        short_length++;
    if (word_length != keyword_length && word_length != short_length)
        return false;
    for (size_t i = 0; i < word_length; i++)
        if (text_upper(word[i]) != text_upper(keyword[i]))
            return false;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the test cases of the card's firmware. */
#ifndef VKBENCH_CARD_CASES_H
#define VKBENCH_CARD_CASES_H
#include <stddef.h>

struct card_case {
    const char *name;
    void (*run)(void);
};

#define CASE(function) {#function, function}

/* Each ends with an entry without a name. */
extern const struct card_case card_transfer_cases[], card_refusal_cases[], card_message_cases[];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* CARD_ERR_LOG and its interrupt: what the driver prints as "ALERT!" and reacts to. */
#ifndef VKBENCH_CARD_ALERTS_H
#define VKBENCH_CARD_ALERTS_H
#include <stdint.h>

#define ALERT_UECC (1u << 0)
#define ALERT_SYS_FAULT (1u << 5)
#define ALERT_ECC (1u << 10)
#define ALERT_MASK 0xffffu

/** Raises alerts besides those that are up already. */
void alerts_raise(uint32_t alerts);

/** Makes exactly these the card's alerts; what hardware found stays. */
void alerts_set(uint32_t alerts);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the hardware that only main() uses. */
#ifndef VKBENCH_ANALYSER_HAL_RV32_H
#define VKBENCH_ANALYSER_HAL_RV32_H

/** Waits for the next byte from the SCPI client; the core's clock stands still meanwhile. */
char hal_receive(void);

#endif

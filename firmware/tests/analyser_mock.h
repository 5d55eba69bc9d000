/* SPDX-License-Identifier: Apache-2.0 */
/* A mock of the analyser's hardware (hal.h): registers that can be made to fail, and a small record memory. */
#ifndef VKBENCH_ANALYSER_MOCK_H
#define VKBENCH_ANALYSER_MOCK_H
#include <stdbool.h>
#include <stdint.h>

/** What the mock needs from the program around it: where bytes go, and whether one has come. */
void mock_send(char byte);
bool mock_received(char *byte);

/** State after power-on, nothing broken. */
void mock_reset(void);

/**
 * Drives the mock: "state N", "lab N" (0: the lab bus is dead), "blind MASK" (taps that are broken, apart from
 * DIAGnostic:BLINd), "built N" (1: the card is a test build with seeded defects), "command" (sends the last lab
 * COMMAND), "stuck OFFSET MASK" (these bits of a trigger register cannot be written), "fire STEP" (the trigger
 * fires), "fill" (events until the segment is full), "lose N" (events are lost), "unfold" (the fold register is
 * stuck at 0), "divisor" (sends the console's divisor).
 */
void mock_drive(const char *line);

#endif

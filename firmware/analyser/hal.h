/* SPDX-License-Identifier: Apache-2.0 */
/* What the analyser's commands need from the hardware. hal_rv32.c drives it; firmware/tests has a mock. */
#ifndef VKBENCH_ANALYSER_HAL_H
#define VKBENCH_ANALYSER_HAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hal_state { HAL_IDLE, HAL_ARMED, HAL_TRIGGERED, HAL_DONE };

struct hal_stat {
    uint64_t count_arm;      /* events since arm */
    uint64_t count_trigger;  /* events later than the trigger */
    uint64_t first_trigger;  /* cycle of the first of those; 0: none */
    uint64_t last;           /* cycle of the last event since arm; 0: none */
};

struct hal_record {
    uint32_t words[8];  /* as in memory: words[0] is the low half of the timestamp */
};

void hal_send(char byte);                 /* waits for room */
uint32_t hal_clock_hz(void);
void hal_build_id(uint32_t words[4]);     /* words[0] holds bits 31:0 */
uint32_t hal_depth(void);                 /* records */

enum hal_state hal_state(void);           /* ARMED or TRIGGERED until the last event is stored */
void hal_arm(uint32_t pretrigger);
void hal_stop(void);                      /* returns when the last event is stored */
void hal_reset(void);                     /* IDLE, records discarded */
void hal_trigger(void);
void hal_set_trigger(uint32_t source, const char *text, size_t length);
uint64_t hal_trigger_time(void);          /* 0: not yet */
uint32_t hal_count(void);                 /* records held */
void hal_move(uint32_t first, uint32_t count);  /* sends records; later bytes wait for their end */
void hal_mark(uint32_t number);

void hal_snapshot(void);                  /* the next three show one and the same clock */
uint64_t hal_time(void);
uint64_t hal_lost(void);
void hal_stat(uint32_t stat_class, struct hal_stat *stat);

void hal_inject(uint32_t taps);           /* one event at each tap of the mask; waits until they are in */
void hal_peek(uint32_t index, struct hal_record *record);

bool hal_lab_read(uint32_t offset, uint32_t *value);   /* false: no answer */
bool hal_lab_write(uint32_t offset, uint32_t value);

#endif

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

/* How to record. The trigger's program is apart. */
struct hal_setup {
    uint32_t source;         /* TRIGGER_ of the capture layout: for the record of the trigger */
    uint32_t pretrigger;     /* records, in each segment */
    uint32_t segments_log2;
    uint32_t qualify;        /* taps recorded, as a mask */
    uint32_t qualify_term;   /* 0: none, else from 1 */
    uint32_t fold;           /* 1: runs of like TLPs are folded */
};

struct hal_segment {
    uint32_t count;          /* records held */
    uint64_t armed, trigger; /* cycle; trigger 0: not yet */
};

struct hal_record {
    uint32_t words[8];  /* as in memory: words[0] is the low half of the timestamp */
};

void hal_send(char byte);                 /* waits for room */
uint32_t hal_clock_hz(void);
void hal_build_id(uint32_t words[4]);     /* words[0] holds bits 31:0 */
uint32_t hal_depth(void);                 /* records */

enum hal_state hal_state(void);           /* ARMED or TRIGGERED until the last event is stored */
void hal_set_up(const struct hal_setup *setup);
void hal_read_setup(struct hal_setup *setup);  /* as the hardware has it */
void hal_arm(void);
void hal_stop(void);                      /* returns when the last event is stored */
void hal_reset(void);                     /* IDLE, records discarded */
void hal_trigger(void);
uint64_t hal_trigger_time(void);          /* 0: not yet */
uint32_t hal_count(void);                 /* records held */
uint32_t hal_segments_used(void);
void hal_segment(uint32_t index, struct hal_segment *segment);
void hal_mark(uint32_t number, const uint32_t name[4]);  /* name: byte 0 is the lowest of word 0 */

/* The trigger's program, registers of rtl/regs/analyser_trigger.rdl. */
void hal_program_write(uint32_t offset, uint32_t value);
uint32_t hal_program_read(uint32_t offset);
uint32_t hal_trigger_source(void);        /* that it stands for */

/* The block mover sends records by itself; bytes of hal_send wait for its end. */
void hal_move(uint32_t first, uint32_t count);
bool hal_moving(void);
void hal_move_stop(void);                 /* ends with the record under way */
bool hal_received(char *byte);            /* false: no byte from the client waits */

void hal_snapshot(void);                  /* the next three show one and the same clock */
uint64_t hal_time(void);
uint64_t hal_lost(void);
void hal_stat(uint32_t stat_class, struct hal_stat *stat);

void hal_inject(uint32_t taps);           /* one event at each tap of the mask; waits until they are in */
void hal_peek(uint32_t index, struct hal_record *record);
uint32_t hal_blind(void);                 /* taps that see nothing, as a mask */
void hal_set_blind(uint32_t taps);

uint32_t hal_levels(void);                /* LEVELS of the capture layout */
uint32_t hal_command(void);               /* PCI Command register */
uint32_t hal_console_divisor(void);       /* clocks per bit, in 1/16 */
void hal_set_console_divisor(uint32_t divisor);
uint32_t hal_console_errors(void);

bool hal_lab_read(uint32_t offset, uint32_t *value);   /* false: no answer */
bool hal_lab_write(uint32_t offset, uint32_t value);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* *TST?: lets the hardware inject one event behind each tap and looks for every one in the record memory. */
#include "commands.h"

#include "capture_layout.h"
#include "hal.h"

#define TAPS_ALL ((1u << TAP_COUNT) - 1u)
/* Answer bits above the taps'. */
#define ORDER_BROKEN (1u << 14)  /* a timestamp went back */
#define NOT_RUN (1u << 15)       /* a capture is recording */
#define INJECTED_DATA 0x5e1f7e57u

static uint32_t find_blind_taps(void)
{
    uint32_t blind = TAPS_ALL, order = 0, held = hal_count();
    uint64_t before = 0;

    for (uint32_t i = 0; i < held; i++) {
        struct hal_record record;
        hal_peek(i, &record);
        uint64_t time = record.words[0] | (uint64_t)record.words[1] << 32;
        uint32_t kind = record.words[2] & 0xffu, flags = record.words[2] >> 8 & 0xffu;

        if (time < before)
            order = ORDER_BROKEN;
        before = time;
        /* The taps' own kinds stand in the order of the taps, beginning with 1. */
        if (flags == FLAG_SELFTEST && kind >= 1 && kind <= TAP_COUNT && record.words[3] == INJECTED_DATA)
            blind &= ~(1u << (kind - 1));
    }
    return blind | order;
}

void analyser_self_test(struct scpi *scpi)
{
    enum hal_state state = hal_state();
    uint32_t result;

    if (state == HAL_ARMED || state == HAL_TRIGGERED) {
        scpi_fail(scpi, SCPI_SETTINGS_CONFLICT);
        scpi_reply_u64(scpi, NOT_RUN);
        return;
    }
    hal_set_trigger(TRIGGER_NONE, "", 0);
    hal_arm(0);
    hal_inject(TAPS_ALL);
    hal_stop();
    result = find_blind_taps();
    hal_reset();
    scpi_reply_u64(scpi, result);
}

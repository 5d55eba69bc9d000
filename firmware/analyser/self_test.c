/* SPDX-License-Identifier: Apache-2.0 */
/* *TST?: lets the hardware inject one event behind each tap and looks for every one in the record memory. */
#include "commands.h"

#include "capture_layout.h"
#include "hal.h"
#include "program.h"

#define TAPS_ALL ((1u << TAP_COUNT) - 1u)
/* Answer bits above the taps'. */
#define ORDER_BROKEN (1u << 14) /* a timestamp went back */
#define NOT_RUN (1u << 15)      /* a capture is recording */
#define INJECTED_DATA 0x5e1f7e57u

static const uint8_t tap_kinds[] = TAP_KINDS;

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
        if (flags != FLAG_SELFTEST || record.words[3] != INJECTED_DATA)
            continue;
        for (uint32_t tap = 0; tap < TAP_COUNT; tap++)
            if (kind == tap_kinds[tap])
                blind &= ~(1u << tap);
    }
    return blind | order;
}

void analyser_self_test(struct scpi *scpi)
{
    struct hal_setup setup, whole;
    uint32_t result;

    if (analyser_refuses_while_recording(scpi)) {
        scpi_reply_u64(scpi, NOT_RUN);
        return;
    }
    /* Nothing fires and every tap is recorded, into the whole memory; folding stays as the client wants it. */
    program_unload();
    hal_read_setup(&setup);
    whole = (struct hal_setup){.source = TRIGGER_NONE, .qualify = TAPS_ALL, .fold = setup.fold};
    hal_set_up(&whole);
    hal_arm();
    hal_inject(TAPS_ALL);
    hal_stop();
    result = find_blind_taps();
    hal_reset();
    scpi_reply_u64(scpi, result);
}

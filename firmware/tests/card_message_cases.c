/* SPDX-License-Identifier: Apache-2.0 */
/* Rings, contexts, refusals, alerts: what the host may put into queue memory, and what it finds there. */
#include <stdio.h>
#include <string.h>

#include "card_cases.h"
#include "card_host.h"

static void an_unknown_function_or_command_is_refused(void)
{
    struct plane planes[15] = {{MOCK_HOST_BASE, 20}};
    uint32_t words[16] = {5 | 2u << 16, 0, 0x404, 0};

    mock_reset(0);
    host_message(0, 1, 3, 0, 0, 0);
    CHECK_EQ(host_reply(0, 3), 1);
    host_message(0, 255, 3, 0, 0, 0);
    CHECK_EQ(host_reply(0, 3), 1);
    host_trans_buf(0, 3, 0, 0, 0, planes, 1);
    CHECK_EQ(host_reply(0, 3), 1);
    host_trans_buf(0, 3, 0x600, 0, 0, planes, 1);
    CHECK_EQ(host_reply(0, 3), 1);
    host_trans_buf(0, 3, HOST_UPLOAD, 0, 0, planes, 0);
    CHECK_EQ(host_reply(0, 3), 2);
    for (uint32_t count = 5; count <= 15; count++) {
        host_trans_buf(0, 3, HOST_UPLOAD, 0, 0, planes, count);
        CHECK_EQ(host_reply(0, 3), 2);
    }
    /* Four planes in fewer than four blocks. */
    for (uint32_t blocks = 1; blocks < 4; blocks++) {
        words[0] = 5 | (blocks - 1) << 8 | 0x30 << 16;
        mock_send(0, words, blocks);
        mock_run();
        CHECK_EQ(host_reply(0, 3), 1);
    }
    CHECK_EQ(mock.channel[0].descriptors, 0);
    CHECK_EQ(mock.bar0[0x464 / 4], 0);
}

static void lists_in_band_are_ignored(void)
{
    struct segment segment = {MOCK_HOST_BASE + 0x5000, 100};
    struct plane plane = {MOCK_HOST_BASE, 20};
    uint32_t words[40];

    mock_reset(0);
    memset(words, 0xff, sizeof words);
    host_fill(segment.address, segment.bytes);
    host_sgl(plane.sgl, &segment, 1);
    words[0] = 5 | 9 << 8 | 0x120 << 16;
    words[1] = 0;
    words[2] = 0x401;
    words[3] = 64;
    words[5] = plane.bytes;
    words[6] = (uint32_t)plane.sgl;
    words[7] = (uint32_t)(plane.sgl >> 32);
    mock_send(0, words, 10);
    mock_run();
    CHECK_EQ(host_reply(0, 0x12), 0);
    CHECK(memcmp(mock.store + 64, host_at(segment.address), 100) == 0);
    CHECK_EQ(mock_queue_word(0, 8), 10);
}

static void a_reply_repeats_the_request(void)
{
    uint32_t words[4];

    mock_reset(0);
    host_message(1, 7, 0xabc, 0x12345678, 0x9abcdef0, 5);
    CHECK(mock_receive(1, words));
    CHECK_EQ(words[0], 7 | 0xabc1u << 16);
    CHECK_EQ(words[1], 0x12345678);
    CHECK_EQ(words[2], 0x9abcdef0);
    CHECK_EQ(words[3], 1);
    CHECK_EQ(mock.irqs[1], 1);
}

static void rings_wrap(void)
{
    mock_reset(0);
    for (uint32_t i = 0; i < 300; i++)
        host_works(i % 3);
    CHECK_EQ(mock.irqs[0] + mock.irqs[1] + mock.irqs[2], 300);
    CHECK_EQ(mock.irqs[3], 0);
}

static void indices_out_of_range_raise_an_alert_and_are_survived(void)
{
    static const uint32_t indices[] = {64, 65, 127, 0x80000000, UINT32_MAX};

    for (uint32_t i = 0; i < 5; i++) {
        mock_reset(0);
        host_works(2);
        mock_host_write(0x7000 + 64 + 12, indices[i]);
        mock_event(4);
        mock_run();
        CHECK_EQ(mock_queue_word(2, 8), indices[i] & 63);
        CHECK_EQ(mock.bar0[0x464 / 4], 0x20);
        CHECK_EQ(mock.irqs[3], 1);
        CHECK(strcmp((char *)&mock.bar4[0x1b0 / 4], "to-card wr_idx 2 40") == 0 || i);
        host_no_reply(2);
        mock.host_wr[2] = indices[i] & 63;
        mock_host_write(0x7000 + 64 + 12, mock.host_wr[2]);
        host_works(2);
        host_works(0);
    }
}

static void a_message_beyond_wr_idx_is_dropped(void)
{
    uint32_t words[4] = {5 | 1 << 8, 0, 0x401, 0};

    for (uint32_t size = 1; size < 256; size += 31) {
        mock_reset(0);
        words[0] = 5 | size << 8;
        mock_send(1, words, 1);
        mock_run();
        CHECK_EQ(mock_queue_word(1, 8), 1);
        CHECK_EQ(mock.bar0[0x464 / 4], 0x20);
        host_no_reply(1);
        host_works(1);
    }
}

static void an_alert_joins_those_that_are_up(void)
{
    uint32_t words[4] = {5 | 1 << 8, 0, 0x401, 0};

    mock_reset(0);
    mock.lab_command = 0x10008;
    mock_event(0x80);
    mock_send(1, words, 1);
    mock_run();
    CHECK_EQ(mock.bar0[0x464 / 4], 0x28);
}

static void garbage_in_the_descriptors_is_not_believed(void)
{
    mock_reset(0);
    for (uint32_t word = 0; word < 6 * 8; word++)
        if (word % 8 != 2 && word % 8 != 3)
            mock_host_write(0x7000 + 4 * word, host_random(UINT32_MAX));
    for (uint32_t queue = 0; queue < 3; queue++) {
        mock_host_write(0x7000 + 32 * queue + 8, host_random(UINT32_MAX));
        host_works(queue);
    }
    CHECK_EQ(mock.bar0[0x464 / 4], 0);
}

static void a_full_ring_to_the_host_is_not_overwritten(void)
{
    uint32_t sent = 0;

    mock_reset(0);
    /* 63 replies fit; what comes then waits in the ring to the card. */
    for (; sent < 63 + 20; sent++)
        host_message(0, 1, sent, 0, 0, 0);
    CHECK_EQ(mock_queue_word(3, 12), 63);
    CHECK_EQ(mock_queue_word(0, 8), 63);
    host_works(1);
    for (uint32_t id = 0; id < sent; id++) {
        CHECK_EQ(host_reply(0, id), 1);
        mock_event(8);
        mock_run();
    }
    host_no_reply(0);
    host_works(0);
}

static void a_finished_transfer_waits_for_room_too(void)
{
    struct segment segment = {MOCK_HOST_BASE + 0x5000, 100};
    struct plane plane;

    mock_reset(0);
    plane = host_sgl(MOCK_HOST_BASE, &segment, 1);
    for (uint32_t id = 0; id < 62; id++)
        host_message(0, 1, id, 0, 0, 0);
    mock.mode = MOCK_DMA_HELD;
    host_trans_buf(0, 100, HOST_UPLOAD, 0, 0, &plane, 1);
    host_message(0, 1, 62, 0, 0, 0);
    mock.mode = MOCK_DMA_LAZY;
    mock_run();
    CHECK_EQ(mock.bar4[0x2d0 / 4], 1);
    CHECK_EQ(mock.bar4[0x2c0 / 4], 0);
    host_works(1);
    for (uint32_t id = 0; id < 63; id++)
        CHECK_EQ(host_reply(0, id), 1);
    mock_event(8);
    mock_run();
    CHECK_EQ(host_reply(0, 100), 0);
}

static void a_broken_index_of_the_host_is_reported_once(void)
{
    mock_reset(0);
    mock_host_write(0x7000 + 3 * 32 + 8, 64);
    for (uint32_t i = 0; i < 5; i++)
        host_message(0, 1, i, 0, 0, 0);
    CHECK_EQ(mock.irqs[3], 1);
    CHECK_EQ(mock.irqs[0], 0);
    CHECK_EQ(mock.bar0[0x464 / 4], 0x20);
    mock_host_write(0x7000 + 3 * 32 + 8, 0);
    mock_event(8);
    mock_run();
    for (uint32_t i = 0; i < 5; i++)
        CHECK_EQ(host_reply(0, i), 1);
}

static void contexts_are_given_until_there_are_none(void)
{
    struct segment segment = {MOCK_HOST_BASE + 0x5000, 100};
    struct plane plane;
    uint32_t words[4];

    mock_reset(0);
    plane = host_sgl(MOCK_HOST_BASE, &segment, 1);
    for (uint32_t i = 1; i <= 18; i++) {
        host_message(0, 9, i, 0, 0, (100 + i % 2) << 8);
        CHECK(mock_receive(0, words));
        CHECK_EQ(words[0] & 0xff, 9);
        CHECK_EQ(words[1], i <= 16 ? i : 0);
        CHECK_EQ(words[3], i <= 16 ? 0 : 5);
    }
    host_message(0, 9, 1, 3, 0, 1);
    CHECK_EQ(host_reply(0, 1), 1);
    for (uint32_t context = 1; context <= 17; context++) {
        host_trans_buf(0, 2, HOST_UPLOAD, context, 0, &plane, 1);
        CHECK_EQ(host_reply(0, 2), context <= 16 ? 0 : 5);
    }
    host_trans_buf(0, 2, HOST_UPLOAD, UINT32_MAX, 0, &plane, 1);
    CHECK_EQ(host_reply(0, 2), 5);
    host_message(0, 8, 0, 0, 1, 101);
    host_no_reply(0);
    for (uint32_t context = 1; context <= 16; context++) {
        host_trans_buf(0, 2, HOST_UPLOAD, context, 0, &plane, 1);
        CHECK_EQ(host_reply(0, 2), context % 2 ? 5 : 0);
    }
    host_message(0, 8, 0, 0, 2, 0);
    host_message(0, 8, 0, 0, 3, 0);
    host_no_reply(0);
    host_trans_buf(0, 2, HOST_UPLOAD, 2, 0, &plane, 1);
    CHECK_EQ(host_reply(0, 2), 5);
}

static void the_card_works_on_without_its_marker(void)
{
    mock_reset(0);
    mock.bar2[0x60c0 / 4] = 0;
    mock.bar2[0x61b0 / 4] = 0;
    mock.bar0[0x41c / 4] = 0x10000000;
    mock.bar0[0x444 / 4] = 0;
    host_works(1);
    CHECK_EQ(mock.bar2[0x60c0 / 4], 0);
}

static void the_peer_log_keeps_its_latest_lines(void)
{
    uint32_t rd, wr, lines = 0;
    const char *data = (char *)&mock.bar4[0x1b0 / 4];

    mock_reset(0);
    for (uint32_t i = 0; i < 40; i++)
        host_message(0, 8, 0, 0, 100 + i, i);
    rd = mock.bar4[0x1a0 / 4];
    wr = mock.bar4[0x1a4 / 4];
    CHECK(rd < 256 && wr < 256);
    CHECK_EQ((wr - rd) & 255, 255);
    CHECK(data[(wr - 1) & 255] == '\0');
    for (uint32_t at = rd; at != wr; at = (at + 1) & 255)
        lines += data[at] == '\0';
    CHECK(lines >= 11);
    mock.bar4[0x1a0 / 4] = mock.bar4[0x1a4 / 4] = UINT32_MAX;
    host_message(0, 8, 0, 0, 100, 1);
    CHECK(mock.bar4[0x1a4 / 4] < 256);
}

static void a_word_that_changes_while_it_is_read_does_no_harm(void)
{
    struct segment segment = {MOCK_HOST_BASE + 0x5000, 100};

    for (uint32_t step = 1; step < 60; step++)
        for (uint32_t word = 0; word < 10; word++) {
            struct plane plane;
            mock_reset(0);
            plane = host_sgl(MOCK_HOST_BASE, &segment, 1);
            mock.race_after = step;
            mock.race_offset = word < 8 ? 0x7100 + 4 * word : 0x7000 + 4 * (word - 6);
            mock.race_value = host_random(2) ? host_random(UINT32_MAX) : UINT32_MAX;
            host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, &plane, 1);
        }
}

const struct card_case card_message_cases[] = {
    CASE(an_unknown_function_or_command_is_refused),
    CASE(lists_in_band_are_ignored),
    CASE(a_reply_repeats_the_request),
    CASE(rings_wrap),
    CASE(indices_out_of_range_raise_an_alert_and_are_survived),
    CASE(a_message_beyond_wr_idx_is_dropped),
    CASE(an_alert_joins_those_that_are_up),
    CASE(garbage_in_the_descriptors_is_not_believed),
    CASE(a_full_ring_to_the_host_is_not_overwritten),
    CASE(a_finished_transfer_waits_for_room_too),
    CASE(a_broken_index_of_the_host_is_reported_once),
    CASE(contexts_are_given_until_there_are_none),
    CASE(the_card_works_on_without_its_marker),
    CASE(the_peer_log_keeps_its_latest_lines),
    CASE(a_word_that_changes_while_it_is_read_does_no_harm),
    {NULL, NULL},
};

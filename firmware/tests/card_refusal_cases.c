/* SPDX-License-Identifier: Apache-2.0 */
/* TRANS_BUF that must not be: every refusal, every DMA error, and that nothing else suffers from them. */
#include <string.h>

#include "card_cases.h"
#include "card_host.h"
#include "sgl.h"

/* arg of the reply to an upload whose only list has this header and entries. */
static uint32_t refuse(uint32_t num, uint32_t total, uint32_t list_bytes, const struct segment *list,
                       uint32_t count)
{
    struct plane plane = host_sgl(MOCK_HOST_BASE + 5, list, count);

    host_put32(plane.sgl, num);
    host_put32(plane.sgl + 4, total);
    plane.bytes = list_bytes;
    host_trans_buf(1, 5, HOST_UPLOAD, 0, 0, &plane, 1);
    return host_reply(1, 5);
}

static void a_list_that_lies_is_refused_before_it_moves_a_byte(void)
{
    static const uint32_t BAD = 3;
    struct segment good[70];
    unsigned long moved;

    for (uint32_t i = 0; i < 70; i++)
        good[i] = (struct segment){HOST_DATA + 100 * i, 10};
    mock_reset(0);
    CHECK_EQ(refuse(1, 10, 20, good, 1), 0);
    moved = mock.channel[0].descriptors - 1;
    CHECK_EQ(moved, 1);
    CHECK_EQ(refuse(0, 10, 20, good, 1), BAD);
    CHECK_EQ(refuse(0, 0, 20, good, 1), BAD);
    CHECK_EQ(refuse(2, 20, 20, good, 2), BAD);
    CHECK_EQ(refuse(2, 20, 31, good, 2), BAD);
    CHECK_EQ(refuse(UINT32_MAX, 20, UINT32_MAX, good, 2), BAD);
    CHECK_EQ(refuse(0x15555555, 10, 20, good, 1), BAD);
    CHECK_EQ(refuse(1, 10, 19, good, 1), BAD);
    CHECK_EQ(refuse(1, 10, 0, good, 1), BAD);
    CHECK_EQ(refuse(1, 0, 20, good, 1), BAD);
    CHECK_EQ(refuse(1, 9, 20, good, 1), BAD);
    CHECK_EQ(refuse(1, 11, 20, good, 1), BAD);
    CHECK_EQ(refuse(2, 10, 32, good, 2), BAD);
    CHECK_EQ(refuse(1, UINT32_MAX, 20, good, 1), 4);
    CHECK_EQ(refuse(1, MOCK_USER_BYTES + 1, 20, good, 1), 4);
    good[1].bytes = 0;
    CHECK_EQ(refuse(3, 20, 44, good, 3), BAD);
    good[1].bytes = UINT32_MAX;
    CHECK_EQ(refuse(3, 19, 44, good, 3), BAD);
    good[1].bytes = (16u << 20) + 1;
    CHECK_EQ(refuse(3, 40, 44, good, 3), BAD);
    good[1] = (struct segment){UINT64_MAX - 8, 10};
    CHECK_EQ(refuse(3, 30, 44, good, 3), BAD);
    good[1] = (struct segment){HOST_DATA + 100, 10};
    CHECK_EQ(refuse(70, 700, 848, good, 70), 0);
    /* Only what a piece has passed may move: the first 64 of these, not one of the last six. */
    moved = mock.channel[0].descriptors;
    good[69].bytes = 0;
    CHECK_EQ(refuse(70, 690, 848, good, 70), BAD);
    CHECK_EQ(mock.channel[0].descriptors - moved, 2 + 64);
    host_works(0);
}

static void a_plane_table_that_lies_is_refused(void)
{
    struct plane planes[4] = {{HOST_DATA, 20}, {HOST_DATA, 20}, {HOST_DATA, 20}, {HOST_DATA, 20}};

    mock_reset(0);
    planes[0].bytes = 19;
    host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, planes, 4);
    CHECK_EQ(host_reply(0, 1), 3);
    planes[0].bytes = 20;
    planes[2].sgl = UINT64_MAX - 18;
    host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, planes, 4);
    CHECK_EQ(host_reply(0, 1), 3 | 2 << 8);
    planes[2] = (struct plane){HOST_DATA, UINT32_MAX};
    planes[1].sgl = UINT64_MAX - UINT32_MAX + 2;
    planes[1].bytes = UINT32_MAX;
    host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, planes, 4);
    CHECK_EQ(host_reply(0, 1), 3 | 1 << 8);
    CHECK_EQ(mock.channel[0].descriptors, 0);
}

static void a_dma_error_ends_its_message_only(void)
{
    for (uint32_t command = HOST_DOWNLOAD; command >= HOST_UPLOAD; command -= 0x100)
        for (uint32_t code = 1; code <= 8; code++)
            for (uint32_t nth = 1; nth <= 6; nth++) {
                unsigned channel = command == HOST_UPLOAD ? 0 : 1;
                struct plane planes[2];

                mock.mode = host_modes[nth & 1];
                mock_reset(0);
                host_scatter(HOST_DATA, 6, 500);
                planes[0] = host_sgl(MOCK_HOST_BASE, host_segments, 3);
                planes[1] = host_sgl(MOCK_HOST_BASE + 200, host_segments + 3, 3);
                mock.fault_after[channel] = nth;
                mock.fault_code[channel] = code;
                host_trans_buf(0, 3, command, 0, 0, planes, 2);
                /* The order of an upload's lists and data is its own; an aborted list is fetched again. */
                uint32_t arg = host_reply(0, 3);
                if (arg == 0)
                    CHECK(command == HOST_UPLOAD && code == 7);
                else
                    CHECK_EQ(arg & 0xff, 0x10 + code);
                if (command == HOST_DOWNLOAD)
                    CHECK_EQ(arg >> 8, (nth - 1) / 3);
                host_no_reply(0);
                host_works(0);
                CHECK_EQ(mock.bar0[0x464 / 4], 0);
            }
}

static void a_list_outside_host_memory_is_a_dma_error(void)
{
    struct plane plane = {0x10, 20};

    mock_reset(0);
    host_trans_buf(0, 1, HOST_DOWNLOAD, 0, 0, &plane, 1);
    CHECK_EQ(host_reply(0, 1), 0x11);
    host_works(0);
}

static void a_piece_beyond_the_total_moves_nothing(void)
{
    struct segment list[65];
    unsigned long before;

    mock_reset(0);
    for (uint32_t i = 0; i < 65; i++)
        list[i] = (struct segment){HOST_DATA + 10 * i, 10};
    before = mock.channel[0].descriptors;
    CHECK_EQ(refuse(65, 635, 788, list, 65), 3);
    CHECK_EQ(mock.channel[0].descriptors - before, 1);
}

static void no_entry_is_above_16_mib(void)
{
    struct sgl sgl;
    struct dma_entry entry = {SGL_ENTRY_MAX, 1, 0};

    CHECK_EQ(sgl_begin(&sgl, 2, 2 * SGL_ENTRY_MAX + 1, 32, UINT32_MAX), SGL_OK);
    CHECK_EQ(sgl_check(&sgl, &entry, 1), SGL_OK);
    entry.bytes++;
    CHECK_EQ(sgl_check(&sgl, &entry, 1), SGL_BAD);
    entry = (struct dma_entry){SGL_ENTRY_MAX, 0u - SGL_ENTRY_MAX, UINT32_MAX};
    CHECK_EQ(sgl_begin(&sgl, 1, SGL_ENTRY_MAX, 20, UINT32_MAX), SGL_OK);
    CHECK_EQ(sgl_check(&sgl, &entry, 1), SGL_OK);
    entry.host_lo++;
    CHECK_EQ(sgl_begin(&sgl, 1, SGL_ENTRY_MAX, 20, UINT32_MAX), SGL_OK);
    CHECK_EQ(sgl_check(&sgl, &entry, 1), SGL_BAD);
}

static void after_an_error_nothing_more_is_queued(void)
{
    struct plane plane;

    for (uint32_t i = 0; i < 2; i++) {
        mock.mode = host_modes[i];
        mock_reset(0);
        host_scatter(HOST_DATA, 60, 50);
        plane = host_sgl(MOCK_HOST_BASE, host_segments, 60);
        mock.fault_after[1] = 1;
        mock.fault_code[1] = 2;
        host_trans_buf(0, 1, HOST_DOWNLOAD, 0, 0, &plane, 1);
        CHECK_EQ(host_reply(0, 1), 0x12);
        CHECK(mock.channel[1].descriptors <= 8);
    }
}

static void a_failed_transfer_waits_for_its_list(void)
{
    struct plane plane;

    mock.mode = MOCK_DMA_HELD;
    mock_reset(0);
    host_scatter(HOST_DATA, 100, 50);
    plane = host_sgl(MOCK_HOST_BASE, host_segments, 100);
    host_trans_buf(0, 1, HOST_DOWNLOAD, 0, 0, &plane, 1);
    mock_dma_finish(0, 0);
    mock_run();
    CHECK_EQ(mock.channel[0].open_count, 1);
    CHECK_EQ(mock.channel[1].open_count, 2);
    mock_dma_finish(1, 1);
    mock_dma_finish(1, 0);
    mock_run();
    /* The engine still writes into the list's memory: the next transfer must not begin. */
    host_no_reply(0);
    mock_dma_finish(0, 0);
    mock_run();
    CHECK_EQ(host_reply(0, 1), 0x11);
    mock.mode = MOCK_DMA_LAZY;
    host_works(0);
}

const struct card_case card_refusal_cases[] = {
    CASE(a_list_that_lies_is_refused_before_it_moves_a_byte),
    CASE(a_plane_table_that_lies_is_refused),
    CASE(a_dma_error_ends_its_message_only),
    CASE(a_list_outside_host_memory_is_a_dma_error),
    CASE(a_piece_beyond_the_total_moves_nothing),
    CASE(no_entry_is_above_16_mib),
    CASE(after_an_error_nothing_more_is_queued),
    CASE(a_failed_transfer_waits_for_its_list),
    {NULL, NULL},
};

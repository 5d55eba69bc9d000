/* SPDX-License-Identifier: Apache-2.0 */
/* TRANS_BUF: every byte, transfers side by side, and what ends them from outside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card_cases.h"
#include "card_host.h"

/* Compares card memory with the host_segments, one behind the other. */
static void check_same(uint32_t store, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        CHECK(memcmp(mock.store + store, host_at(host_segments[i].address), host_segments[i].bytes) == 0);
        store += host_segments[i].bytes;
    }
}

/* planes of count host_segments each, to or from card memory at store. */
static void transfer(uint32_t command, uint32_t planes, uint32_t count, uint32_t limit, uint32_t store)
{
    struct plane table[4];
    uint32_t total = 0, sums[4];
    uint64_t sgl = MOCK_HOST_BASE + host_random(64);
    uint8_t *before = malloc(MOCK_HOST_BYTES), *store_before = malloc(MOCK_STORE_BYTES);

    host_fill(HOST_DATA, 0x80000);
    for (uint32_t i = 0; i < 0x40000; i++)
        mock.store[i] = (uint8_t)host_random(256);
    host_scatter(HOST_DATA, planes * count, limit);
    for (uint32_t i = 0; i < planes; i++) {
        sums[i] = 0;
        for (uint32_t n = 0; n < count; n++)
            sums[i] += host_segments[i * count + n].bytes;
        total += sums[i];
        table[i] = host_sgl(sgl, host_segments + i * count, count);
        sgl += table[i].bytes + host_random(16);
    }
    memcpy(before, mock.host, MOCK_HOST_BYTES);
    memcpy(store_before, mock.store, MOCK_STORE_BYTES);
    host_trans_buf(2, 9, command, 0, store, table, planes);
    CHECK_EQ(host_reply(2, 9), 0);
    CHECK_EQ(mock.irqs[2], 1);
    check_same(store, planes * count);
    /* Nothing else may have changed on the side that was written. */
    if (command == HOST_UPLOAD) {
        CHECK_EQ(mock.channel[1].bytes, 0);
        CHECK(memcmp(before, mock.host, MOCK_HOST_BYTES) == 0);
        CHECK(memcmp(store_before, mock.store, store) == 0);
        total += store;
        CHECK(memcmp(store_before + total, mock.store + total, MOCK_USER_BYTES - total) == 0);
    } else {
        CHECK(memcmp(store_before, mock.store, MOCK_USER_BYTES) == 0);
        CHECK_EQ(mock.channel[1].bytes, total);
        for (const struct segment *s = host_segments; s != host_segments + planes * count; s++)
            memcpy(before + (s->address - MOCK_HOST_BASE), host_at(s->address), s->bytes);
        CHECK(memcmp(before, mock.host, MOCK_HOST_BYTES) == 0);
    }
    free(before);
    free(store_before);
}

static void every_number_of_planes_arrives_at_odd_addresses(void)
{
    for (uint32_t round = 0; round < 64; round++) {
        mock.mode = host_modes[round & 1];
        mock.depth = 1 + round / 16;
        mock_reset(0);
        transfer(round & 2 ? HOST_UPLOAD : HOST_DOWNLOAD, 1 + round / 4 % 4, 1 + host_random(9), 2000,
                 host_random(99));
    }
}

static void lists_of_any_length_cross_the_pieces(void)
{
    static const uint32_t counts[] = {1, 2, 63, 64, 65, 127, 128, 129, 192, 1000, 4200};

    for (uint32_t i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
        mock.mode = host_modes[i / 2 & 1];
        mock_reset(0);
        transfer(i & 1 ? HOST_UPLOAD : HOST_DOWNLOAD, 1, counts[i / 2], counts[i / 2] > 500 ? 60 : 700, 1);
    }
    mock_reset(0);
    transfer(HOST_UPLOAD, 4, 64, 100, 7);
    mock_reset(0);
    transfer(HOST_DOWNLOAD, 3, 65, 100, 7);
}

static void the_user_area_can_be_filled_to_its_last_byte(void)
{
    struct segment all = {MOCK_HOST_BASE + 0x1000, MOCK_USER_BYTES};
    struct plane plane, two[2];

    mock_reset(0);
    host_fill(all.address, all.bytes);
    plane = host_sgl(MOCK_HOST_BASE, &all, 1);
    host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, &plane, 1);
    CHECK_EQ(host_reply(0, 1), 0);
    CHECK(memcmp(mock.store, host_at(all.address), all.bytes) == 0);
    host_trans_buf(0, 2, HOST_UPLOAD, 0, 1, &plane, 1);
    CHECK_EQ(host_reply(0, 2), 4);
    all.bytes = 1;
    two[0] = plane;
    two[1] = host_sgl(MOCK_HOST_BASE + 100, &all, 1);
    host_trans_buf(0, 3, HOST_DOWNLOAD, 0, 0, two, 2);
    CHECK_EQ(host_reply(0, 3), 4 | 1 << 8);
    host_trans_buf(0, 4, HOST_DOWNLOAD, 0, MOCK_USER_BYTES - 1, two + 1, 1);
    CHECK_EQ(host_reply(0, 4), 0);
    host_trans_buf(0, 5, HOST_DOWNLOAD, 0, MOCK_USER_BYTES, two + 1, 1);
    CHECK_EQ(host_reply(0, 5), 4);
    host_trans_buf(0, 6, HOST_DOWNLOAD, 0, UINT32_MAX, two + 1, 1);
    CHECK_EQ(host_reply(0, 6), 4);
}

static void a_list_crosses_4_gib_between_its_pieces(void)
{
    for (uint32_t back = 500; back < 900; back += 50) {
        struct plane plane;
        mock_reset(0);
        host_scatter(HOST_DATA - 0x40000, 200, 60);
        plane = host_sgl((1ull << 32) - back, host_segments, 200);
        host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, &plane, 1);
        CHECK_EQ(host_reply(0, 1), 0);
        check_same(0, 200);
    }
}

static void sixteen_transfers_of_a_queue_are_held(void)
{
    struct plane plane;

    mock.mode = MOCK_DMA_HELD;
    mock_reset(0);
    host_scatter(HOST_DATA, 1, 50);
    plane = host_sgl(MOCK_HOST_BASE, host_segments, 1);
    for (uint32_t id = 1; id <= 30; id++)
        host_trans_buf(0, id, HOST_UPLOAD, 0, 0, &plane, 1);
    CHECK_EQ(mock_queue_word(0, 8), 32);
    CHECK_EQ(mock.bar4[0x2d0 / 4], 16);
    mock.mode = MOCK_DMA_LAZY;
    mock_run();
    for (uint32_t id = 1; id <= 30; id++)
        CHECK_EQ(host_reply(0, id), 0);
}

/* Up to three transfers are started and held: an upload, a download, and one more upload. */
static void hold(struct plane *plane)
{
    mock.mode = MOCK_DMA_HELD;
    mock_reset(0);
    host_scatter(HOST_DATA, 5, 400);
    *plane = host_sgl(MOCK_HOST_BASE, host_segments, 5);
    host_trans_buf(0, 1, HOST_UPLOAD, 0, 0, plane, 1);
    host_trans_buf(1, 2, HOST_DOWNLOAD, 0, 0x10000, plane, 1);
    host_trans_buf(2, 3, HOST_UPLOAD, 0, 0x20000, plane, 1);
}

static void both_directions_run_at_once(void)
{
    struct plane plane;

    hold(&plane);
    CHECK_EQ(mock.bar4[0x2c0 / 4], 2);
    CHECK_EQ(mock.bar4[0x2d0 / 4], 3);
    CHECK_EQ(mock.channel[0].open_count, 2);
    mock_dma_finish(0, 0);
    mock_dma_finish(0, 0);
    mock_run();
    CHECK_EQ(mock.channel[0].open_count, mock.depth);
    CHECK_EQ(mock.channel[1].open_count, mock.depth);
    mock.mode = MOCK_DMA_LAZY;
    mock_run();
    for (unsigned queue = 0; queue < 3; queue++)
        CHECK_EQ(host_reply(queue, queue + 1), 0);
    CHECK_EQ(mock.bar4[0x2c0 / 4] | mock.bar4[0x2d0 / 4], 0);
    check_same(0x20000, 5);
}

static void shutdown_ends_running_and_waiting_transfers(void)
{
    struct plane plane;

    for (uint32_t finished = 0; finished < 5; finished++) {
        hold(&plane);
        for (uint32_t i = 0; i < finished; i++)
            if (!mock_dma_finish(i & 1, 0))
                mock_dma_finish(0, 0);
        mock_run();
        host_trans_buf(0, 4, HOST_UPLOAD, 0, 0, &plane, 1);
        host_message(0, 8, 0, 0, 2, 0);
        mock.mode = MOCK_DMA_LAZY;
        mock_run();
        CHECK_EQ(host_reply(0, 1), 6);
        CHECK_EQ(host_reply(0, 4), 6);
        CHECK_EQ(host_reply(1, 2), 6);
        CHECK_EQ(host_reply(2, 3), 6);
        for (unsigned queue = 0; queue < 3; queue++) {
            host_no_reply(queue);
            host_works(queue);
        }
    }
}

static void shutdown_of_a_process_leaves_the_others_alone(void)
{
    struct plane plane;
    uint32_t words[4], context;

    hold(&plane);
    mock.mode = MOCK_DMA_LAZY;
    mock_run();
    for (unsigned queue = 0; queue < 3; queue++)
        CHECK_EQ(host_reply(queue, queue + 1), 0);
    host_message(0, 9, 5, 0, 0, 77 << 8);
    CHECK(mock_receive(0, words));
    context = words[1];
    mock.mode = MOCK_DMA_HELD;
    host_trans_buf(0, 1, HOST_UPLOAD, context, 0, &plane, 1);
    host_trans_buf(1, 2, HOST_DOWNLOAD, 0, 0, &plane, 1);
    host_trans_buf(2, 3, HOST_UPLOAD, context, 0, &plane, 1);
    mock_dma_finish(0, 0);
    mock_run();
    host_message(2, 8, 0, 0, 1, 78);
    host_message(2, 8, 0, 0, 1, 77);
    mock.mode = MOCK_DMA_LAZY;
    mock_run();
    CHECK_EQ(host_reply(0, 1), 6);
    CHECK_EQ(host_reply(2, 3), 6);
    /* Its list was lost with the upload and is fetched again. */
    CHECK_EQ(host_reply(1, 2), 0);
    host_trans_buf(0, 6, HOST_UPLOAD, context, 0, &plane, 1);
    CHECK_EQ(host_reply(0, 6), 5);
}

static void random_transfers_on_all_queues_are_all_answered(void)
{
    uint32_t waiting[3] = {0}, id = 1, ids[3][64];

    mock.mode = MOCK_DMA_HELD;
    mock.depth = 2;
    mock_reset(0);
    for (uint32_t step = 0; step < 8000; step++) {
        unsigned queue = host_random(3);
        uint32_t at = host_random(0x8000), words[4];
        struct segment few[3];

        if (waiting[queue] < 12 && host_random(3) == 0) {
            uint32_t count = 1 + host_random(3);
            for (uint32_t i = 0; i < count; i++)
                few[i] = (struct segment){HOST_DATA + host_random(0x40000), 1 + host_random(3000)};
            struct plane plane = host_sgl(MOCK_HOST_BASE + at, few, count);
            if (host_random(5) == 0)
                host_put32(plane.sgl + 4 * host_random(5), host_random(100));
            id = id % 4000 + 1;
            ids[queue][waiting[queue]++] = id;
            host_trans_buf(queue, id, host_random(2) ? HOST_UPLOAD : HOST_DOWNLOAD, 0, host_random(0x1000),
                           &plane, 1);
        }
        mock_dma_finish(host_random(2), host_random(20) ? 0 : host_random(9));
        mock_run();
        while (mock_receive(queue, words)) {
            CHECK(waiting[queue] > 0);
            /* Refused messages overtake; transfers of one queue do not. */
            CHECK_EQ(words[0] >> 20, ids[queue][0]);
            waiting[queue]--;
            memmove(ids[queue], ids[queue] + 1, waiting[queue] * sizeof ids[0][0]);
        }
    }
    mock.mode = MOCK_DMA_LAZY;
    for (uint32_t i = 0; i < 4; i++)
        mock_event(15), mock_run();
    for (unsigned queue = 0; queue < 3; queue++)
        for (uint32_t i = 0; i < waiting[queue]; i++)
            host_reply(queue, ids[queue][i]);
}

const struct card_case card_transfer_cases[] = {
    CASE(every_number_of_planes_arrives_at_odd_addresses),
    CASE(lists_of_any_length_cross_the_pieces),
    CASE(the_user_area_can_be_filled_to_its_last_byte),
    CASE(a_list_crosses_4_gib_between_its_pieces),
    CASE(sixteen_transfers_of_a_queue_are_held),
    CASE(both_directions_run_at_once),
    CASE(shutdown_ends_running_and_waiting_transfers),
    CASE(shutdown_of_a_process_leaves_the_others_alone),
    CASE(random_transfers_on_all_queues_are_all_answered),
    {NULL, NULL},
};

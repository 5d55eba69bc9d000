/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test cases of the card's firmware, one a function; test_card_host.py runs each by its name. Without an
 * argument the program lists them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card_cases.h"
#include "card_host.h"

static void a_reset_card_shows_queues_and_information(void)
{
    mock_reset(4);
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00100006);
    CHECK_EQ(mock.bar0[0x41c / 4], 0x400003fc);
    CHECK_EQ(mock.bar0[0x47c / 4], 0x00010000);
    CHECK_EQ(mock.bar2[0x60c0 / 4], 0xbeefcafe);
    CHECK_EQ(mock.bar2[0x60c4 / 4], 6);
    CHECK_EQ(mock.bar2[0x60c8 / 4], 0x7000);
    for (uint32_t i = 0; i < 6; i++) {
        CHECK_EQ(mock_queue_word(i, 0), (i % 3) << 16 | i / 3);
        CHECK_EQ(mock_queue_word(i, 4), 0x7100 + 0x400 * i);
        CHECK_EQ(mock_queue_word(i, 8) | mock_queue_word(i, 12), 0);
        CHECK_EQ(mock_queue_word(i, 16), 64);
    }
    CHECK_EQ(mock.bar4[0x100 / 4], 1);
    CHECK(strncmp((char *)&mock.bar4[0x104 / 4], "vkbench card ", 13) == 0);
    CHECK(strcmp((char *)&mock.bar4[0x144 / 4], "vkbench endpoint 1") == 0);
    CHECK_EQ(mock.bar4[0x198 / 4], MOCK_STORE_BYTES >> 20);
    CHECK_EQ(mock.bar4[0x1a8 / 4], mock.bar4[0x1ac / 4] + 1);
    CHECK_EQ(mock.bar4[0x2b0 / 4], 2);
    CHECK_EQ(mock.bar4[0x2b4 / 4], 16);
    CHECK_EQ(mock.irqs[0] + mock.irqs[1] + mock.irqs[2] + mock.irqs[3], 0);
}

static void the_driver_can_load_both_images(void)
{
    mock_reset(0x11);
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00010006);
    CHECK_EQ(mock.bar0[0x41c / 4], 0x10000000);
    CHECK_EQ(mock.bar2[0x60c0 / 4], 0);
    mock.bar0[0x400 / 4] = 1;
    mock_event(0x20);
    mock_run();
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00010006);
    mock.bar0[0x400 / 4] = 0x00400001;
    mock_event(0x20);
    mock_run();
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00020006);
    CHECK_EQ(mock.bar2[0x60c0 / 4], 0);

    host_fill(MOCK_HOST_BASE + 0x1001, 0x40000);
    mock.mode = MOCK_DMA_HELD;
    mock.bar2[0x61e0 / 4] = (uint32_t)((MOCK_HOST_BASE + 0x1001) >> 32);
    mock.bar2[0x61e4 / 4] = (uint32_t)(MOCK_HOST_BASE + 0x1001);
    mock.bar2[0x61e8 / 4] = 0x40000;
    mock.bar0[0x408 / 4] = 0x60000000;
    mock_event(0x40);
    mock_run();
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00020006);
    CHECK(mock_dma_finish(0, 0));
    mock_run();
    CHECK(memcmp(mock.store, host_at(MOCK_HOST_BASE + 0x1001), 0x40000) == 0);
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00100006);
    CHECK_EQ(mock.bar0[0x408 / 4], 0x60000000);
    CHECK_EQ(mock.bar0[0x41c / 4], 0x100003fc);
    CHECK_EQ(mock.bar2[0x60c0 / 4], 0xbeefcafe);
    mock.mode = MOCK_DMA_LAZY;
    host_works(1);
}

static void an_image_that_says_so_comes_in_pieces(void)
{
    const uint32_t piece = 0x10000, length = 2 * piece + 100;

    mock_reset(0x10);
    mock.bar0[0x400 / 4] = 0x00400001;
    mock_event(0x20);
    mock_run();
    mock.bar2[0x61e0 / 4] = (uint32_t)(MOCK_HOST_BASE >> 32);
    mock.bar2[0x61e4 / 4] = (uint32_t)MOCK_HOST_BASE;
    mock.bar2[0x61e8 / 4] = piece;
    for (uint32_t done = 0; done < length; done += piece) {
        CHECK_EQ(mock.bar0[0x404 / 4], 0x00020006);
        CHECK_EQ(mock.bar0[0x408 / 4], 0);
        host_fill(MOCK_HOST_BASE, piece);
        if (done == 0) {
            host_put32(MOCK_HOST_BASE, 0x32424b56);
            host_put32(MOCK_HOST_BASE + 4, length);
        }
        mock.bar0[0x408 / 4] = 0x60000000;
        mock_event(0x40);
        mock_run();
        CHECK(memcmp(mock.store + done, mock.host, piece) == 0);
    }
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00100006);
    CHECK_EQ(mock.channel[0].descriptors, 3);
}

/* BOOT_STATUS after a boot 2 download from a buffer whose first words are these. */
static uint32_t boot2(uint64_t buffer, uint32_t bytes, uint32_t magic, uint32_t length, uint32_t code)
{
    mock_reset(0x10);
    mock.fault_after[0] = code != 0;
    mock.fault_code[0] = code;
    host_put32(MOCK_HOST_BASE, magic);
    host_put32(MOCK_HOST_BASE + 4, length);
    mock.bar0[0x400 / 4] = 0x00400001;
    mock.bar2[0x61e0 / 4] = (uint32_t)(buffer >> 32);
    mock.bar2[0x61e4 / 4] = (uint32_t)buffer;
    mock.bar2[0x61e8 / 4] = bytes;
    mock.bar0[0x408 / 4] = 0x60000000;
    mock_event(0x60);
    mock_run();
    mock_event(0x60);
    mock_run();
    CHECK_EQ(mock.bar2[0x60c0 / 4] == 0xbeefcafe, mock.bar0[0x404 / 4] == 0x00100006);
    return mock.bar0[0x404 / 4];
}

static void a_boot_that_cannot_be_ends_in_an_error(void)
{
    CHECK_EQ(boot2(MOCK_HOST_BASE, 64, 0, 0, 0), 0x00100006);
    CHECK_EQ(boot2(MOCK_HOST_BASE, MOCK_USER_BYTES, 0x32424b56, MOCK_USER_BYTES, 0), 0x00100006);
    CHECK_EQ(boot2(MOCK_HOST_BASE, 0, 0, 0, 0), 0x00020016);
    CHECK_EQ(boot2(MOCK_HOST_BASE, MOCK_USER_BYTES + 1, 0, 0, 0), 0x00020016);
    CHECK_EQ(boot2(MOCK_HOST_BASE, UINT32_MAX, 0, 0, 0), 0x00020016);
    CHECK_EQ(boot2(UINT64_MAX - 10, 64, 0, 0, 0), 0x00020016);
    CHECK_EQ(boot2(MOCK_HOST_BASE, 64, 0, 0, 6), 0x00020026);
    CHECK_EQ(boot2(0x1000, 64, 0, 0, 0), 0x00020026);
    CHECK_EQ(boot2(MOCK_HOST_BASE, 64, 0x32424b56, MOCK_USER_BYTES + 1, 0), 0x00020036);
}

static void boot_handshakes_are_ignored_by_a_running_card(void)
{
    mock_reset(1);
    mock.bar0[0x400 / 4] = 0x00400001;
    mock.bar0[0x408 / 4] = 0x60000000;
    mock_event(0x60);
    mock_run();
    CHECK_EQ(mock.bar0[0x404 / 4], 0x00100006);
    CHECK_EQ(mock.channel[0].descriptors, 0);
}

static void uptime_counts_from_what_the_host_wrote(void)
{
    mock_reset(0);
    for (uint32_t i = 1; i <= 3; i++) {
        mock_event(8);
        mock_run();
        CHECK_EQ(mock.bar0[0x444 / 4], i);
    }
    mock.bar0[0x444 / 4] = 0;
    mock_event(8);
    mock_run();
    CHECK_EQ(mock.bar0[0x444 / 4], 1);
}

static void lab(uint32_t command)
{
    mock.lab_command = command;
    mock_event(0x80);
    mock_run();
}

static void the_lab_commands_alerts_and_ends(void)
{
    mock_reset(0);
    lab(0x10401);
    CHECK_EQ(mock.bar0[0x464 / 4], 0x401);
    CHECK_EQ(mock.bar0[0x468 / 4], 0x10a);
    CHECK_EQ(mock.irqs[3], 1);
    mock.errors = 0x20;
    lab(0x10000);
    CHECK_EQ(mock.bar0[0x464 / 4], 0x20);
    CHECK_EQ(mock.bar0[0x468 / 4], 0);
    CHECK_EQ(mock.irqs[3], 2);
    lab(0x40000);
    mock_event(8);
    mock_run();
    CHECK_EQ(mock.bar0[0x444 / 4], 0);
    lab(0x40001);
    mock_event(8);
    mock_run();
    CHECK_EQ(mock.bar0[0x444 / 4], 1);
    lab(0x50001);
    lab(0x120000);
    CHECK(!mock.hung && !mock.trapped);
    lab(0x20000);
    CHECK(mock.hung && !mock.trapped);
    lab(0x30000);
    CHECK(mock.trapped);
}

static const struct card_case cases[] = {
    CASE(a_reset_card_shows_queues_and_information),
    CASE(the_driver_can_load_both_images),
    CASE(an_image_that_says_so_comes_in_pieces),
    CASE(a_boot_that_cannot_be_ends_in_an_error),
    CASE(boot_handshakes_are_ignored_by_a_running_card),
    CASE(uptime_counts_from_what_the_host_wrote),
    CASE(the_lab_commands_alerts_and_ends),
    {NULL, NULL},
};

static int run(const struct card_case *table, const char *name)
{
    int found = 0;

    for (; table->name; table++) {
        if (!name) {
            puts(table->name);
        } else if (strcmp(name, table->name) == 0) {
            table->run();
            found = 1;
        }
    }
    return found;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (argc > 2)
        host_seed = (uint32_t)strtoul(argv[2], NULL, 10) | 1u;
    mock.mode = MOCK_DMA_LAZY;
    return !(run(cases, name) + run(card_transfer_cases, name) + run(card_refusal_cases, name) +
             run(card_message_cases, name)) &&
           name;
}

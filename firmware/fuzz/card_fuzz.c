/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile host against the whole firmware: the input is a script of what it does to queue memory, lists,
 * registers and DMA completions. The mock (firmware/tests/card_mock.h) ends the program at anything the
 * card must never do; at the end of the script every queue must still answer.
 *
 * With -DFUZZ_REPLAY: a main() that runs the files named on its command line; no clang needed.
 */
#include <stdlib.h>
#include <string.h>

#include "card_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *at, *end;
} script;

static uint32_t take8(void)
{
    return script.at == script.end ? 0 : *script.at++;
}

static uint32_t take16(void)
{
    uint32_t low = take8();

    return low | take8() << 8;
}

/* Small numbers, limits and their neighbours are likelier to be right than four random bytes. */
static uint32_t take32(void)
{
    static const uint32_t limits[] = {
        0, 1, 20, 64, 0x1000, 0x1000000, MOCK_USER_BYTES, MOCK_STORE_BYTES, 0x7fffffff, UINT32_MAX,
    };
    uint32_t kind = take8();

    if (kind < 0x80)
        return kind;
    if (kind < 0xc0)
        return limits[kind % (sizeof limits / sizeof limits[0])] + (kind & 1 ? 0 : take8() - 128);
    return kind < 0xe0 ? take16() : take16() | take16() << 16;
}

static uint64_t take_address(void)
{
    uint32_t kind = take8();

    if (kind < 0xe0)
        return MOCK_HOST_BASE + (kind << 12 | take16() >> 4);
    return kind < 0xf0 ? UINT64_MAX - take16() : (uint64_t)take32() << 32 | take32();
}

static void raw_message(void)
{
    uint32_t words[24] = {0}, queue = take8() % MOCK_QUEUES, blocks = 1 + take8() % 6;

    words[0] = take32();
    for (uint32_t i = 1; i < 4 * blocks; i++)
        words[i] = take32();
    mock_send(queue, words, blocks);
}

/* A list near the truth: flags say which part is a lie. */
static struct plane list(void)
{
    uint64_t at = MOCK_HOST_BASE + 0x80000 + take16() % 0x7000;
    uint32_t count = take8(), lies = take8(), total = 0, bytes;

    if (lies & 0x40)
        count = 60 + count % 12;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t address = MOCK_HOST_BASE + 0x1000 * (i % 32) + i;
        bytes = 1 + i * 7 % 50;
        if ((lies & 1) && i == count / 2) {
            bytes = take32();
            address = take_address();
        }
        host_put32(at + 8 + 12 * i, bytes);
        host_put32(at + 12 + 12 * i, (uint32_t)address);
        host_put32(at + 16 + 12 * i, (uint32_t)(address >> 32));
        total += bytes;
    }
    host_put32(at, lies & 2 ? take32() : count);
    host_put32(at + 4, lies & 4 ? take32() : total);
    bytes = lies & 8 ? take32() : 8 + 12 * count;
    return (struct plane){lies & 16 ? take_address() : at, bytes};
}

static void trans_buf(void)
{
    struct plane planes[16];
    uint32_t queue = take8() % MOCK_QUEUES, shape = take8(), context = 0, store = take16(), count = shape & 3;
    uint32_t command = shape & 32 ? HOST_DOWNLOAD : HOST_UPLOAD;

    count = shape & 4 ? take8() % 16 : count + 1;
    if (shape & 8)
        context = take32();
    if (shape & 16)
        store = take32();
    for (uint32_t i = 0; i < count; i++)
        planes[i] = i < 4 ? list() : planes[0];
    host_trans_buf(queue, take16() & 0xfff, command, context, store, planes, count);
}

static void finish_dma(void)
{
    uint32_t what = take8(), code = what & 0x40 ? take8() % 9 : 0;

    for (uint32_t i = 0; i <= what % 32; i++) {
        mock_dma_finish(what >> 7, code);
        mock_run();
    }
}

static void hand_shake(void)
{
    static const uint16_t offsets[] = {0x61e0, 0x61e4, 0x61e8};
    uint32_t what = take8();

    if (what < 0x60) {
        mock.bar0[0x400 / 4] = what & 1 ? 0x00400001 : take32();
        mock_event(0x20);
    } else if (what < 0xc0) {
        mock.bar0[0x408 / 4] = what & 1 ? 0x60000000 : take32();
        mock_event(0x40);
    } else if (what & 1) {
        uint64_t address = MOCK_HOST_BASE + 0x1001 * (take8() % 128);
        host_put32(address, what & 2 ? 0x32424b56 : 0);
        host_put32(address + 4, take32());
        mock.bar2[0x61e0 / 4] = (uint32_t)(address >> 32);
        mock.bar2[0x61e4 / 4] = (uint32_t)address;
        mock.bar2[0x61e8 / 4] = take16();
    } else {
        mock.bar2[offsets[what % 3] / 4] = take32();
    }
}

static void act(void)
{
    uint32_t what = take8(), words[4], value;

    switch (what % 16) {
    case 0:
        raw_message();
        break;
    case 1:
    case 2:
    case 3:
        trans_buf();
        break;
    case 4:  /* a word of a descriptor */
        value = 0x7000 + 4 * (take8() % 48);
        mock_host_write(value, take32());
        mock_event(what >> 5);
        break;
    case 5:  /* any word of queue memory */
        value = 0x7000 + 4 * (take16() % 0x800);
        mock_host_write(value, take32());
        mock_event(what >> 5);
        break;
    case 6:  /* the peer log's indices and all else in BAR 4 */
        value = take16() % 0x400;
        mock.bar4[value] = take32();
        break;
    case 7:
        mock_event(take8());
        break;
    case 8:
    case 9:
        finish_dma();
        break;
    case 10:
        for (value = take8(); value && mock_receive(what >> 4 & 1, words); value--)
            ;
        break;
    case 11:
        mock.lab_command = (what >> 4) << 16 | take16();
        mock_event(0x80);
        break;
    case 12:
        hand_shake();
        break;
    case 13:
        host_message(what >> 6 & 1, 9, 1, what & 0x10 ? take32() : 0, 0, take32());
        break;
    case 14:
        host_message(what >> 6 & 1, 8, 0, 0, what & 0x10 ? take32() : 1 + (what >> 5 & 1), take32());
        break;
    case 15:  /* while the firmware reads */
        mock.race_after = 1 + take8();
        mock.race_offset = 0x7000 + 4 * (take16() % 0x800);
        mock.race_value = take32();
        break;
    }
    mock_run();
}

/* With a host that keeps the rules again, each queue must answer an INIT. */
static void check_alive(void)
{
    uint32_t words[4], found = 0;

    mock.race_after = 0;
    mock.mode = MOCK_DMA_LAZY;
    for (unsigned queue = 0; queue < MOCK_QUEUES; queue++) {
        mock_host_write(0x7000 + 32 * queue + 0xc, mock_queue_word(queue, 0xc) % MOCK_BLOCKS);
        mock_host_write(0x7000 + 32 * (3 + queue) + 8, mock_queue_word(3 + queue, 8) % MOCK_BLOCKS);
        mock_host_write(0x7000 + 32 * (3 + queue) + 0xc, mock_queue_word(3 + queue, 0xc) % MOCK_BLOCKS);
    }
    mock_event(0xf);
    mock_run();
    for (uint32_t round = 0; round < 80; round++) {
        for (unsigned queue = 0; queue < MOCK_QUEUES; queue++)
            for (uint32_t i = 0; i < MOCK_BLOCKS && mock_receive(queue, words); i++)
                ;
        mock_event(0xf);
        mock_run();
    }
    for (unsigned queue = 0; queue < MOCK_QUEUES; queue++) {
        mock.host_wr[queue] = mock_queue_word(queue, 0xc);
        host_message(queue, 9, 0xf00 + queue, 0, 0, 0);
        /* A ring that the host had made look full gets its room from the first round. */
        for (uint32_t round = 0; round < 2; round++) {
            while (mock_receive(queue, words))
                found += words[0] >> 20 == 0xf00 + queue;
            mock_event(8);
            mock_run();
        }
    }
    if (mock.bar0[0x404 / 4] == 0x00100006 && found != MOCK_QUEUES)
        mock_violation("%u of the queues answer", found);
    if (mock.channel[0].open_count || mock.channel[1].open_count)
        mock_violation("DMA without an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t setup;

    script.at = data;
    script.end = data + size;
    setup = take8();
    mock.mode = (enum mock_dma_mode)(setup % 3);
    mock.depth = 1 + (setup >> 2) % 4;
    mock_reset(setup & 0x80 ? 0x14 : 4);
    for (uint32_t acts = 0; script.at != script.end && acts < 200; acts++)
        act();
    check_alive();
    return 0;
}

#ifdef FUZZ_REPLAY
#include <stdio.h>

int main(int argc, char **argv)
{
    static uint8_t data[1 << 16];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t size;
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        size = fread(data, 1, sizeof data, file);
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
#endif

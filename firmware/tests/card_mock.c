/* SPDX-License-Identifier: Apache-2.0 */
/* The card's surroundings on the host: see card_mock.h. */
#include "card_mock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "card.h"
#include "mmio.h"
#include "vkbench_regs.h"

struct mock mock;

#define TRIPLES (1u << 17)
#define TURNS_MAX 200000u

/* {bytes, address} that the host has named: planes in its messages, entries in the SGLs that were fetched. */
struct triple {
    uint32_t words[3];
    bool used;
};

struct triples {
    struct triple slots[TRIPLES];
    uint32_t list[TRIPLES];
    uint32_t count;
};

static struct triples planes, entries;

_Noreturn void mock_violation(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("violation: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void card_hang(void)
{
    mock.hung = true;
}

void card_trap(void)
{
    mock.trapped = true;
}

static struct triple *find(struct triples *set, const uint32_t words[3])
{
    uint32_t at = (words[0] * 2654435761u ^ words[1] * 2246822519u ^ words[2] * 3266489917u) % TRIPLES;

    while (set->slots[at].used && memcmp(set->slots[at].words, words, 12) != 0)
        at = (at + 1) % TRIPLES;
    return &set->slots[at];
}

static void add(struct triples *set, const uint32_t words[3])
{
    struct triple *slot = find(set, words);

    if (slot->used)
        return;
    if (set->count == TRIPLES / 2)
        mock_violation("the mock's own table is full");
    memcpy(slot->words, words, 12);
    slot->used = true;
    set->list[set->count++] = (uint32_t)(slot - set->slots);
}

static void forget(struct triples *set)
{
    while (set->count)
        set->slots[set->list[--set->count]].used = false;
}

static uint64_t address_of(const uint32_t words[3])
{
    return (uint64_t)words[2] << 32 | words[1];
}

/* Whether [host, host + bytes) lies in a plane of a message. */
static bool in_a_plane(uint64_t host, uint32_t bytes)
{
    for (uint32_t i = 0; i < planes.count; i++) {
        const uint32_t *words = planes.slots[planes.list[i]].words;
        uint64_t start = address_of(words);
        if (host >= start && host - start <= words[0] && bytes <= words[0] - (host - start))
            return true;
    }
    return false;
}

/* What makes a descriptor legal, whatever the firmware thought. */
static void judge(unsigned channel, const struct mock_descriptor *descriptor)
{
    uint64_t end = (uint64_t)descriptor->store + descriptor->bytes;
    uint32_t triple[3] = {descriptor->bytes, (uint32_t)descriptor->host, (uint32_t)(descriptor->host >> 32)};
    const uint32_t *buffer = &mock.bar2[VK_BAR1_DMA_BUF_HI_OFFSET / 4];
    unsigned long long host = descriptor->host;

    if (descriptor->bytes == 0)
        mock_violation("descriptor of zero bytes");
    if (descriptor->host + (descriptor->bytes - 1) < descriptor->host)
        mock_violation("descriptor wraps: %llx + %x", host, descriptor->bytes);
    if (channel == 0 && descriptor->store >= MOCK_SGL_STORE) {
        if (end > MOCK_STORE_BYTES)
            mock_violation("SGL beyond card memory: %x + %x", descriptor->store, descriptor->bytes);
        if (!in_a_plane(descriptor->host, descriptor->bytes))
            mock_violation("SGL read that no message names: %llx + %x", host, descriptor->bytes);
        return;
    }
    if (end > MOCK_USER_BYTES)
        mock_violation("data outside the user area: %x + %x", descriptor->store, descriptor->bytes);
    if (find(&entries, triple)->used)
        return;
    if (channel == 0 && (mock.boot & VK_CARD_BOOT_ROM_MASK) && buffer[0] == triple[2] &&
        buffer[1] == triple[1] && buffer[2] == triple[0])
        return;
    mock_violation("DMA that no SGL names: %llx + %x", host, descriptor->bytes);
}

static bool in_host(uint64_t host, uint32_t bytes)
{
    return host >= MOCK_HOST_BASE && host - MOCK_HOST_BASE <= MOCK_HOST_BYTES &&
           bytes <= MOCK_HOST_BYTES - (host - MOCK_HOST_BASE);
}

static void move(unsigned channel, const struct mock_descriptor *descriptor)
{
    uint8_t *store = mock.store + descriptor->store, *host = mock.host + (descriptor->host - MOCK_HOST_BASE);

    if (channel == 1) {
        memcpy(host, store, descriptor->bytes);
        return;
    }
    memcpy(store, host, descriptor->bytes);
    if (descriptor->store < MOCK_SGL_STORE)
        return;
    for (uint32_t at = 0; at + 12 <= descriptor->bytes; at += 4) {
        uint32_t words[3];
        memcpy(words, store + at, 12);
        add(&entries, words);
    }
}

bool mock_dma_finish(unsigned number, uint32_t code)
{
    struct mock_channel *channel = &mock.channel[number];
    struct mock_descriptor descriptor = channel->open[0];

    if (channel->open_count == 0)
        return false;
    channel->open_count--;
    memmove(channel->open, channel->open + 1, channel->open_count * sizeof channel->open[0]);
    if (mock.fault_after[number] && --mock.fault_after[number] == 0)
        code = mock.fault_code[number];
    if (code == 0 && !in_host(descriptor.host, descriptor.bytes))
        code = 1;
    if (code == 0)
        move(number, &descriptor);
    if (channel->result_count == 15)
        mock_violation("results of channel %u are not taken", number);
    channel->results[channel->result_count++] = (uint8_t)code;
    mock.events |= VK_CARD_EVENTS_DMA_MASK;
    return true;
}

static void queue_descriptor(unsigned number, uint32_t bytes)
{
    struct mock_channel *channel = &mock.channel[number];
    struct mock_descriptor descriptor = {
        (uint64_t)channel->latch[1] << 32 | channel->latch[0], channel->latch[2], bytes};

    if (channel->open_count >= mock.depth)
        mock_violation("descriptor into the full channel %u", number);
    judge(number, &descriptor);
    channel->open[channel->open_count++] = descriptor;
    channel->descriptors++;
    channel->bytes += bytes;
    if (mock.mode == MOCK_DMA_AT_ONCE)
        mock_dma_finish(number, 0);
}

static uint32_t read_channel(unsigned number, uint32_t offset)
{
    struct mock_channel *channel = &mock.channel[number];
    uint32_t result;

    if (offset == VK_CARD_READER_STATUS_OFFSET)
        return (channel->open_count >= mock.depth) | channel->result_count << 4 | channel->open_count << 8;
    if (offset != VK_CARD_READER_RESULT_OFFSET)
        mock_violation("read of DMA register %x", offset);
    if (channel->result_count == 0)
        return 0;
    result = channel->results[0] | VK_CARD_READER_RESULT_VALID_MASK;
    memmove(channel->results, channel->results + 1, --channel->result_count);
    return result;
}

static void write_channel(unsigned number, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case VK_CARD_READER_HOST_LO_OFFSET:
    case VK_CARD_READER_HOST_HI_OFFSET:
    case VK_CARD_READER_STORE_OFFSET:
        mock.channel[number].latch[(offset - VK_CARD_READER_HOST_LO_OFFSET) / 4] = value;
        break;
    case VK_CARD_READER_BYTES_OFFSET:
        queue_descriptor(number, value);
        break;
    case VK_CARD_READER_CONTROL_OFFSET:
        while (value == 1 && mock_dma_finish(number, 7))
            ;
        break;
    default:
        mock_violation("write of DMA register %x", offset);
    }
}

/* The same register of the reader. */
#define READER(offset) (VK_CARD_READER_HOST_LO_OFFSET + (offset) % 0x20)

static bool is_channel(uint32_t offset)
{
    return offset >= VK_CARD_READER_HOST_LO_OFFSET && offset < VK_CARD_DMA_MODE_OFFSET;
}

static uint32_t read_card(uint32_t offset)
{
    if (is_channel(offset))
        return read_channel(offset >= VK_CARD_WRITER_HOST_LO_OFFSET, READER(offset));
    switch (offset) {
    case VK_CARD_EVENTS_OFFSET:
        return mock.events;
    case VK_CARD_BOOT_OFFSET:
        return mock.boot;
    case VK_CARD_CLK_HZ_OFFSET:
        return 2500000;
    case VK_CARD_STORE_BYTES_OFFSET:
        return MOCK_STORE_BYTES;
    case VK_CARD_LAB_COMMAND_OFFSET:
        return mock.lab_command;
    case VK_CARD_ERRORS_OFFSET:
        return mock.errors;
    default:
        mock_violation("read of card register %x", offset);
    }
}

static void write_card(uint32_t offset, uint32_t value)
{
    if (is_channel(offset)) {
        write_channel(offset >= VK_CARD_WRITER_HOST_LO_OFFSET, READER(offset), value);
        return;
    }
    switch (offset) {
    case VK_CARD_EVENTS_OFFSET:
        mock.events &= ~value;
        break;
    case VK_CARD_MASK_OFFSET:
        mock.mask = value;
        break;
    case VK_CARD_CONTROL_OFFSET:
        mock.control = value;
        break;
    case VK_CARD_IRQ_OFFSET:
        if (value > 3)
            mock_violation("vector %u: the driver has no handler", value);
        mock.irqs[value]++;
        break;
    default:
        mock_violation("write of card register %x", offset);
    }
}

static bool bar0_writable(uint32_t offset)
{
    static const uint16_t writable[] = {0x400, 0x404, 0x408, 0x410, 0x41c, 0x420, 0x444, 0x448,
                                        0x45c, 0x460, 0x464, 0x468, 0x46c, 0x47c};

    for (size_t i = 0; i < sizeof writable / sizeof writable[0]; i++)
        if (writable[i] == offset)
            return true;
    return false;
}

static bool bar2_writable(uint32_t offset)
{
    return offset == 0x60c0 || offset == 0x60c4 || offset == 0x60c8 || offset == 0x61b0 || offset == 0x6170 ||
           (offset >= 0x7000 && offset < 0x9000);
}

uint32_t mmio_read32(uint32_t address)
{
    uint32_t offset = address & 0xffff, value;

    if (mock.race_after && --mock.race_after == 0)
        mock_host_write(mock.race_offset, mock.race_value);
    if (address & 3)
        mock_violation("unaligned read at %x", address);
    if (address >> 16 == 0x1000)
        return read_card(offset);
    if (address >> 16 == 0x2000 && offset < sizeof mock.bar0)
        return mock.bar0[offset / 4];
    if (address >> 16 == 0x2001)
        return mock.bar2[offset / 4];
    if (address >> 16 == 0x2002 && offset < sizeof mock.bar4)
        return mock.bar4[offset / 4];
    if (address - 0x30000000 > MOCK_STORE_BYTES - 4)
        mock_violation("read at %x", address);
    memcpy(&value, mock.store + (address - 0x30000000), 4);
    return value;
}

void mmio_write32(uint32_t address, uint32_t value)
{
    uint32_t offset = address & 0xffff;

    if (address & 3)
        mock_violation("unaligned write at %x", address);
    if (address >> 16 == 0x1000)
        write_card(offset, value);
    else if (address >> 16 == 0x2000 && bar0_writable(offset))
        mock.bar0[offset / 4] = value;
    else if (address >> 16 == 0x2001 && bar2_writable(offset))
        mock.bar2[offset / 4] = value;
    else if (address >> 16 == 0x2002 && offset < sizeof mock.bar4)
        mock.bar4[offset / 4] = value;
    else
        mock_violation("write of %x at %x", value, address);
}

void mock_reset(uint32_t boot)
{
    uint8_t *store = mock.store, *host = mock.host;
    enum mock_dma_mode mode = mock.mode;
    uint32_t depth = mock.depth ? mock.depth : 2;

    if (!store && (!(store = malloc(MOCK_STORE_BYTES)) || !(host = malloc(MOCK_HOST_BYTES))))
        abort();
    if (!mock.host)
        memset(host, 0, MOCK_HOST_BYTES);
    memset(store, 0, MOCK_STORE_BYTES);
    forget(&planes);
    forget(&entries);
    mock = (struct mock){.store = store, .host = host, .boot = boot, .mode = mode, .depth = depth};
    card_start();
    if (mock.control != VK_CARD_CONTROL_READY_MASK)
        mock_violation("not ready after the start");
    mock_run();
}

void mock_event(uint32_t events)
{
    mock.events |= events;
}

void mock_run(void)
{
    uint32_t turns = 0;
    bool busy = false;

    for (;;) {
        if (!busy && !(mock.events & mock.mask) &&
            (mock.mode != MOCK_DMA_LAZY || (!mock_dma_finish(0, 0) && !mock_dma_finish(1, 0))))
            return;
        busy = card_turn(mock.events);
        if (++turns == TURNS_MAX)
            mock_violation("no end of work");
    }
}

static void note_planes(uint32_t offset)
{
    /* The word that was written may be any of the three of a plane, also across the end of a ring. */
    uint32_t ring = 0x7100 + (offset - 0x7100) / 0x400 * 0x400;

    if (offset < 0x7100 || offset >= 0x7100 + MOCK_QUEUES * 0x400)
        return;
    for (uint32_t back = 0; back < 3; back++) {
        uint32_t words[3];
        for (uint32_t i = 0; i < 3; i++)
            words[i] = mock.bar2[(ring + ((offset - ring - 4 * back + 4 * i) & 0x3ff)) / 4];
        add(&planes, words);
    }
}

void mock_host_write(uint32_t offset, uint32_t value)
{
    mock.bar2[offset / 4] = value;
    note_planes(offset);
}

uint32_t mock_queue_word(unsigned descriptor, uint32_t offset)
{
    return mock.bar2[(0x7000 + 32 * descriptor + offset) / 4];
}

void mock_send(unsigned queue, const uint32_t *words, uint32_t blocks)
{
    uint32_t wr = mock.host_wr[queue] % MOCK_BLOCKS;

    for (uint32_t i = 0; i < 4 * blocks; i++)
        mock_host_write(0x7100 + 0x400 * queue + (16 * wr + 4 * i) % 0x400, words[i]);
    mock.host_wr[queue] = (wr + blocks) % MOCK_BLOCKS;
    mock_host_write(0x7000 + 32 * queue + 0xc, mock.host_wr[queue]);
    mock_event(1u << queue);
}

bool mock_receive(unsigned queue, uint32_t words[4])
{
    uint32_t descriptor = 0x7000 + 32 * (MOCK_QUEUES + queue), rd = mock.bar2[(descriptor + 8) / 4];

    if (rd == mock.bar2[(descriptor + 0xc) / 4])
        return false;
    memcpy(words, &mock.bar2[(0x7100 + 0x400 * (MOCK_QUEUES + queue) + 16 * (rd % MOCK_BLOCKS)) / 4], 16);
    mock.bar2[(descriptor + 8) / 4] = (rd + 1) % MOCK_BLOCKS;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The analyser's commands on the host: a mock of hal.h, and a main() that answers stdin on stdout.
 * A line that begins with '!' drives the mock: "!state N", "!lab N" (0: the lab bus is dead), "!blind MASK",
 * "!built N" (1: the card is a test build with seeded defects), "!command" (prints the last lab COMMAND).
 * With an argument "fuzz SEED LINES" it makes its own input and only checks that nothing breaks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_layout.h"
#include "commands.h"
#include "hal.h"
#include "vkbench_regs.h"

#define DEPTH 1024u

static struct {
    enum hal_state state;
    uint32_t count, pretrigger, source, injected, blind;
    size_t text_length;
    char text[CAPTURE_TRIGGER_TEXT_MAX];
    uint64_t time, trigger_time;
    bool lab_alive, quiet;
    uint32_t lab[64];
    unsigned long answer_bytes;
} mock = {.lab_alive = true};

void hal_send(char byte)
{
    mock.answer_bytes++;
    if (!mock.quiet)
        putchar(byte);
}

uint32_t hal_clock_hz(void)
{
    return 2500000;
}

void hal_build_id(uint32_t words[4])
{
    for (uint32_t i = 0; i < 4; i++)
        words[i] = 0xa0000000u + i;
}

uint32_t hal_depth(void)
{
    return DEPTH;
}

enum hal_state hal_state(void)
{
    return mock.state;
}

void hal_arm(uint32_t pretrigger)
{
    if (pretrigger >= DEPTH)
        abort();
    mock.pretrigger = pretrigger;
    mock.state = HAL_ARMED;
    mock.count = 0;
    mock.trigger_time = 0;
}

void hal_stop(void)
{
    if (mock.state == HAL_ARMED || mock.state == HAL_TRIGGERED)
        mock.state = HAL_DONE;
}

void hal_reset(void)
{
    mock.state = HAL_IDLE;
    mock.count = 0;
}

void hal_trigger(void)
{
    if (mock.state != HAL_ARMED)
        abort();
    mock.state = HAL_TRIGGERED;
    mock.trigger_time = ++mock.time;
    mock.count = 3;
}

void hal_set_trigger(uint32_t source, const char *text, size_t length)
{
    if (source >= TRIGGER_IMMEDIATE || length > CAPTURE_TRIGGER_TEXT_MAX)
        abort();
    mock.source = source;
    mock.text_length = length;
    memcpy(mock.text, text, length);
}

uint64_t hal_trigger_time(void)
{
    return mock.trigger_time;
}

uint32_t hal_count(void)
{
    return mock.count;
}

void hal_move(uint32_t first, uint32_t count)
{
    if (first > mock.count || count > mock.count - first)
        abort();
    for (uint32_t i = 0; i < count * CAPTURE_RECORD_BYTES; i++)
        hal_send('.');
}

void hal_mark(uint32_t number)
{
    (void)number;
    if (mock.state == HAL_IDLE)
        abort();
}

void hal_snapshot(void)
{
    mock.time += 5;
}

uint64_t hal_time(void)
{
    return mock.time;
}

uint64_t hal_lost(void)
{
    return 0x100000000ull;
}

void hal_stat(uint32_t stat_class, struct hal_stat *stat)
{
    if (stat_class >= STAT_COUNT)
        abort();
    *stat = (struct hal_stat){stat_class, 1, 18446744073709551615ull, 10};
}

void hal_inject(uint32_t taps)
{
    if (mock.state != HAL_ARMED || mock.source != TRIGGER_NONE)
        abort();
    mock.injected = taps & ~mock.blind;
    mock.count = 0;
    for (uint32_t bits = mock.injected; bits; bits &= bits - 1)
        mock.count++;
}

void hal_peek(uint32_t index, struct hal_record *record)
{
    uint32_t bits = mock.injected, tap = 0;

    memset(record, 0, sizeof *record);
    for (; index; index--)
        bits &= bits - 1;
    while (!(bits >> tap & 1))
        tap++;
    record->words[2] = (tap + 1) | FLAG_SELFTEST << 8;
    record->words[3] = 0x5e1f7e57;
}

bool hal_lab_read(uint32_t offset, uint32_t *value)
{
    *value = mock.lab_alive ? mock.lab[offset / 4] : UINT32_MAX;
    return mock.lab_alive;
}

bool hal_lab_write(uint32_t offset, uint32_t value)
{
    if (mock.lab_alive)
        mock.lab[offset / 4] = value;
    return mock.lab_alive;
}

static void drive(const char *line)
{
    unsigned value = 0;

    if (sscanf(line, "!state %u", &value) == 1)
        mock.state = (enum hal_state)value;
    else if (sscanf(line, "!lab %u", &value) == 1)
        mock.lab_alive = value != 0;
    else if (sscanf(line, "!blind %u", &value) == 1)
        mock.blind = value;
    else if (sscanf(line, "!built %u", &value) == 1)
        mock.lab[VK_LAB_FAULTS_BUILT_OFFSET / 4] = value;
    else if (strcmp(line, "!command") == 0)
        printf("%x\n", mock.lab[VK_LAB_COMMAND_OFFSET / 4]);
}

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

static void fuzz(uint32_t seed, unsigned long lines)
{
    static const char *const pieces[] = {
        "*IDN?", "*RST", "*CLS", "*ESE ", "*TST?", "*STB?", "SYST", "SYSTem", ":", "ERR", "?", ";", ",",
        " ", "\t", "TRIG", "trigger", "SOUR ", "CONS", "CONSole", "DOOR", "FLR", "BME", "NONE", "TEXT ",
        "\"", "'", "IMM", "TIME?", "CAPT", "CAPTure", "ARM", "STOP", "STAT?", "DATA? ", "COUN?", "LOST?",
        "PRET ", "DEPT?", "STATistics", "CLAS? ", "ALL?", "MARK ", "DUT", "DMA", "PER ", "LEN ", "MODE ",
        "READ", "WRIT", "STAT ", "ON", "OFF", "INT ", "COMP?", "ADDR?", "FAUL", "FAULt ", "CAT?", "SLIP",
        "BOOT ", "ROM", "ALER ", "HANG", "TRAP", "HEAR ", "0", "1", "3", "-1",
        "99999999999999999999999", "#H", "#Hffff", "+", "1024", "4294967295", "panic", "\r", "CQ_WR",
        "RESET", "abcdefghijklmnopqrstuvwxyz0123456789",
    };

    random_state = seed | 1u;
    mock.quiet = true;
    for (unsigned long line = 0; line < lines; line++) {
        uint32_t shape = random_below(8), parts = random_below(shape == 0 ? 120 : 9);
        for (uint32_t part = 0; part < parts; part++) {
            const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
            if (shape == 1) {
                analyser_receive((char)random_below(256));
            } else {
                if (shape > 4 && part > 0 && random_below(2))
                    analyser_receive(':');
                while (*piece)
                    analyser_receive(random_below(200) ? *piece++ : (char)random_below(256));
            }
        }
        analyser_receive('\n');
        mock.lab_alive = random_below(4) != 0;
    }
    mock.quiet = false;
    mock.lab_alive = true;
    analyser_receive('\n');
    for (const char *c = "*CLS;*RST;*OPC?;:CAPT:STAT?\n"; *c; c++)
        analyser_receive(*c);
    fprintf(stderr, "%lu lines, %lu answer bytes\n", lines, mock.answer_bytes);
}

int main(int argc, char **argv)
{
    int c;
    char line[64];
    size_t length = 0;
    bool driving = false, start = true;

    analyser_init();
    if (argc == 4 && strcmp(argv[1], "fuzz") == 0) {
        fuzz((uint32_t)strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
        return 0;
    }
    while ((c = getchar()) != EOF) {
        if (start && c == '!')
            driving = true;
        start = c == '\n';
        if (!driving) {
            analyser_receive((char)c);
        } else if (c == '\n') {
            line[length] = '\0';
            drive(line);
            length = 0;
            driving = false;
        } else if (length < sizeof line - 1) {
            line[length++] = (char)c;
        }
    }
    return 0;
}

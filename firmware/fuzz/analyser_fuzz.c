/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: any bytes at all as the analyser's client. A line that begins with '!' drives the mock, so
 * that the fuzzer also finds full memories, dead buses and stuck registers. Afterwards the instrument must be in
 * step: a device clear, *CLS and *RST, and it answers as after power-on.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyser_mock.h"
#include "commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;
static char answer[64];
static size_t answer_length;

void mock_send(char byte)
{
    if (answer_length < sizeof answer)
        answer[answer_length++] = byte;
}

bool mock_received(char *byte)
{
    if (!left)
        return false;
    *byte = (char)*input++;
    left--;
    return true;
}

static void expect(const char *line, const char *wanted)
{
    answer_length = 0;
    while (*line)
        analyser_receive(*line++);
    if (answer_length != strlen(wanted) || memcmp(answer, wanted, answer_length) != 0) {
        fprintf(stderr, "answered '%.*s', not '%s'\n", (int)answer_length, answer, wanted);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[64];
    char byte;
    bool start = true;

    mock_reset();
    analyser_init();
    input = data;
    left = size;
    while (mock_received(&byte)) {
        if (start && byte == '!') {
            size_t length = 0;
            while (mock_received(&byte) && byte != '\n')
                if (length < sizeof line - 1)
                    line[length++] = byte;
            line[length] = '\0';
            /* A state out of nowhere, without records, is nothing that the hardware does. */
            if (strncmp(line, "state", 5) != 0)
                mock_drive(line);
            start = true;
            continue;
        }
        analyser_receive(byte);
        start = byte == '\n';
    }
    expect("\x03\n*CLS\n", "");
    expect("*RST;*ESE 0;*SRE 0;STAT:PRES;:SYST:ERR?;:CAPT:STAT?;PRET?;FOLD?;:TRIG:SOUR?;:DIAG:BLIN?;*STB?\n",
           "0,\"No error\";IDLE;512;1;NONE;0;16\n");
    return 0;
}

#ifdef FUZZ_REPLAY
static uint8_t buffer[1 << 20];

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return 1;
        }
        size_t size = fread(buffer, 1, sizeof buffer, file);
        fclose(file);
        LLVMFuzzerTestOneInput(buffer, size);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
#endif

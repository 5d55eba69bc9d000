/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The analyser's firmware on the host, with a mock of its hardware: answers stdin on stdout. A line that begins
 * with '!' drives the mock (analyser_mock.h).
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "analyser_mock.h"
#include "commands.h"

/* Input is read in pieces, but only the byte that is asked for is taken. */
static char piece[4096];
static size_t taken, held;

static bool refill(int timeout_ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    ssize_t got;

    if (taken < held)
        return true;
    if (poll(&input, 1, timeout_ms) != 1)
        return false;
    got = read(STDIN_FILENO, piece, sizeof piece);
    taken = 0;
    held = got > 0 ? (size_t)got : 0;
    return held > 0;
}

void mock_send(char byte)
{
    putchar(byte);
}

bool mock_received(char *byte)
{
    if (!refill(0))
        return false;
    *byte = piece[taken++];
    return true;
}

int main(void)
{
    char line[64];
    size_t length = 0;
    bool driving = false, start = true;

    mock_reset();
    analyser_init();
    for (;;) {
        char c;
        if (taken == held)
            fflush(stdout);
        if (!refill(-1))
            return 0;
        c = piece[taken++];
        if (start && c == '!')
            driving = true;
        else if (!driving)
            analyser_receive(c);
        else if (c != '\n' && length < sizeof line - 1)
            line[length++] = c;
        start = c == '\n';
        if (driving && start) {
            line[length] = '\0';
            mock_drive(line);
            length = 0;
            driving = false;
        }
    }
}

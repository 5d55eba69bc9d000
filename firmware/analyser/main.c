/* SPDX-License-Identifier: Apache-2.0 */
/* Firmware of the analyser: feeds every byte of the client to the command tree. */
#include "commands.h"
#include "hal_rv32.h"

int main(void)
{
    analyser_init();
    for (;;)
        analyser_receive(hal_receive());
}

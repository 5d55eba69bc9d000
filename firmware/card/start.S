/* SPDX-License-Identifier: Apache-2.0 */
/* First instructions of the card's soft core after a reset: stack, .data from ROM, .bss zeroed, main(). */
    .section .text.start
    .globl _start
_start:
    la sp, __stack_top
    la a0, __data_start
    la a1, __data_end
    la a2, __data_rom
1:  bgeu a0, a1, 2f
    lw a3, 0(a2)
    sw a3, 0(a0)
    addi a0, a0, 4
    addi a2, a2, 4
    j 1b
2:  la a0, __bss_start
    la a1, __bss_end
3:  bgeu a0, a1, 4f             /* 32 bytes a turn: the host waits for every clock of this */
    sw zero, 0(a0)
    sw zero, 4(a0)
    sw zero, 8(a0)
    sw zero, 12(a0)
    sw zero, 16(a0)
    sw zero, 20(a0)
    sw zero, 24(a0)
    sw zero, 28(a0)
    addi a0, a0, 32
    j 3b
4:  call main
    ebreak                      /* traps: hardware closes the gate */

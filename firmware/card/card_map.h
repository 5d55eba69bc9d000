/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are: the soft core's address map (rtl/vk/vk_cpu.sv), what the firmware puts into the BARs, and
 * how it divides the card memory. Register offsets are generated (vkbench_regs.h). */
#ifndef VKBENCH_CARD_MAP_H
#define VKBENCH_CARD_MAP_H
#include "vkbench_regs.h"

#define CARD_REGS 0x10000000u
#define CARD_BAR0 0x20000000u
#define CARD_BAR2 0x20010000u
#define CARD_BAR4 0x20020000u
#define CARD_STORE 0x30000000u   /* card memory, read only */

/* Message queues in BAR 2: descriptors of all rings, those to the card first, then the rings. */
#define QUEUES 3u
#define QUEUE_BLOCKS 64u         /* power of two */
#define BLOCK_BYTES 16u
#define QUEUE_DESCRIPTORS 0x7000u
#define QUEUE_DESCRIPTOR_BYTES 32u
#define QUEUE_RINGS 0x7100u
#define QUEUE_TYPE 0x00u         /* type in the low half, number in the high half */
#define QUEUE_START 0x04u
#define QUEUE_RD_IDX 0x08u
#define QUEUE_WR_IDX 0x0cu
#define QUEUE_SIZE 0x10u
#define QUEUE_NEXT 0x14u

#define QUEUE_MARKER 0xbeefcafeu

/* Card information in BAR 4, the peer log right behind it, the process monitor behind that. */
#define INFO_BASE 0x100u
#define INFO_BYTES 160u
#define INFO_OS_TAG 0x04u
#define INFO_TAG_BYTES 64u
#define INFO_CMPT_TAG 0x44u
#define INFO_NUMBERS 0x84u
#define PEER_LOG_BASE (INFO_BASE + INFO_BYTES)
#define PEER_LOG_RD 0x0u
#define PEER_LOG_WR 0x4u
#define PEER_LOG_SIZE 0x8u
#define PEER_LOG_MASK 0xcu
#define PEER_LOG_DATA 0x10u
#define PEER_LOG_BYTES 256u      /* power of two */
#define MONITOR_BASE (PEER_LOG_BASE + PEER_LOG_DATA + PEER_LOG_BYTES)
#define MONITOR_ENTRIES 0x8u
#define MONITOR_ENTRY_BYTES 16u
#define MONITOR_USED 0x8u
#define MONITOR_MAX 0xcu

/* Card memory, counted from its end: the boot 1 window of the host, then where SGLs are fetched to. Below
 * both is the user area. */
#define STORE_RESERVED 0x80000u
#define STORE_SGL 0x40000u

#define FWSTS_READY 0x3fcu
#define FWSTS_REASON_LSB 28u
#define INTERFACE_VERSION 0x00010000u

enum interrupt_vector { VECTOR_QUEUE0 = 0, VECTOR_NOTIFY = 3 };

#endif

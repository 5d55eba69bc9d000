/* SPDX-License-Identifier: Apache-2.0 */
/* From reset to a card that takes messages: at once, or with the driver's two image downloads. */
#ifndef VKBENCH_CARD_BOOT_H
#define VKBENCH_CARD_BOOT_H
#include <stdbool.h>
#include <stdint.h>

#include "dma.h"

/* Bits of BOOT_STATUS (bcm_vk.h). */
#define BOOT_BROM_RUNNING 0x00010006u
#define BOOT_BOOT1_RUNNING 0x00020006u
#define BOOT_BOOT2_RUNNING 0x00100006u
#define BOOT_ERROR_LSB 4u

/* Values of CODEPUSH_SBL and CODEPUSH_SBI. */
#define CODEPUSH_BOOT1_GO 0x00400001u
#define CODEPUSH_BOOT2_GO 0x60000000u

/* A boot 2 image that begins with this word says its length in the next; the card asks for more until it
 * has all of it. Any other image is complete with its first piece. */
#define BOOT_IMAGE_MAGIC 0x32424b56u

/** Error in BOOT_STATUS 7:4; the driver then gives up and the next reset clears it. */
enum boot_error {
    BOOT_OK,
    BOOT_BUFFER,    /* DMA_BUF is empty, wraps, or does not fit into the user area */
    BOOT_DMA,       /* the download failed */
    BOOT_IMAGE      /* the length in the image is impossible */
};

enum boot_state { BOOT_BROM, BOOT_BOOT1, BOOT_LOADING, BOOT_MORE, BOOT_RUNNING, BOOT_FAILED };

struct boot {
    enum boot_state state;
    uint32_t user_bytes;    /* card memory that an image may fill */
    uint32_t loaded, piece;
};

/** Presents the card as its BOOT register wants it. The tables must be there. */
void boot_start(struct boot *boot, uint32_t user_bytes);

/** Looks at the driver's hand-shake registers and at the download. True if there may be more to do. */
bool boot_step(struct boot *boot, struct dma *reader);

#endif

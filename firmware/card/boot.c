/* SPDX-License-Identifier: Apache-2.0 */
/* Boot states towards the driver: see boot.h and docs/messages.md. */
#include "boot.h"

#include "peer_log.h"

static uint32_t boot_register(void)
{
    return mmio_read32(CARD_REGS + VK_CARD_BOOT_OFFSET);
}

static uint32_t fwsts(void)
{
    return (boot_register() & VK_CARD_BOOT_REASON_MASK) << FWSTS_REASON_LSB;
}

static void boot_status(uint32_t value)
{
    mmio_write32(CARD_BAR0 + VK_BAR0_BOOT_STATUS_OFFSET, value);
}

static void marker(void)
{
    mmio_write32(CARD_BAR2 + VK_BAR1_MSGQ_DEF_RDY_OFFSET, QUEUE_MARKER);
}

static bool fail(struct boot *boot, enum boot_error error, uint32_t detail)
{
    boot->state = BOOT_FAILED;
    boot_status(BOOT_BOOT1_RUNNING | (uint32_t)error << BOOT_ERROR_LSB);
    peer_log("boot 2 failed", (uint32_t)error, detail);
    return false;
}

void boot_start(struct boot *boot, uint32_t user_bytes)
{
    bool rom = (boot_register() & VK_CARD_BOOT_ROM_MASK) != 0;

    *boot = (struct boot){.state = rom ? BOOT_BROM : BOOT_RUNNING, .user_bytes = user_bytes};
    boot_status(rom ? BOOT_BROM_RUNNING : BOOT_BOOT2_RUNNING);
    mmio_write32(CARD_BAR0 + VK_BAR0_FWSTS_OFFSET, fwsts() | (rom ? 0 : FWSTS_READY));
    mmio_write32(CARD_BAR0 + VK_BAR0_INTF_VER_OFFSET, INTERFACE_VERSION);
    mmio_write32(CARD_REGS + VK_CARD_CONTROL_OFFSET, VK_CARD_CONTROL_READY_MASK);
    if (!rom)
        marker();
}

/* Fetches what the driver has put into its buffer behind what is here already. */
static bool load_piece(struct boot *boot, struct dma *reader)
{
    uint32_t lo = mmio_read32(CARD_BAR2 + VK_BAR1_DMA_BUF_LO_OFFSET);
    uint32_t hi = mmio_read32(CARD_BAR2 + VK_BAR1_DMA_BUF_HI_OFFSET);
    uint32_t bytes = mmio_read32(CARD_BAR2 + VK_BAR1_DMA_BUF_SIZE_OFFSET);

    if (bytes == 0 || bytes > boot->user_bytes - boot->loaded || (hi == UINT32_MAX && lo + (bytes - 1) < lo))
        return fail(boot, BOOT_BUFFER, bytes);
    if (dma_queue(reader, &(struct dma_descriptor){lo, hi, boot->loaded, bytes}, 0) != DMA_QUEUED)
        return false;
    boot->piece = bytes;
    boot->state = BOOT_LOADING;
    return false;
}

static bool finish_piece(struct boot *boot, enum dma_code code)
{
    uint32_t bytes = 0;

    if (code != DMA_OK)
        return fail(boot, BOOT_DMA, (uint32_t)code);
    boot->loaded += boot->piece;
    if (boot->loaded >= 8 && mmio_read32(CARD_STORE) == BOOT_IMAGE_MAGIC)
        bytes = mmio_read32(CARD_STORE + 4);
    if (bytes > boot->user_bytes)
        return fail(boot, BOOT_IMAGE, bytes);
    if (bytes > boot->loaded) {
        boot->state = BOOT_MORE;
        mmio_write32(CARD_BAR0 + VK_BAR0_CODEPUSH_SBI_OFFSET, 0);
        return false;
    }
    boot->state = BOOT_RUNNING;
    boot_status(BOOT_BOOT2_RUNNING);
    /* The driver waits for FWSTS and then expects the marker to be there: it does not wait for that one. */
    marker();
    mmio_write32(CARD_BAR0 + VK_BAR0_FWSTS_OFFSET, fwsts() | FWSTS_READY);
    return true;
}

bool boot_step(struct boot *boot, struct dma *reader)
{
    enum dma_code code;
    uint8_t tag;

    switch (boot->state) {
    case BOOT_BROM:
        if (mmio_read32(CARD_BAR0 + VK_BAR0_CODEPUSH_SBL_OFFSET) == CODEPUSH_BOOT1_GO) {
            boot->state = BOOT_BOOT1;
            boot_status(BOOT_BOOT1_RUNNING);
            return true;
        }
        return false;
    case BOOT_BOOT1:
    case BOOT_MORE:
        if (mmio_read32(CARD_BAR0 + VK_BAR0_CODEPUSH_SBI_OFFSET) == CODEPUSH_BOOT2_GO)
            return load_piece(boot, reader);
        return false;
    case BOOT_LOADING:
        return dma_take(reader, &tag, &code) == DMA_TAKEN && finish_piece(boot, code);
    case BOOT_RUNNING:
    case BOOT_FAILED:
        return false;
    }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* State machine of TRANS_BUF: see transfer.h. */
#include "transfer.h"

#include <stddef.h>

/* Card memory for the piece of an SGL of one direction. */
#define PIECE_STORE 0x1000u
/* Looks at the channel before the core is put to sleep: waking up takes longer than a page on the link. */
#define SPINS 8u

/* Tags of descriptors: the direction, and whether it is an SGL. */
#define TAG_SGL 2u

void transfers_init(struct transfers *transfers, uint32_t user_bytes, uint32_t sgl_store)
{
    dma_init(&transfers->reader, DMA_READER);
    dma_init(&transfers->writer, DMA_WRITER);
    transfers->transfer[TRANSFER_DOWNLOAD].msg = NULL;
    transfers->transfer[TRANSFER_UPLOAD].msg = NULL;
    transfers->user_bytes = user_bytes;
    transfers->sgl_store = sgl_store;
}

/* Not by index: the soft core multiplies in 40 clocks, and each SGL entry passes here. */
static struct transfer *transfer_of(struct transfers *transfers, uint32_t direction)
{
    return direction == TRANSFER_UPLOAD ? &transfers->transfer[TRANSFER_UPLOAD]
                                        : &transfers->transfer[TRANSFER_DOWNLOAD];
}

static enum transfer_direction direction_of(const struct msg *msg)
{
    return msg->upload ? TRANSFER_UPLOAD : TRANSFER_DOWNLOAD;
}

static void fail(struct transfer *transfer, uint32_t code, uint32_t plane)
{
    if (transfer->result == MSG_OK)
        transfer->result = code | plane << MSG_PLANE_LSB;
    transfer->end = transfer->next;
}

enum transfer_status transfer_start(struct transfers *transfers, const struct msg *msg)
{
    struct transfer *transfer = transfer_of(transfers, direction_of(msg));

    if (transfer->msg)
        return TRANSFER_BUSY;
    transfer->msg = msg;
    transfer->result = MSG_OK;
    transfer->fetch = FETCH_WANTED;
    transfer->plane = 0;
    transfer->fetched = 0;
    transfer->data_plane = 0;
    transfer->open = 0;
    transfer->next = transfer->entries;
    transfer->end = transfer->entries;
    transfer->store = msg->argument;
    transfer->room = 0;
    if (msg->argument > transfers->user_bytes)
        fail(transfer, MSG_NO_CARD_MEMORY, 0);
    else
        transfer->room = transfers->user_bytes - msg->argument;
    return TRANSFER_ACTIVE;
}

void transfer_abort(struct transfers *transfers, const struct msg *msg)
{
    struct transfer *transfer = transfer_of(transfers, direction_of(msg));

    if (transfer->msg != msg)
        return;
    fail(transfer, MSG_SHUT_DOWN, 0);
    if (transfer->open)
        dma_abort(msg->upload ? &transfers->reader : &transfers->writer);
}

static void take_results(struct transfers *transfers, struct dma *dma)
{
    enum dma_code code;
    uint8_t tag;

    while (dma_take(dma, &tag, &code) == DMA_TAKEN) {
        struct transfer *transfer = transfer_of(transfers, tag % TAG_SGL);
        if (tag < TAG_SGL) {
            transfer->open--;
            if (code != DMA_OK)
                fail(transfer, MSG_DMA + (uint32_t)code, transfer->data_plane);
        } else if (code == DMA_OK) {
            transfer->fetch = FETCH_DONE;
        } else if (code == DMA_ABORTED && transfer->result == MSG_OK) {
            /* The end of an upload took the SGL of a download with it. */
            transfer->fetch = FETCH_WANTED;
        } else {
            transfer->fetch = FETCH_NONE;
            fail(transfer, MSG_DMA + (uint32_t)code, transfer->plane);
        }
    }
}

static uint32_t piece_store(const struct transfers *transfers, enum transfer_direction direction)
{
    return transfers->sgl_store + PIECE_STORE * (uint32_t)direction;
}

static uint32_t piece_entries(const struct transfer *transfer)
{
    return transfer->sgl.entries < TRANSFER_PIECE ? transfer->sgl.entries : TRANSFER_PIECE;
}

/* Asks for the next piece of the list; the first one with the header. */
static void fetch(struct transfers *transfers, struct transfer *transfer, enum transfer_direction direction)
{
    const struct msg_plane *plane = &transfer->msg->plane[transfer->plane];
    struct dma_descriptor piece = {plane->sgl_lo, plane->sgl_hi, piece_store(transfers, direction),
                                   SGL_HEADER_BYTES + sizeof transfer->entries};

    if (transfer->fetched) {
        piece.host_lo += SGL_HEADER_BYTES + transfer->fetched * SGL_ENTRY_BYTES;
        piece.host_hi += piece.host_lo < plane->sgl_lo;
        piece.bytes = piece_entries(transfer) * SGL_ENTRY_BYTES;
    } else if (plane->sgl_bytes < piece.bytes) {
        piece.bytes = plane->sgl_bytes;
    }
    if (dma_queue(&transfers->reader, &piece, (uint8_t)(TAG_SGL | direction)) == DMA_QUEUED)
        transfer->fetch = FETCH_RUNNING;
}

static void copy_entries(struct dma_entry *entry, uint32_t address, uint32_t count)
{
    for (const struct dma_entry *end = entry + count; entry != end; entry++, address += SGL_ENTRY_BYTES) {
        entry->bytes = mmio_read32(address);
        entry->host_lo = mmio_read32(address + 4);
        entry->host_hi = mmio_read32(address + 8);
    }
}

static enum sgl_result check_piece(struct transfer *transfer, uint32_t address, uint32_t *count)
{
    enum sgl_result result;

    if (transfer->fetched == 0) {
        uint32_t entries = mmio_read32(address), total = mmio_read32(address + 4);
        result = sgl_begin(&transfer->sgl, entries, total, transfer->msg->plane[transfer->plane].sgl_bytes,
                           transfer->room);
        if (result != SGL_OK)
            return result;
        transfer->room -= total;
        address += SGL_HEADER_BYTES;
    }
    *count = piece_entries(transfer);
    copy_entries(transfer->entries, address, *count);
    return sgl_check(&transfer->sgl, transfer->entries, *count);
}

/* Makes the entries of a piece that has arrived the ones to move, and says what to fetch next. */
static void accept(struct transfers *transfers, struct transfer *transfer, enum transfer_direction direction)
{
    uint32_t count = 0;
    enum sgl_result result = check_piece(transfer, CARD_STORE + piece_store(transfers, direction), &count);

    transfer->data_plane = transfer->plane;
    if (result != SGL_OK) {
        transfer->fetch = FETCH_NONE;
        fail(transfer, result == SGL_NO_ROOM ? MSG_NO_CARD_MEMORY : MSG_BAD_SGL, transfer->plane);
        return;
    }
    transfer->next = transfer->entries;
    transfer->end = transfer->entries + count;
    transfer->fetched += count;
    if (transfer->sgl.entries == 0) {
        transfer->plane++;
        transfer->fetched = 0;
    }
    transfer->fetch = transfer->plane < transfer->msg->planes ? FETCH_WANTED : FETCH_NONE;
}

/* Queues entries; looks a few times for a full channel to take more. */
static void pump(struct transfers *transfers, struct transfer *transfer, struct dma *dma, uint8_t tag)
{
    for (uint32_t spins = 0; transfer->next != transfer->end && spins < SPINS; spins++) {
        const struct dma_entry *next =
            dma_queue_list(dma, transfer->next, transfer->end, &transfer->store, tag);
        if (next != transfer->next) {
            transfer->open += (uint32_t)(next - transfer->next);
            transfer->next = next;
            spins = 0;
        }
        take_results(transfers, dma);
    }
}

static bool step(struct transfers *transfers, enum transfer_direction direction)
{
    struct transfer *transfer = transfer_of(transfers, direction);
    struct dma *dma = direction == TRANSFER_UPLOAD ? &transfers->reader : &transfers->writer;

    if (!transfer->msg || transfer->result != MSG_OK)
        return false;
    /* The list first: it comes while the entries that are here are being moved. */
    if (transfer->fetch == FETCH_WANTED)
        fetch(transfers, transfer, direction);
    pump(transfers, transfer, dma, (uint8_t)direction);
    /* An error of the plane before must not be charged to this one. */
    if (transfer->next != transfer->end || transfer->fetch != FETCH_DONE || transfer->result != MSG_OK ||
        (transfer->open && transfer->plane != transfer->data_plane))
        return false;
    accept(transfers, transfer, direction);
    return true;
}

bool transfers_step(struct transfers *transfers)
{
    bool more;

    take_results(transfers, &transfers->reader);
    take_results(transfers, &transfers->writer);
    more = step(transfers, TRANSFER_DOWNLOAD);
    return step(transfers, TRANSFER_UPLOAD) || more;
}

enum transfer_status transfer_take(struct transfers *transfers, enum transfer_direction direction,
                                   const struct msg **msg, uint32_t *result)
{
    struct transfer *transfer = transfer_of(transfers, direction);

    if (!transfer->msg)
        return TRANSFER_IDLE;
    if (transfer->open || transfer->fetch == FETCH_RUNNING)
        return TRANSFER_ACTIVE;
    if (transfer->result == MSG_OK && (transfer->fetch != FETCH_NONE || transfer->next != transfer->end))
        return TRANSFER_ACTIVE;
    *msg = transfer->msg;
    *result = transfer->result;
    transfer->msg = NULL;
    return TRANSFER_FINISHED;
}

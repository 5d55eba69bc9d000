/* SPDX-License-Identifier: Apache-2.0 */
/* TRANS_BUF: fetches the SGLs of a message piece by piece, checks each piece, and keeps the DMA channel
 * supplied with its entries. Nothing here waits. One upload and one download can run at the same time. */
#ifndef VKBENCH_CARD_TRANSFER_H
#define VKBENCH_CARD_TRANSFER_H
#include <stdbool.h>
#include <stdint.h>

#include "dma.h"
#include "msg.h"
#include "sgl.h"

enum transfer_direction { TRANSFER_DOWNLOAD, TRANSFER_UPLOAD, TRANSFERS };

#define TRANSFER_PIECE 64u   /* SGL entries fetched at a time */

enum transfer_fetch { FETCH_NONE, FETCH_WANTED, FETCH_RUNNING, FETCH_DONE };

struct transfer {
    const struct msg *msg;       /* NULL: idle */
    uint32_t result;             /* not 0: ends as soon as the engine has let go */
    uint32_t store;              /* card memory of the next entry */
    uint32_t room;               /* user area behind it that is not promised to an entry yet */
    struct sgl sgl;              /* of the plane that is being fetched */
    enum transfer_fetch fetch;
    uint32_t plane;              /* the one being fetched; msg->planes: all are here */
    uint32_t fetched;            /* entries of that plane asked for before */
    uint32_t data_plane;         /* the one being moved */
    uint32_t open;               /* data descriptors without a result */
    const struct dma_entry *next, *end;  /* have been checked and not been queued */
    struct dma_entry entries[TRANSFER_PIECE];
};

struct transfers {
    struct dma reader, writer;
    struct transfer transfer[TRANSFERS];
    uint32_t user_bytes;         /* size of the user area */
    uint32_t sgl_store;          /* where SGLs are fetched to */
};

enum transfer_status { TRANSFER_IDLE, TRANSFER_ACTIVE, TRANSFER_FINISHED, TRANSFER_BUSY };

void transfers_init(struct transfers *transfers, uint32_t user_bytes, uint32_t sgl_store);

/** Begins a TRANS_BUF; msg must stay until it is finished. TRANSFER_BUSY: one of its direction runs. */
enum transfer_status transfer_start(struct transfers *transfers, const struct msg *msg);

/** Ends the transfer of msg, if it runs, as soon as the engine has let go of it: MSG_SHUT_DOWN. */
void transfer_abort(struct transfers *transfers, const struct msg *msg);

/** Takes results, queues what can be queued. True if another call is worth its while without an event. */
bool transfers_step(struct transfers *transfers);

/** TRANSFER_FINISHED, once, with the message and its result. */
enum transfer_status transfer_take(struct transfers *transfers, enum transfer_direction direction,
                                   const struct msg **msg, uint32_t *result);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the host: from the blocks of a ring to a checked request, and from that to a reply. Pure. */
#ifndef VKBENCH_CARD_MSG_H
#define VKBENCH_CARD_MSG_H
#include <stdbool.h>
#include <stdint.h>

#define MSG_PLANES 4u
#define MSG_BLOCKS 4u          /* blocks of the longest message, without SGLs in band */
#define MSG_BLOCK_WORDS 4u

enum msg_function { MSG_TRANS_BUF = 5, MSG_SHUTDOWN = 8, MSG_INIT = 9 };
enum msg_shutdown { MSG_SHUTDOWN_PID = 1, MSG_SHUTDOWN_ALL = 2 };

/** arg of a reply; with the number of the plane in bits 15:8 where one is to blame. */
enum msg_code {
    MSG_OK = 0,
    MSG_BAD_MESSAGE = 1,
    MSG_BAD_PLANES = 2,
    MSG_BAD_SGL = 3,
    MSG_NO_CARD_MEMORY = 4,
    MSG_NO_CONTEXT = 5,
    MSG_SHUT_DOWN = 6,
    MSG_DMA = 0x10             /* and the DMA engine's code */
};
#define MSG_PLANE_LSB 8u

/** One plane of a TRANS_BUF: where its SGL lies in host memory. */
struct msg_plane {
    uint32_t sgl_bytes, sgl_lo, sgl_hi;
};

struct msg {
    uint32_t head;             /* first word: function, size, trans_id */
    uint32_t context, command, argument;
    bool upload;               /* host to card */
    uint32_t planes;
    struct msg_plane plane[MSG_PLANES];
};

static inline uint32_t msg_function(const struct msg *msg)
{
    return msg->head & 0xffu;
}

/** Parses a message of that many blocks, of which words holds the first MSG_BLOCKS at most. The header of
 * msg is set in any case; the rest only with MSG_OK, and the planes only for TRANS_BUF. */
uint32_t msg_parse(const uint32_t *words, uint32_t blocks, struct msg *msg);

/** The one block that answers msg. */
void msg_reply(const struct msg *msg, uint32_t context, uint32_t result, uint32_t words[MSG_BLOCK_WORDS]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Message parser: see msg.h and docs/messages.md. */
#include "msg.h"

#define COMMAND_PLANES 0xfu
#define COMMAND_MASK 0xf00u
#define COMMAND_UPLOAD 0x400u
#define COMMAND_DOWNLOAD 0x500u
#define HEAD_SIZE 0xff00u
/* Header of an SGL and one entry. */
#define SGL_BYTES_MIN 20u

static uint32_t parse_planes(const uint32_t *words, uint32_t blocks, struct msg *msg)
{
    uint32_t command = msg->command & COMMAND_MASK, planes = msg->command & COMMAND_PLANES, table_blocks, at;

    if (command != COMMAND_UPLOAD && command != COMMAND_DOWNLOAD)
        return MSG_BAD_MESSAGE;
    if (planes == 0 || planes > MSG_PLANES)
        return MSG_BAD_PLANES;
    table_blocks = (3 * planes + MSG_BLOCK_WORDS - 1) / MSG_BLOCK_WORDS;
    if (blocks < 1 + table_blocks)
        return MSG_BAD_MESSAGE;
    /* The table ends with the shortest message that holds it. What follows are SGLs in band, maybe old. */
    at = MSG_BLOCK_WORDS * (1 + table_blocks) - 3 * planes;
    for (uint32_t i = 0; i < planes; i++, at += 3) {
        struct msg_plane *plane = &msg->plane[i];
        *plane = (struct msg_plane){words[at], words[at + 1], words[at + 2]};
        if (plane->sgl_bytes < SGL_BYTES_MIN ||
            (plane->sgl_hi == UINT32_MAX && plane->sgl_lo + (plane->sgl_bytes - 1) < plane->sgl_lo))
            return MSG_BAD_SGL | i << MSG_PLANE_LSB;
    }
    msg->upload = command == COMMAND_UPLOAD;
    msg->planes = planes;
    return MSG_OK;
}

uint32_t msg_parse(const uint32_t *words, uint32_t blocks, struct msg *msg)
{
    msg->head = words[0];
    msg->context = words[1];
    msg->command = words[2];
    msg->argument = words[3];
    switch (msg_function(msg)) {
    case MSG_TRANS_BUF:
        return parse_planes(words, blocks, msg);
    case MSG_INIT:
    case MSG_SHUTDOWN:
        return MSG_OK;
    default:
        return MSG_BAD_MESSAGE;
    }
}

void msg_reply(const struct msg *msg, uint32_t context, uint32_t result, uint32_t words[MSG_BLOCK_WORDS])
{
    words[0] = msg->head & ~HEAD_SIZE;
    words[1] = context;
    words[2] = msg->command;
    words[3] = result;
}

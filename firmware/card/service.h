/* SPDX-License-Identifier: Apache-2.0 */
/* The message queues' service: takes messages as long as there is room for them, runs the transfers of
 * different queues side by side and those of one queue in order, answers. */
#ifndef VKBENCH_CARD_SERVICE_H
#define VKBENCH_CARD_SERVICE_H
#include <stdbool.h>
#include <stdint.h>

#include "card_map.h"
#include "context.h"
#include "msg.h"
#include "ring.h"
#include "transfer.h"

#define SERVICE_JOBS 16u   /* TRANS_BUF of a queue that wait, run or cannot be answered yet; power of two */

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_ANSWER };

struct job {
    struct msg msg;
    enum job_state state;
    uint32_t result;
};

struct queue {
    struct ring in, out;
    struct job *jobs;
    uint32_t first, end;     /* free running */
    uint32_t in_broken;      /* wr_idx out of range that has been reported; 0: none */
    bool out_broken;         /* rd_idx out of range has been reported */
};

struct service {
    struct queue queues[QUEUES];
    struct contexts contexts;
    uint32_t turn;           /* queue that is looked at first */
    uint32_t shown_jobs, shown_transfers;
};

void service_init(struct service *service);

/** A bounded piece of work. True if another call is worth its while without an event. */
bool service_step(struct service *service, struct transfers *transfers);

#endif

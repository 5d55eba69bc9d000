/* SPDX-License-Identifier: Apache-2.0 */
/* Message queues' service: see service.h and docs/messages.md. */
#include "service.h"

#include <stddef.h>

#include "alerts.h"
#include "mmio.h"
#include "peer_log.h"
#include "tables.h"

/* Always written before they are read. */
static struct job jobs[QUEUES][SERVICE_JOBS] __attribute__((section(".noinit")));

void service_init(struct service *service)
{
    for (uint32_t i = 0; i < QUEUES; i++) {
        struct queue *queue = &service->queues[i];
        ring_init(&queue->in, i);
        ring_init(&queue->out, QUEUES + i);
        queue->jobs = jobs[i];
        queue->first = 0;
        queue->end = 0;
        queue->in_broken = 0;
        queue->out_broken = false;
    }
    service->contexts.open = 0;
    service->turn = 0;
    service->shown_jobs = 0;
    service->shown_transfers = 0;
}

static struct job *job_at(const struct queue *queue, uint32_t number)
{
    return &queue->jobs[number % SERVICE_JOBS];
}

static void fault(const char *text, uint32_t queue, uint32_t value)
{
    peer_log(text, queue, value);
    alerts_raise(ALERT_SYS_FAULT);
}

/* Room for an answer. A host that breaks its index is reported once; the queue waits until it is valid. */
static bool has_room(struct queue *queue, uint32_t number)
{
    enum ring_status status = ring_room(&queue->out);

    if (status == RING_BAD_INDEX && !queue->out_broken)
        fault("to-host rd_idx", number, ring_host_index(&queue->out));
    queue->out_broken = status == RING_BAD_INDEX;
    return status == RING_OK;
}

static void answer(struct queue *queue, uint32_t number, const struct msg *msg, uint32_t context,
                   uint32_t result)
{
    uint32_t words[MSG_BLOCK_WORDS];

    msg_reply(msg, context, result, words);
    if (ring_put(&queue->out, words) == RING_OK)
        mmio_write32(CARD_REGS + VK_CARD_IRQ_OFFSET, VECTOR_QUEUE0 + number);
}

static void shut_down(struct service *service, struct transfers *transfers, const struct msg *msg)
{
    bool all = msg->command == MSG_SHUTDOWN_ALL;

    if (!all && msg->command != MSG_SHUTDOWN_PID) {
        peer_log("SHUTDOWN cmd", msg->command, msg->argument);
        return;
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        struct queue *queue = &service->queues[i];
        for (uint32_t n = queue->first; n != queue->end; n++) {
            struct job *job = job_at(queue, n);
            if (!all && !context_belongs(&service->contexts, job->msg.context, msg->argument))
                continue;
            if (job->state == JOB_RUNNING) {
                transfer_abort(transfers, &job->msg);
            } else if (job->state == JOB_WAITING) {
                job->state = JOB_ANSWER;
                job->result = MSG_SHUT_DOWN;
            }
        }
    }
    if (all)
        context_close_all(&service->contexts);
    else
        context_close_pid(&service->contexts, msg->argument);
}

/* job is the free one behind the queue's last. */
static void take_trans_buf(struct service *service, struct queue *queue, uint32_t number, struct job *job)
{
    if (job->msg.context != CONTEXT_NONE && !context_is_open(&service->contexts, job->msg.context)) {
        answer(queue, number, &job->msg, job->msg.context, MSG_NO_CONTEXT);
        return;
    }
    job->state = JOB_WAITING;
    queue->end++;
}

static void take_init(struct service *service, struct queue *queue, uint32_t number, const struct msg *msg)
{
    uint32_t context = CONTEXT_NONE, result = MSG_BAD_MESSAGE;

    if (msg->context == CONTEXT_NONE) {
        context = context_open(&service->contexts, msg->argument >> 8);
        result = context == CONTEXT_NONE ? MSG_NO_CONTEXT : MSG_OK;
    }
    answer(queue, number, msg, context == CONTEXT_NONE ? msg->context : context, result);
}

/* Drops what the host has written, up to its index. An index out of range is reported once. */
static bool resync(struct queue *queue, uint32_t number, enum ring_status status)
{
    uint32_t index = ring_host_index(&queue->in);

    if (status == RING_BAD_INDEX && index == queue->in_broken)
        return false;
    queue->in_broken = status == RING_BAD_INDEX ? index : 0;
    fault(status == RING_BAD_INDEX ? "to-card wr_idx" : "message beyond wr_idx", number, index);
    ring_resync(&queue->in, index);
    return true;
}

/* Takes a message of the queue, if there is one and a place for whatever it leads to. */
static bool take_message(struct service *service, struct transfers *transfers, uint32_t number)
{
    struct queue *queue = &service->queues[number];
    uint32_t words[MSG_BLOCKS * MSG_BLOCK_WORDS], blocks = 0, code;
    struct job *job = job_at(queue, queue->end);
    struct msg *msg = &job->msg;
    enum ring_status status;

    if (queue->end - queue->first == SERVICE_JOBS)
        return false;
    status = ring_peek(&queue->in, words, MSG_BLOCKS, &blocks);
    if (status == RING_BAD_INDEX || status == RING_OVERRUN)
        return resync(queue, number, status);
    queue->in_broken = 0;
    if (status == RING_EMPTY)
        return false;
    if (!has_room(queue, number))
        return false;
    ring_skip(&queue->in, blocks);
    code = msg_parse(words, blocks, msg);
    if (code != MSG_OK)
        answer(queue, number, msg, msg->context, code);
    else if (msg_function(msg) == MSG_TRANS_BUF)
        take_trans_buf(service, queue, number, job);
    else if (msg_function(msg) == MSG_INIT)
        take_init(service, queue, number, msg);
    else
        shut_down(service, transfers, msg);
    return true;
}

/* Starts or answers the oldest job of the queue. */
static bool serve_job(struct service *service, struct transfers *transfers, uint32_t number)
{
    struct queue *queue = &service->queues[number];
    struct job *job = job_at(queue, queue->first);

    if (queue->first == queue->end)
        return false;
    if (job->state == JOB_WAITING && transfer_start(transfers, &job->msg) == TRANSFER_ACTIVE) {
        job->state = JOB_RUNNING;
        service->turn = (number + 1) % QUEUES;
        return true;
    }
    if (job->state == JOB_ANSWER && has_room(queue, number)) {
        answer(queue, number, &job->msg, job->msg.context, job->result);
        queue->first++;
        return true;
    }
    return false;
}

static bool finish_transfers(struct service *service, struct transfers *transfers)
{
    bool more = false;

    for (uint32_t direction = 0; direction < TRANSFERS; direction++) {
        const struct msg *msg;
        uint32_t result;

        if (transfer_take(transfers, (enum transfer_direction)direction, &msg, &result) != TRANSFER_FINISHED)
            continue;
        for (uint32_t i = 0; i < QUEUES; i++) {
            struct job *job = job_at(&service->queues[i], service->queues[i].first);
            if (msg == &job->msg) {
                job->state = JOB_ANSWER;
                job->result = result;
            }
        }
        more = true;
    }
    return more;
}

static void show_use(struct service *service, const struct transfers *transfers)
{
    uint32_t held = 0, running = 0;

    for (uint32_t i = 0; i < QUEUES; i++)
        held += service->queues[i].end - service->queues[i].first;
    for (uint32_t i = 0; i < TRANSFERS; i++)
        running += transfers->transfer[i].msg != NULL;
    if (held != service->shown_jobs)
        tables_monitor(MONITOR_MSGQ, service->shown_jobs = held);
    if (running != service->shown_transfers)
        tables_monitor(MONITOR_DMA, service->shown_transfers = running);
}

bool service_step(struct service *service, struct transfers *transfers)
{
    bool more = transfers_step(transfers);

    more |= finish_transfers(service, transfers);
    for (uint32_t i = 0, number = service->turn; i < QUEUES; i++) {
        more |= serve_job(service, transfers, number);
        more |= take_message(service, transfers, number);
        number = number + 1 == QUEUES ? 0 : number + 1;
    }
    show_use(service, transfers);
    return more;
}

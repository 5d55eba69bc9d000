/* SPDX-License-Identifier: Apache-2.0 */
/* Is the trigger's program whole? Each check names the first thing that is wrong. */
#include "program_map.h"

bool program_refuse(struct scpi *scpi, const char *detail, uint32_t a, uint32_t b)
{
    scpi_fail_detail(scpi, SCPI_SETTINGS_CONFLICT, detail, a, b, 0);
    return false;
}

static bool check_term(struct scpi *scpi, const uint32_t *program, uint32_t term)
{
    uint32_t select = program[TERM(term, SELECT) / 4];
    uint32_t from = GET(select, TERM_0_SELECT_SOURCE);
    bool text = from >= SOURCE_TEXT, bare = true;

    for (uint32_t offset = TERM(term, DW0_VALUE); offset <= TERM(term, LAST_HI); offset += 4)
        bare = bare && program[offset / 4] == 0;
    bare = bare && (select & ~ANALYSER_TRIGGER_TERM_0_SELECT_SOURCE_MASK) == 0;
    if (from == 0 && !bare)
        return program_refuse(scpi, "term % compares something, but has no source", term + 1, 0);
    if (text && !bare)
        return program_refuse(scpi, "term % waits for a text and can compare nothing else", term + 1, 0);
    if (text && program[TEXT(from - SOURCE_TEXT, LENGTH) / 4] == 0)
        return program_refuse(scpi, "term % waits for text %, which is empty", term + 1,
                              from - SOURCE_TEXT + 1);
    if (from > 1 + TAP_RC && program[TERM(term, DW0_MASK) / 4])
        return program_refuse(scpi, "term % compares DW0, which only TLPs have", term + 1, 0);
    if (from != 1 + TAP_CQ && from != 1 + TAP_RQ && GET(select, TERM_0_SELECT_WINDOW))
        return program_refuse(scpi, "term % has an address window, which is for CQ and RQ", term + 1, 0);
    if (GET(select, TERM_0_SELECT_EDGE_ONLY)) {
        if (from != 1 + TAP_LEVEL)
            return program_refuse(scpi, "term % waits for an edge, which only LEVEL has", term + 1, 0);
        if (!GET(select, TERM_0_SELECT_RANGE) && program[TERM(term, DATA_B) / 4] == 0)
            return program_refuse(scpi, "term % waits for an edge of nothing: DATA is not set", term + 1,
                                  0);
    }
    return true;
}

static bool term_has_source(const uint32_t *program, uint32_t term)
{
    return GET(program[TERM(term, SELECT) / 4], TERM_0_SELECT_SOURCE) != 0;
}

/* Steps that can be left for from this one, as a mask; bit FIRE: it can fire. */
static uint32_t ways_out(uint32_t control)
{
    uint32_t ways = 1u << GET(control, STEP_0_CONTROL_NEXT);

    if (GET(control, STEP_0_CONTROL_BRANCH))
        ways |= 1u << GET(control, STEP_0_CONTROL_BRANCH_NEXT);
    if (GET(control, STEP_0_CONTROL_TIMED))
        ways |= 1u << GET(control, STEP_0_CONTROL_TIMEOUT_NEXT);
    return ways;
}

static bool check_step(struct scpi *scpi, const uint32_t *program, uint32_t step, uint32_t used)
{
    uint32_t control = program[STEP(step, CONTROL) / 4];
    uint32_t term = GET(control, STEP_0_CONTROL_TERM),
             branch_term = GET(control, STEP_0_CONTROL_BRANCH_TERM);
    uint32_t missing = ways_out(control) & ~used & ~(1u << FIRE);

    if (!(used >> step & 1u))
        return control
                   ? program_refuse(scpi, "step % has a branch, time-out or pulse, but waits for no term",
                                    step + 1, 0)
                   : true;
    for (uint32_t to = 0; to < STEPS; to++)
        if (missing >> to & 1u)
            return program_refuse(scpi, "step % goes to step %, which is not defined", step + 1, to + 1);
    if (!term_has_source(program, term))
        return program_refuse(scpi, "step % waits for term %, which has no source", step + 1, term + 1);
    if (GET(control, STEP_0_CONTROL_BRANCH) && !term_has_source(program, branch_term))
        return program_refuse(scpi, "step % branches at term %, which has no source", step + 1,
                              branch_term + 1);
    return true;
}

bool program_check(struct scpi *scpi, const uint32_t *program, uint32_t qualify_term)
{
    uint32_t used = 0, reached = 1u, before = 0, step;

    for (step = 0; step < STEPS; step++)
        used |= GET(program[STEP(step, CONTROL) / 4], STEP_0_CONTROL_USED) << step;
    if (!(used & 1u))
        return program_refuse(scpi, "step 1 is not defined", 0, 0);
    for (step = 0; step < STEPS; step++)
        if (!check_step(scpi, program, step, used))
            return false;
    for (uint32_t term = 0; term < TERMS; term++)
        if (!check_term(scpi, program, term))
            return false;
    if (qualify_term && !term_has_source(program, qualify_term - 1))
        return program_refuse(scpi, "CAPTure:QUALify:TERM is term %, which has no source", qualify_term, 0);
    if (qualify_term &&
        GET(program[TERM(qualify_term - 1, SELECT) / 4], TERM_0_SELECT_SOURCE) >= SOURCE_TEXT)
        return program_refuse(scpi, "CAPTure:QUALify:TERM is term %, which waits for a text", qualify_term,
                              0);
    while (reached != before) {
        before = reached;
        for (step = 0; step < STEPS; step++)
            if (reached >> step & 1u)
                reached |= ways_out(program[STEP(step, CONTROL) / 4]);
    }
    if (!(reached >> FIRE & 1u))
        return program_refuse(scpi, "no way leads to FIRE", 0, 0);
    for (step = 0; step < STEPS; step++)
        if (used & ~reached & 1u << step)
            return program_refuse(scpi, "step % is never entered", step + 1, 0);
    return true;
}

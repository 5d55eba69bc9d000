# SPDX-License-Identifier: Apache-2.0
"""What is proved, on which modules, and which mutated designs must fail: data for run.py.

A proof takes the modules as they stand in rtl/vk and rtl/analyser, binds checkers of this folder into them and cuts out the modules
that it names; what drives a cut module's outputs is free. Labels in the checkers: p_NAME a property, c_NAME its
cover, h_NAME a helping invariant, e_NAME an assumption.

Standard library only.
"""

from __future__ import annotations

from formal import analyser_proofs, trigger_proofs
from formal.proof import Edit, Mutant, Proof

GATE = "vk_gate.sv"
HALT = Proof(
    name="halt",
    top="vk_core",
    checkers=("beat_count.sv", "doorbell_check.sv", "reset_check.sv", "halt_check.sv", "halt_bind.sv"),
    cut=("vk_timebase", "vk_completer", "vk_bars", "vk_cpu", "vk_card", "vk_dma", "vk_lab"),
    depth=3,
    search=32,
    quick=True,
    # From power-on to ready in 12 clocks instead of 2 ms.
    shorter=(
        Edit("vk_reset.sv", "if (addr_q == '1) state_q", "state_q"),
        Edit("vk_reset.sv", "HoldTicks   = 3'd6;", "HoldTicks   = 3'd1;"),
        Edit("reset_check.sv", "HoldTicks = 3'd6;", "HoldTicks = 3'd1;"),
    ),
    properties={
        "doorbell": "rings with the very beat on CQ that carries a reset doorbell, hard or soft, and with no other",
        "halt_doorbell": "no TLP starts later than 1 clock after the doorbell, until ready",
        "halt_flr": "... after FLR",
        "halt_perst": "... after PERST#",
        "halt_internal": "... after an internal error, until the next reset",
        "halt_bme": "... after Bus Master Enable falls, until it is set again",
        "opens": "the gate opens by ready or Bus Master Enable alone: soft core, lab and registers are free",
        "not_ready": "the gate is closed whenever the card is not ready",
        "closed": "nothing starts while the gate is closed",
        "rearm": "ready, and the soft core's run, only after 500 us of hold, with registers and memories cleared",
        "booted": "ready only when the firmware has said so",
        "whole": "on RQ, sop, eop and the header's Length agree in every TLP, whatever the gate does",
        "exact": "what the gate accepted leaves once, unchanged, and stands still until ready",
        "finished": "a TLP that has started is never held up by the gate",
        "irq_halted": "no interrupt while the gate is closed or the card not ready",
        "irq_forgotten": "no interrupt leaves that was asked for before or during a halt",
    },
    mutants=(
        Mutant("doorbell", Edit("vk_doorbell.sv", "'0 && 11'(lane) < left", "'0 && 11'(lane) <= left")),
        Mutant(
            "halt_doorbell",
            Edit(GATE, "if (doorbell_i) cause_set", "if (doorbell_i && ready_i && !rq_valid_o) cause_set"),
        ),
        Mutant("halt_flr", Edit(GATE, "if (flr_i)      cause_set", "if (flr_i && !take) cause_set")),
        Mutant("halt_perst", Edit(GATE, "if (!perst_ni)  cause_set", "if (!perst_ni && !ready_i) cause_set")),
        Mutant("halt_internal", Edit(GATE, "(clear_i ? '0 : Internal)", "(ready_i ? '0 : Internal)")),
        Mutant("halt_bme", Edit(GATE, "if (!bme_i)     cause_set", "if (!bme_i && !req_valid_i) cause_set")),
        Mutant("opens", Edit(GATE, "(ready_i ? '0 : Resets)", "(ready_i || irq_valid_i ? '0 : Resets)")),
        Mutant("not_ready", Edit("vk_core.sv", ".ready_i      (ready ", ".ready_i      (booted ")),
        Mutant("closed", Edit(GATE, "in_packet_q || !closed_o;", "in_packet_q || !closed_o || flr_i;")),
        Mutant(
            "rearm",
            Edit(
                "vk_reset.sv",
                "Rebuild: begin\n          state_q <= Zero;",
                "Rebuild: begin\n          state_q <= Boot;",
            ),
        ),
        Mutant("booted", Edit("vk_reset.sv", "if (booted_i) state_q", "if (booted_i || tick_i) state_q")),
        Mutant("whole", Edit(GATE, "rq_eop_o   <= req_eop_i;", "rq_eop_o   <= req_eop_i || closed_o;")),
        Mutant(
            "exact", Edit(GATE, "end else if (rq_ready_i) begin", "end else if (rq_ready_i || flr_i) begin")
        ),
        Mutant("finished", Edit(GATE, "= in_packet_q || !closed_o;", "= !closed_o;")),
        Mutant("irq_halted", Edit(GATE, "irq_valid_i && !closed_o;", "irq_valid_i && cause_q[3:0] == '0;")),
        Mutant(
            "irq_forgotten",
            Edit("vk_msix.sv", "if (!rst_ni || gate_closed_i) pending_q", "if (!rst_ni) pending_q"),
        ),
    ),
)

POOL_MUTANTS = (
    Mutant(
        "once",
        Edit("vk_tag_pool.sv", "if (take_i && !fresh) head_q", "if (take_i && !fresh && !give_i) head_q"),
    ),
    Mutant("alive", Edit("vk_tag_pool.sv", "if (give_i)           tail_q", "if (give_i && !take_i) tail_q")),
)
POOL = Proof(
    name="pool",
    top="vk_tag_pool",
    checkers=("any_value.sv", "pool_check.sv", "pool_bind.sv"),
    cut=("any_value",),
    depth=2,
    search=24,
    quick=True,
    parameters={"Count": 8},  # the endpoint has pools of 32 and 224: the same proof there takes minutes
    properties={
        "once": "a tag is not handed out again before it has been given back",
        "alive": "the pool is empty only while all tags are out",
    },
    mutants=POOL_MUTANTS,
)
TAGS = Proof(
    name="tags",
    top="vk_tags",
    checkers=("any_value.sv", "tags_check.sv", "tags_bind.sv"),
    cut=("any_value", "vk_tag_pool"),
    depth=2,
    search=12,
    properties={
        "tag_width": "with extended tags off no tag is above 31",
        "tag_others": "a tag comes free by its own completion or its own timeout alone",
        "tag_timeout": "a tag is free again 256 idle clocks after its completion timeout at the latest",
        "late": "a completion of a read from before a reset or abort has no result and stores nothing",
        "in_range": "no completion stores a byte outside of its read's range",
    },
    mutants=(
        Mutant("tag_width", Edit("vk_tags.sv", "high_q <= ext_tag_i && high_free", "high_q <= high_free")),
        Mutant(
            "tag_others",
            Edit(
                "vk_tags.sv",
                "if (give) in_use_q[index] <= 1'b0;",
                "if (give) in_use_q[index] <= 1'b0;\n      if (clear_i) in_use_q <= '0;",
            ),
        ),
        Mutant(
            "tag_timeout",
            Edit(
                "vk_tags.sv",
                "(first ? cpl : !beat_i && expired)",
                "(first ? cpl : !beat_i && expired && live)",
            ),
            step=True,
        ),
        Mutant(
            "late", Edit("vk_tags.sv", "if (clear_i || abort_i) live_q <= '0;", "if (abort_i) live_q <= '0;")
        ),
        Mutant(
            "in_range",
            Edit("vk_tags.sv", "(last ? byte_count : here) + 13'(hdr_i[65:64])", "here + 13'(hdr_i[65:64])"),
        ),
    ),
    # A timeout after 2 ticks instead of 101.
    shorter=(
        Edit("vk_tags.sv", "TimeoutTicks = 100", "TimeoutTicks = 1"),
        Edit("tags_check.sv", "IdleClocks = 9'd300", "IdleClocks = 9'd3"),
    ),
)

CHANNEL = Proof(
    name="channel",
    top="vk_channel",
    checkers=("any_value.sv", "channel_check.sv", "channel_bind.sv"),
    cut=("any_value",),
    depth=2,
    search=10,
    properties={
        "4k": "no request crosses a 4 KiB boundary or is empty",
        "limit": "no request is longer than MPS or MRRS, counted in the dwords that its TLP has",
        "inside": "every request lies inside its descriptor, in the store and in host memory alike",
        "refused": "a descriptor that is empty, leaves the store or wraps the address space makes no request",
        "reported": "a descriptor is not reported before all of it has been requested",
    },
    mutants=(
        Mutant(
            "4k",
            Edit(
                "vk_channel.sv",
                "(left_q < 32'(to_limit)) ? left_q[12:0]",
                "(left_q < 32'(limit)) ? left_q[12:0]",
            ),
        ),
        Mutant(
            "limit",
            Edit(
                "vk_channel.sv",
                "limit - (13'(request_q.host[11:0]) & (limit - 13'd1))",
                "limit + 13'd4 - (13'(request_q.host[11:0]) & (limit - 13'd1))",
            ),
        ),
        Mutant(
            "inside",
            Edit(
                "vk_channel.sv",
                "(left_q < 32'(to_limit)) ? left_q[12:0]",
                "(left_q[12:0] < to_limit && left_q[31:13] == '0) ? left_q[12:0] + 13'd1",
            ),
        ),
        Mutant(
            "refused", Edit("vk_channel.sv", "store_end > 33'(StoreBytes)", "store_end > 33'(StoreBytes + 1)")
        ),
        Mutant("reported", Edit("vk_channel.sv", "cut_q[tail]   <= bad;", "cut_q[tail]   <= 1'b1;")),
    ),
)

FRAMING = Proof(
    name="framing",
    top="vk_dma",
    checkers=("beat_count.sv", "framing_check.sv", "framing_bind.sv"),
    cut=("vk_channel", "vk_tags", "vk_receiver", "vk_store"),
    depth=2,
    search=14,
    quick=True,
    properties={
        "framing": "the engine's TLPs are whole: sop, eop, beats and Length agree, whatever clear, abort and gate do",
        "unmixed": "all beats of a TLP come from one requester, unchanged, and each is taken from it once",
        "gapless": "a TLP that has started waits 1 clock for its next beat at most, until its end: it is never cut",
        "held": "no first beat is offered while the gate is closed or the card is being reset",
    },
    mutants=(
        Mutant("framing", Edit("vk_writer.sv", "= left_q <= 13'd32;", "= left_q < 13'd32;")),
        Mutant(
            "framing", Edit("vk_traffic.sv", "end else if (sop_q && !run) begin", "end else if (!run) begin")
        ),
        Mutant(
            "unmixed",
            Edit(
                "vk_arbiter.sv",
                "if (!in_tlp_q && !(stands_q",
                "if (!(in_tlp_q && valid_i[owner_q]) && !(stands_q",
            ),
        ),
        Mutant("held", Edit("vk_dma.sv", "(gate_closed_i || clear_i),", "(clear_i),")),
        Mutant("gapless", Edit("vk_writer.sv", "flush       = kill && !in_tlp_d;", "flush       = kill;")),
    ),
)

READY = Proof(
    name="ready",
    top="vk_core",
    checkers=("ready_check.sv", "ready_bind.sv"),
    cut=(
        *("vk_timebase", "vk_cpu", "vk_card", "vk_lab", "vk_gate", "vk_msix", "vk_doorbell", "vk_ram"),
        *("vk_bar0_regs", "vk_bar1_regs", "vk_channel", "vk_reader", "vk_writer", "vk_traffic", "vk_arbiter"),
        *("vk_tags", "vk_store"),
    ),
    depth=8,
    search=32,
    quick=True,
    shorter=HALT.shorter[:2],
    properties={
        "rc_ready": "completions are held up for 1 clock at a stretch at most, whatever gate, requesters and link do",
        "mem_ready": "a write of the host into card memory waits 2 clocks at most, however many completions come",
    },
    mutants=(
        Mutant("rc_ready", Edit("vk_receiver.sv", "= !want_write_i || yielded_q;", "= !want_write_i;")),
        Mutant("mem_ready", Edit("vk_receiver.sv", "= !want_write_i || yielded_q;", "= 1'b1;")),
    ),
)

CREDITS = Proof(
    name="credits",
    top="vk_dma",
    checkers=("credits_check.sv", "credits_bind.sv"),
    cut=("vk_channel", "vk_tag_pool", "vk_writer", "vk_traffic", "vk_store"),
    depth=2,
    search=14,
    parameters={"CplHeaders": 8, "CplData": 56},  # the endpoint has 256 and 2048, and 256 tags instead of 2
    shorter=(
        Edit("vk_dma.sv", "TimeoutTicks = 100 ", "TimeoutTicks = 1 "),
        Edit("vk_tags.sv", "reads [256]", "reads [2]"),
        Edit("vk_tags.sv", "nexts [256]", "nexts [2]"),
    ),
    properties={
        "headers": "all completions that may still come have a header place in the completion buffer (of 2 tags)",
        "units": "... and a place for their data",
        "exact": "what is counted is what may still come: no credit is lost by end, error, timeout, reset or abort",
    },
    mutants=(
        Mutant(
            "headers", Edit("vk_tags.sv", "(want_headers) <= CplHeaders", "(want_headers) <= CplHeaders + 2")
        ),
        Mutant(
            "headers",
            Edit("vk_reader.sv", "waiting_q && !sent && tag_free_i && room_i", "tag_free_i && room_i"),
        ),
        Mutant("units", Edit("vk_tags.sv", "(want_units) <= CplData", "(want_units) <= CplData + 16")),
        Mutant(
            "exact",
            Edit("vk_receiver.sv", "release_o        <= over;", "release_o        <= over && !clear_i;"),
        ),
    ),
)

PROOFS = (TAGS, HALT, FRAMING, READY, CREDITS, CHANNEL, POOL, *analyser_proofs.PROOFS, *trigger_proofs.PROOFS)

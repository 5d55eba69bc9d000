# SPDX-License-Identifier: Apache-2.0
"""Folds runs of like TLPs in a capture as the analyser does, TLP by TLP, for tests; independent of the decoder."""

import numpy as np

from vkbench.capture.layout import FOLDED_MAX, RUN_GAP_CYCLES, RUN_SPAN_CYCLES, Flag, Kind

TLP_KINDS = (Kind.CQ, Kind.CC, Kind.RQ, Kind.RC)


def _address(header):
    return (header[2] << 32) | header[3] if header[0] >> 29 & 1 else header[2]


def _like(before, now, mode):
    """The way in which ``now`` is like ``before`` ("streaming", "repeat", "plain"), or None."""
    a, b = [int(word) for word in before["header"]], [int(word) for word in now["header"]]
    never = Flag.DOORBELL | Flag.SELFTEST
    if a[0] != b[0] or int(before["flags"]) & never or int(now["flags"]) & never:
        return None
    if now["kind"] in (Kind.CC, Kind.RC):
        status = a[1] >> 13 & 7 or b[1] >> 13 & 7
        same = a[1] >> 12 == b[1] >> 12 and (now["kind"] == Kind.RC or before["data"] == now["data"])
        return "plain" if same and not status else None
    if now["kind"] == Kind.CQ and b[0] >> 30 & 1 and int(now["aux"]) >> 13 == 0:
        return None
    if a[1] & ~0xFF00 != b[1] & ~0xFF00:  # all but the tag
        return None
    length = (a[0] & 0x3FF or 1024) * 4
    if mode in (None, "streaming") and _address(b) == _address(a) + length:
        return "streaming"
    if mode in (None, "repeat") and _address(b) == _address(a) and before["data"] == now["data"]:
        return "repeat"
    return None


def fold(records, gap=RUN_GAP_CYCLES, span=RUN_SPAN_CYCLES):
    """The capture as the analyser would have recorded it with folding on. Losses end the runs of all streams."""
    kept = []
    runs = {}  # by kind: [time of the run's first record, TLP before, pending (record, folded) or None, mode]

    def end(kind):
        run = runs.pop(kind, None)
        if run and run[2]:
            record, folded = run[2]
            record = record.copy()
            record["aux"] |= folded
            record["flags"] |= Flag.RUN if folded else 0
            kept.append(record)

    for one in records:
        kind = int(one["kind"])
        if kind == Kind.LOSS:
            for other in list(runs):
                end(other)
        if kind not in TLP_KINDS:
            kept.append(one.copy())
            continue
        now = int(one["timestamp"])
        run = runs.get(kind)
        mode = run and _like(run[1], one, run[3])
        if run and mode and now - int(run[1]["timestamp"]) <= gap and now - run[0] <= span:
            folded = run[2][1] + 1 if run[2] else 0
            if folded <= FOLDED_MAX:
                run[1], run[2], run[3] = one, (one, folded), mode
                continue
        end(kind)
        kept.append(one.copy())
        runs[kind] = [now, one, None, None]
    for kind in list(runs):
        end(kind)
    order = np.argsort([int(one["timestamp"]) for one in kept], kind="stable")
    return np.array([kept[at] for at in order], dtype=records.dtype)

# SPDX-License-Identifier: Apache-2.0
"""The plan of a made-up campaign (synthetic_campaign.py), as its file."""

import json
from collections.abc import Collection

HOSTILE = "</script><img src=x onerror=alert(1)>&amp;\"'{{7*7}} \u202e]]>\x1b[31m é 漢\U0001f600\n=cmd()\t--"
DEFECTS = {
    "DEAF_HARD": ("VKB-HALT-001", "VKB-JUMP-001", "VKB-MEM-001"),
    "VERY_LATE": ("VKB-HALT-001",),
    "SLIP": ("VKB-HALT-001",),
    "FINISH": ("VKB-HALT-001",),
    "IRQ_AFTER": ("VKB-HALT-001",),
}
RESET_RULES = tuple(f"VKB-RESET-{number:03}" for number in range(1, 10))
_GOAL_NEEDS = 29  # cycles


def plan_toml(cycles: int, seed: int, defects: Collection[str], resets: bool, hostile: bool) -> bytes:
    """A plan of about so many cycles: each control has a fifth of all over the number of controls, at least one."""
    text = HOSTILE if hostile else ""
    controls = 1 + len(defects)
    control = max(1, cycles // (controls * 5))
    left = max(3, cycles - controls * control)
    reset = left // 4 if resets else 0
    oops = max(1, left // 4)
    main = max(1, left - reset - oops)
    goal = "goal = { reliability = 0.9, confidence = 0.95 }\n" if main >= _GOAL_NEEDS else ""
    parts = [
        f"""\
# A made-up plan.
name = "synthetic"
title = {_string("A made-up campaign" + text)}
purpose = {_string("Shows what a report looks like." + text)}
seed = {seed}
not_tested = [{_string("Kernels other than 6.1." + text)}, "Real silicon."]
""",
        _requirement("VKB-REQ-JUMP", "No request after the jump." + text, ["VKB-JUMP-001"]),
        _requirement("VKB-REQ-HALT", "A halt takes 4 cycles at most.", ["VKB-HALT-001"]),
        _requirement("VKB-REQ-MEM", "The DMA target is frozen.", ["VKB-MEM-001"]),
        _requirement("VKB-REQ-LA", "Every event is recorded.", []),
        *([_requirement("VKB-REQ-RESET", "A reset ends as new.", RESET_RULES)] if reset else []),
        f"""
[[configuration]]
name = "sysrq"
title = {_string("Panic by sysrq-c, notifiers first" + text)}
scenario = "panic-post-notifiers"
injection = "sysrq-c"
requirements = ["VKB-REQ-JUMP", "VKB-REQ-HALT", "VKB-REQ-MEM"]
n = {main}
{goal}
[[configuration]]
name = "oops"
title = "Panic by an oops, notifiers first"
scenario = "panic-post-notifiers"
injection = "oops"
requirements = ["VKB-REQ-JUMP", "VKB-REQ-HALT"]
where = {{ kernel = "6.1.*" }}
n = {oops}
""",
        f"""
[[configuration]]
name = "reset-hard"
title = "Hard reset by the doorbell, under traffic"
scenario = "reset-doorbell-hard"
n = {reset}
"""
        if reset
        else "",
        f"""
[[configuration]]
name = "stock"
title = "Stock kdump: nobody tells the card"
scenario = "panic-stock"
caught_by = ["VKB-JUMP-001"]
n = {control}
""",
    ]
    if defects:
        rows = "\n".join(f"{name} = {json.dumps(DEFECTS[name])}" for name in defects)
        parts.append(f"""
[[configuration]]
name = "defect"
scenario = "panic-post-notifiers"
n = {control}
[configuration.defects]
{rows}
""")
    return "".join(parts).encode()


def _requirement(identity: str, text: str, rules: Collection[str]) -> str:
    return f"""
[[requirement]]
id = "{identity}"
text = {_string(text)}
source = "docs/rules.md"
rules = {json.dumps(list(rules))}
"""


def _string(text: str) -> str:
    """A JSON string is a TOML one as long as nothing beyond the control characters is escaped."""
    return json.dumps(text, ensure_ascii=False)

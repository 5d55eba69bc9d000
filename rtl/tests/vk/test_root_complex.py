# SPDX-License-Identifier: Apache-2.0
"""The endpoint behind cocotbext-pcie's root complex (rtl/tests/vk/root_complex.py)."""

import pytest
from common import build

from vk.test_vk import TOP, vk  # noqa: F401 (a fixture)

pytestmark = pytest.mark.rtl


def test_behind_the_root_complex(vk):  # noqa: F811
    build.run_module(vk, TOP, "vk.root_complex")

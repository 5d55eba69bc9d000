# SPDX-License-Identifier: Apache-2.0
"""No unit test reads or leaves state of the user's own benches, or knows another test's passwords."""

import pytest

from vkbench.evidence import secrets


@pytest.fixture(autouse=True)
def _own_state(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
    secrets.forget()

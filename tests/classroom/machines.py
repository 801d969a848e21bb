"""Machines that lack what this one has."""

from __future__ import annotations

import pytest

from bnn_core.classroom.sandbox import launching


def take_away(monkeypatch: pytest.MonkeyPatch, *protections: str) -> None:
    """From now on this machine seems not to offer these: "namespaces", "bubblewrap"."""
    ready = launching.WarmSandbox.wait_until_ready

    def missing(sandbox: launching.WarmSandbox) -> None:
        if sandbox.protection in protections:
            raise launching.NoSandbox(sandbox.protection)
        ready(sandbox)

    monkeypatch.setattr(launching.WarmSandbox, "wait_until_ready", missing)
    if "bubblewrap" in protections:
        monkeypatch.setattr(launching.shutil, "which", lambda _: None)

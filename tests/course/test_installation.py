"""The check of the installation says what is there and what isn't."""

import sys
from pathlib import Path

import pytest

from bnn_core.installation import check_installation, findings


def test_here_everything_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    check_installation()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("✓") for line in lines), lines


def test_what_is_missing_or_another_version_is_said(tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("torch==0.1.0\nno-such-package==1.0  # never\n# scipy==9.9\n--editable .\n", encoding="utf-8")
    said = list(findings(pins))
    assert any(line.startswith("· torch is ") and "made with 0.1.0" in line for line in said)
    assert "✗ no-such-package is missing: install requirements.txt, as README.md says" in said
    assert not any("packages are those" in line or "scipy" in line for line in said)


def test_a_course_handed_out_without_its_pins_says_nothing_of_packages(tmp_path: Path) -> None:
    assert len(list(findings(tmp_path / "requirements.txt"))) == 3


def test_what_does_not_work_is_said_and_nothing_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("bnn_core.datasets.auto_mpg", lambda: 1 / 0)
    said = list(findings())
    assert "the course needs 3.11 or newer" in said[0]
    assert said[-2].startswith("✗ torch computes no gradient: ")
    assert said[-1].startswith("✗ the data can't be loaded: ")

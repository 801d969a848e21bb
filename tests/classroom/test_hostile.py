"""Every hostile, broken or odd notebook gets the row that it should, as root and as an ordinary user, and leaves no
trace.
"""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from classroom.notebooks import CASES, FORBIDDEN, FULL, HOSTILE, LESSON, NONE, Case, write_class
from classroom.people import COMMAND, IDENTITIES, IS_ROOT, ROOT, WITH_A_SHORT_CONTROL, run_as

from bnn_core.classroom.report import SCRIPT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")

PR_SET_CHILD_SUBREAPER = 36
LIMITS = ["--timeout", "40", "--call-timeout", "2", "--memory", "0.5", "--jobs", "2"]
MOST_SECONDS = 500

# The ordinary user's sandbox differs from root's in how it is made; how notebooks are read doesn't.
READ_ALIKE = {"byte-order-mark", "format-3", "utf-16", "sources-as-lists", "other-order", "windows-line-ends", "magics"}
# Each submission's bubblewrap loads torch anew, so that only what could make a difference runs there.
WRAPPED = {
    "plain", "reads-the-reference", "leaves-orphans", "closes-its-output-and-stays", "stops-its-watcher", "fork-bomb",
    "memory-by-spinning-children", "socket-buffers", "writes-elsewhere", "other-sockets", "settings-of-the-kernel",
    "regains-privileges", "markup-in-a-complaint",
}  # fmt: skip
SUFFIX = ", bubblewrap"
PAIRS = [
    (identity, case)
    for identity in IDENTITIES
    for case in CASES
    if identity == IDENTITIES[0] or case in HOSTILE or case.name not in READ_ALIKE
]
if shutil.which("bwrap"):
    PAIRS += [(identity + SUFFIX, case) for identity in IDENTITIES for case in CASES if case.name in WRAPPED]
RUNS = [pytest.param(identity, case, id=f"{identity}: {case.name}") for identity, case in PAIRS]


# Stands where the system allows no namespaces but to bubblewrap.
WITH_BUBBLEWRAP = """
from bnn_core.classroom.sandbox import launching

ready = launching.WarmSandbox.wait_until_ready

def missing(sandbox):
    if sandbox.protection == "namespaces":
        raise launching.NoSandbox("namespaces")
    ready(sandbox)

launching.WarmSandbox.wait_until_ready = missing
"""


@dataclass
class Grading:
    """A graded class of all cases."""

    rows: dict[str, dict[str, Any]]
    report: Path
    errors: str
    changed: set[str]
    left_over: list[str]


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def gradings() -> dict[str, Grading]:
    return {}


@pytest.fixture
def grading(request: pytest.FixtureRequest, gradings: dict[str, Grading], open_folder: Path) -> Grading:
    """The grading by the identity that the test names, done once."""
    identity = request.param
    if identity not in gradings:
        cases = [case for other, case in PAIRS if other == identity]
        gradings[identity] = grade_as(identity, cases, open_folder / identity.replace(" ", "-").replace(",", ""))
    return gradings[identity]


def grade_as(identity: str, cases: list[Case], folder: Path) -> Grading:
    report = folder / "report"
    report.mkdir(parents=True)
    report.chmod(0o777)
    write_class(folder / "class", cases)
    before = snapshot(folder / "class")
    own_children = {child.pid for child in psutil.Process().children(recursive=True)}
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # who loses its parent becomes a child of this process
    try:
        program = (WITH_BUBBLEWRAP if identity.endswith(SUFFIX) else "") + COMMAND
        if identity.startswith(ROOT):  # whose whole control the tests of the command go through
            program = WITH_A_SHORT_CONTROL + program
        command = [sys.executable, "-c", program, "grade", str(folder / "class"), "--output", str(report)]
        command += ["--lesson", "03", *LIMITS]
        result = run_as(identity.removesuffix(SUFFIX), command, timeout=MOST_SECONDS)
        orphans = [child for child in psutil.Process().children(recursive=True) if child.pid not in own_children]
        _, alive = psutil.wait_procs(orphans, timeout=2)
    finally:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert result.returncode == 0, result.stderr
    rows = json.loads((report / "report.json").read_text())["results"]
    changed = set(before.items()) ^ set(snapshot(folder / "class").items())
    return Grading(
        {row["student"]: row for row in rows},
        report,
        result.stderr,
        {name for name, _ in changed},
        list(map(str, alive)),
    )


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What each file of a folder was like."""
    files = {str(path): path.lstat() for path in folder.rglob("*")}
    return {path: (status.st_mode, status.st_size, status.st_mtime_ns) for path, status in files.items()}


@pytest.mark.parametrize(("grading", "case"), RUNS, indirect=["grading"])
def test_gets_the_row_that_it_should(grading: Grading, case: Case) -> None:
    row = grading.rows[case.name]
    text = json.dumps(row, ensure_ascii=False)
    assert row["status"] in case.statuses, row["message"]
    assert case.says in text
    assert FORBIDDEN not in text
    assert len(row["checks"]) > 10
    if case.points == FULL:
        assert row["score"] == row["max_score"]
    elif case.points == NONE:
        assert row["score"] == 0
    else:
        assert row["score"] < row["max_score"]
        passed = sum(check["passed"] for check in row["checks"])
        assert row["score"] == pytest.approx(row["max_score"] * passed / len(row["checks"]), abs=1e-5)


@pytest.mark.parametrize("grading", dict.fromkeys(identity for identity, _ in PAIRS), indirect=True)
def test_leaves_no_process_and_no_trace(grading: Grading) -> None:
    assert grading.left_over == []
    assert grading.changed == set()
    said = r"(note: .* missing here: namespaces\n)?Read as .* graded anew, 0 kept from before, in \d+ (s|minutes)\n"
    assert re.fullmatch(said, grading.errors)


@pytest.mark.parametrize("grading", IDENTITIES, indirect=True)
def test_pages_hold_nothing_alive(grading: Grading) -> None:
    page = (grading.report / "markup-in-a-complaint" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    for path in grading.report.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        if path == grading.report / "index.html":  # the class page has a script of the course's own, and no other
            text, scripts = re.subn(re.escape(f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>"), "", text)
            assert scripts == 1
        for dead in ("<script", "<img", "onerror=alert(1)>", "\x1b", "\u202e", "\x00", 'href="javascript', 'src="'):
            assert dead not in text.lower().replace("&lt;script", ""), path


@pytest.mark.skipif(not IS_ROOT, reason="only root can make a control group")
def test_roots_sandbox_is_bounded_as_a_whole() -> None:
    from bnn_core.classroom.sandbox.launching import WarmSandbox

    with WarmSandbox() as sandbox:
        sandbox.wait_until_ready()
        sandbox.bound_memory(3 << 30)
        if sandbox._group is None:
            pytest.skip("no control group can be made here")
        folder = sandbox._group.folder
        members = (folder / "cgroup.procs").read_text().split()
        assert len(members) == 2
        assert any(
            str(3 << 30) in (folder / name).read_text()
            for name in ("memory.limit_in_bytes", "memory.max")
            if (folder / name).exists()
        )
    assert not folder.exists()

"""What holds inside the sandbox, in each kind of isolation: what can be seen and imported, as whom the code runs, and
that it ends.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from classroom.people import IS_ROOT

from bnn_core.answers.program import Block, Program
from bnn_core.classroom import control
from bnn_core.classroom.control import NotProven, prove
from bnn_core.classroom.sandbox import launching, worker
from bnn_core.classroom.sandbox.control_group import MemoryGroup
from bnn_core.classroom.sandbox.isolation import NOBODY, view_of
from bnn_core.classroom.sandbox.launching import (
    Limits,
    OnlyRootCanRead,
    SandboxLost,
    WarmSandbox,
    ready_sandbox,
)
from bnn_core.classroom.sandbox.remote import Conversation, LearnerGone

linux = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")
with_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
IN_EVERY_MODE = [
    pytest.param("namespaces", marks=linux),
    pytest.param("bubblewrap", marks=[linux, with_bubblewrap]),
    "none",
]
SHUT_IN = IN_EVERY_MODE[:2]
LIMITS = Limits(seconds=20.0, call_seconds=10.0)


@contextmanager
def sandbox(protection: str, hidden: tuple[Path, ...] = ()) -> Iterator[WarmSandbox]:
    with WarmSandbox(hidden, protection) as one:
        one.wait_until_ready()
        yield one


def conversation(one: WarmSandbox, files: Mapping[str, bytes] | None = None, limits: Limits = LIMITS) -> Conversation:
    return Conversation(one.start(limits, limits.seconds, files or {}), limits.seconds, limits.call_seconds)


def run(one: WarmSandbox, code: str, files: Mapping[str, bytes] | None = None, limits: Limits = LIMITS) -> None:
    """Run the code inside; what it raises there is raised here."""
    talk = conversation(one, files, limits)
    try:
        errors = talk.load(whole(code), []).errors
    finally:
        talk.end()
    assert errors == []


def whole(code: str) -> Program:
    """All of the code, as one statement of one cell."""
    indented = "".join(f"    {line}\n" for line in code.strip().splitlines())
    return Program((Block("cell 1", (0,)),), {"cell 1": f"if True:\n{indented}"})


@pytest.fixture(scope="module", params=IN_EVERY_MODE)
def one(request: pytest.FixtureRequest) -> Iterator[WarmSandbox]:
    """A sandbox of each kind."""
    with sandbox(request.param) as ready:
        yield ready


HANDED_IN = {
    "my_layers.py": b"import numbers_of_mine.more\nVALUE = numbers_of_mine.more.VALUE",
    "numbers_of_mine/more.py": b"VALUE = 7",
    "data/table.csv": b"1,2\n",
    "binary.npy": bytes(range(256)),
    "bnn_core/__init__.py": b"from bnn_core.gaussian import one",
    "bnn_core/gaussian.py": b"one = 1",
}
USES_WHAT_WAS_HANDED_IN = """
import bnn_core, my_layers
assert (my_layers.VALUE, bnn_core.one) == (7, 1)
assert open("data/table.csv").read() == "1,2\\n"
assert open("binary.npy", "rb").read() == bytes(range(256))
open("of my own.txt", "w").close()
"""
CANNOT_CHANGE_THE_COURSE = """
import bnn_core
for path in (bnn_core.__file__, bnn_core.__file__ + ".new"):
    try:
        open(path, "a")
    except OSError:
        continue
    raise AssertionError(path)
"""
IS_NOBODY_OF_THE_GRADERS = """
import os
uid_map = [tuple(map(int, line.split())) for line in open("/proc/self/uid_map")]
real = [outside + os.getuid() - inside for inside, outside, count in uid_map if inside <= os.getuid() < inside + count]
assert 0 not in (*real, *os.getresuid(), *os.getresgid(), *os.getgroups()), (real, os.getresuid())
"""


def test_what_was_handed_in_can_be_imported_and_the_course_not_changed(one: WarmSandbox) -> None:
    code = USES_WHAT_WAS_HANDED_IN
    code += CANNOT_CHANGE_THE_COURSE if one.protection != "none" else ""
    code += IS_NOBODY_OF_THE_GRADERS if IS_ROOT else ""
    run(one, code, HANDED_IN)


@pytest.mark.parametrize("path", ["../outside.txt", "/tmp/outside.txt", "bnn_core/../../outside.txt", "."])
def test_nothing_is_written_outside(one: WarmSandbox, path: str) -> None:
    with pytest.raises(SandboxLost, match="no path inside"):
        run(one, "pass", {path: b""})


@pytest.mark.skipif(not IS_ROOT, reason="only root's processes have another owner than root")
def test_roots_submissions_run_as_nobody(one: WarmSandbox) -> None:
    """Outside the sandbox too they would own nothing."""
    talk = conversation(one)
    owners = [process.uids() for process in psutil.Process(one._process.pid).children(recursive=True)]
    talk.end()
    learners = {uids for uids in owners if uids.real != 0}
    assert {uids.real for uids in learners} == {NOBODY}
    assert all(set(uids) == {NOBODY} for uids in learners)


def test_code_ends_that_closes_its_output_and_stops_whom_it_can(one: WarmSandbox) -> None:
    """A time limit needs neither the output, nor the end of what the code has started."""
    code = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 64)
    time.sleep(1000)
os.closerange(1, 3)
for target in map(int, filter(str.isdigit, os.listdir("/proc") if SHUT_IN else ())):
    if target != os.getpid():
        try:
            os.kill(target, signal.SIGSTOP)
        except OSError:
            pass
time.sleep(1000)
""".replace("SHUT_IN", str(one.protection != "none"))
    before = set(psutil.Process(one._process.pid).children(recursive=True))
    talk = conversation(one, limits=replace(LIMITS, call_seconds=0.5))
    began = time.monotonic()
    with pytest.raises(LearnerGone) as gone:
        talk.load(whole(code), [])
    assert gone.value.out_of_time
    assert time.monotonic() - began < 4
    deadline = time.monotonic() + 3
    while left := set(psutil.Process(one._process.pid).children(recursive=True)) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


SPINNERS = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        while True:
            pass
time.sleep(1000)
"""
MAPPERS = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        break
hoard = bytearray(b"x") * (120 << 20)
time.sleep(1000)
"""
FORKERS = """
import os, time
for _ in range(60):
    if os.fork() == 0:
        time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [(SPINNERS, "more of the processor's time"), (MAPPERS, "more memory"), (FORKERS, "more processes")],
    ids=["time", "memory", "processes"],
)
def test_limits_hold_for_all_that_a_submission_starts_together(one: WarmSandbox, code: str, says: str) -> None:
    limits = Limits(seconds=1.0 if code is SPINNERS else 30.0, call_seconds=60.0, memory=300 << 20)
    talk = conversation(one, limits=limits)
    talk.seconds = 60.0
    try:
        errors = talk.load(whole(code), []).errors
        said = errors[0]
    except LearnerGone as gone:
        said = gone.sentence
    talk.end()
    assert says in said or (code is FORKERS and "BlockingIOError" in said)  # where the kernel has refused it


@linux
def test_what_others_take_of_the_processor_is_not_counted() -> None:
    """Four fifths of a second of work beside three others on one processor, with a limit of a second."""
    code = "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 0.8:\n    pass"
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    try:
        with sandbox("namespaces") as one:
            limits = replace(LIMITS, call_seconds=1.0)
            talk = conversation(one, limits=limits)
            others = [subprocess.Popen(spin, preexec_fn=lambda: os.nice(5)) for _ in range(3)]
            began = time.monotonic()
            errors = talk.load(whole(code), []).errors
            took = time.monotonic() - began
            talk.end()
    finally:
        os.sched_setaffinity(0, processors)
        for other in others:
            other.kill()
            other.wait()
    assert errors == []
    assert took > limits.call_seconds


@linux
def test_a_missing_control_group_costs_no_time(tmp_path: Path) -> None:
    began = time.monotonic()
    MemoryGroup(tmp_path / "never made").remove()
    assert time.monotonic() - began < 0.2


def test_no_kind_of_socket_is_needed_that_macos_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SOCK_SEQPACKET", raising=False)
    monkeypatch.setattr(
        launching, "BOOTSTRAP", "import socket\nvars(socket).pop('SOCK_SEQPACKET', None)\n" + launching.BOOTSTRAP
    )
    with sandbox("none") as one:
        run(one, "pass")


# What can be seen.


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder of modules in an awkward place, which this interpreter finds."""
    folder = tmp_path / "a folder with spaces" / "lib"
    folder.mkdir(parents=True)
    (folder / "module_in_an_awkward_place.py").write_text("value = 5")
    os.symlink(tmp_path / "a folder with spaces", tmp_path / "a link")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "a link" / "lib")])
    return folder


@pytest.mark.parametrize("protection", SHUT_IN)
def test_what_can_be_imported_here_can_be_imported_inside(protection: str, library: Path) -> None:
    """Pytest's folder lies below /tmp, which each submission has for itself; the path leads through a link."""
    with sandbox(protection) as one:
        run(
            one,
            f"""
import os
import module_in_an_awkward_place as module
assert module.value == 5
assert os.listdir({str(library.parent)!r}) == ["lib"]
try:
    open(os.path.join({str(library)!r}, "trace"), "w")
except OSError:
    pass
else:
    raise AssertionError("it can be written")
""",
        )


FILES_OF_NOBODYS = """
import os
import module_in_an_awkward_place as module
assert module.value == 5
for change in (lambda path: os.chmod(path, 0o777), lambda path: open(path, "a"), os.remove):
    try:
        change(module.__file__)
    except OSError:
        continue
    raise AssertionError("it can be changed")
"""


@pytest.fixture
def closed_library(library: Path) -> Path:
    """A folder of modules made under umask 077."""
    (library / "module_in_an_awkward_place.py").chmod(0o600)
    library.chmod(0o700)
    return library


@pytest.mark.skipif(not IS_ROOT, reason="only root's submissions run as somebody else")
@linux
def test_what_only_root_can_read_can_be_imported_inside(closed_library: Path) -> None:
    """As in an environment below /root. Where its file system doesn't allow that, it is refused."""
    with WarmSandbox() as one:
        try:
            one.wait_until_ready()
        except OnlyRootCanRead as error:
            pytest.skip(str(error))
        run(one, FILES_OF_NOBODYS)
        assert (closed_library / "module_in_an_awkward_place.py").stat().st_uid == 0


@pytest.mark.skipif(not IS_ROOT, reason="only root's submissions run as somebody else")
@pytest.mark.parametrize("protection", IN_EVERY_MODE[1:])
def test_where_nobody_can_be_let_in_it_says_once_what_to_do(protection: str, closed_library: Path) -> None:
    path = str(closed_library.parent.parent / "a link" / "lib")
    with pytest.raises(OnlyRootCanRead) as error:
        ready_sandbox(WarmSandbox((), protection), (), unsafe=True)
    assert str(error.value).count(f"chmod -R o+rX '{path}'") == 1


@pytest.mark.skipif(not IS_ROOT, reason="only root's submissions run as somebody else")
@pytest.mark.parametrize("protection", IN_EVERY_MODE)
def test_one_library_that_only_root_can_read_is_named(
    protection: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an installation under umask 077 into an environment that others can read. Nothing else about it seems
    wrong: Python takes a folder that it can't list for an empty package.
    """
    (library / "library_of_roots").mkdir()
    (library / "library_of_roots" / "__init__.py").touch()
    (library / "library_of_roots").chmod(0o700)
    monkeypatch.setattr(control, "LIBRARIES", ())
    with sandbox(protection) as one, pytest.raises(NotProven, match=r"chmod -R o\+rX '/.*/library_of_roots'"):
        prove(one)


@pytest.mark.parametrize("protection", SHUT_IN)
def test_a_library_that_torch_imports_may_ask_where_to_write(
    protection: str, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As dill does, which many environments hold: it kept the faster sandbox from starting."""
    (library / "dill.py").write_text("import tempfile\nplace = tempfile.mkdtemp()\nextend = lambda *_, **__: None\n")
    found = launching.library_folders()
    monkeypatch.setattr(launching, "library_folders", lambda *_: [str(library), *found])
    with sandbox(protection) as one:
        run(one, "import sys, torch\nassert sys.modules['dill'].place.startswith('/tmp/')")


@pytest.mark.parametrize("protection", SHUT_IN)
def test_of_the_courses_folder_nothing_is_seen_but_what_is_needed(
    protection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the course was cloned below /usr/local/lib, and holds its own environment."""
    course = tmp_path / "lib" / "course"
    installed = course / ".venv" / "lib" / "site-packages"
    for name in (".git/objects/1", "solutions/03.py", "elsewhere.md", "bnn_core/__init__.py"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("what it should be")
    installed.mkdir(parents=True)
    (installed / "library_of_the_course.py").write_text("value = 6")
    found = launching.library_folders()
    monkeypatch.setattr(launching, "library_folders", lambda *_: [*found, str(installed)])
    monkeypatch.setattr(launching, "SYSTEM_LIBRARIES", (*launching.SYSTEM_LIBRARIES, str(tmp_path / "lib")))
    monkeypatch.setattr(launching, "PACKAGE", course / "bnn_core")
    (tmp_path / "lib" / "report").mkdir()
    (tmp_path / "lib" / "report" / "results.jsonl").touch()
    with sandbox(protection, (tmp_path / "lib" / "report", tmp_path / "lib" / "course" / "solutions")) as one:
        run(
            one,
            f"""
import os, library_of_the_course
assert library_of_the_course.value == 6
seen = [name for _, _, files in os.walk({str(tmp_path)!r}) for name in files if not name.endswith(".pyc")]
assert seen == ["library_of_the_course.py"], seen
""",
        )


def test_a_view_shows_parents_first_and_nothing_twice(tmp_path: Path) -> None:
    for name in ("py/lib/python3/site-packages", "elsewhere/packages", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "py/lib/python3/linked").symlink_to(tmp_path / "elsewhere/packages")
    readable = [tmp_path / "py/lib/python3/site-packages", tmp_path / "py/lib", tmp_path / "py/lib/python3/linked"]
    view = view_of(map(str, readable), [str(tmp_path / "py/lib/python3"), str(tmp_path / "secret")])
    assert [path for path, _ in view.private] == [str(tmp_path / "py/lib"), str(tmp_path / "elsewhere/packages")]
    assert view.shown == []
    assert view.covered == [str(tmp_path / "py/lib/python3")]
    assert [path for path, _ in view.uncovered] == [str(readable[2]), str(readable[0])]


@linux
def test_the_control_passes_and_names_what_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox("namespaces") as one:
        prove(one)
    monkeypatch.setattr(control, "LIBRARIES", ("scipy.stats",))
    (packages,) = [path for path in launching.library_folders() if os.path.isdir(os.path.join(path, "scipy"))]
    with sandbox("namespaces", (Path(packages) / "scipy",)) as one, pytest.raises(NotProven) as error:
        prove(one)
    assert "scipy" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_rehearsal_leaves_no_trace_in_what_learners_code_draws() -> None:
    before = torch.get_rng_state()
    worker.rehearse()
    assert torch.equal(torch.get_rng_state(), before)

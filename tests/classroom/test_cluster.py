"""Grading on a Dask cluster: the report is one machine's, whatever becomes of a worker, and who can't grade as this
machine does is given nothing. Most of it runs on a scheduler in this process whose worker's station is replaced; one
test runs on processes, a sandbox in each.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from classroom.notebooks import CASES, LESSON, cells, write_class
from classroom.people import COURSE
from click.testing import CliRunner
from nbformat import v4
from zoo.bayesian_linear import BASE as RIGHT

from bnn_core.answers.notebook import Unreadable
from bnn_core.classroom import crew
from bnn_core.classroom.cluster import on_worker, scheduler
from bnn_core.classroom.cluster.packing import Packer, Task, packed, unpacked
from bnn_core.classroom.cluster.scheduler import Cluster, NoCluster
from bnn_core.classroom.crew import Assignment
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.sandbox.launching import Limits, WarmSandbox
from bnn_core.classroom.sandbox.reading import read_answer
from bnn_core.classroom.submissions import Submission, find_submissions
from bnn_core.classroom.versions import machine
from bnn_core.course.command_line import main
from bnn_core.lesson_files import Course, notebook_text

distributed = pytest.importorskip("distributed", reason="Dask isn't installed: pip install 'bnn-course[cluster]'")

ASSIGNMENT = Assignment(Limits(), 5, (), unsafe=False)


def notebook(source: str) -> str:
    return notebook_text(v4.new_notebook(cells=[v4.new_code_cell(source, id="one")]))


def submissions_in(folder: Path) -> list[Submission]:
    return list(find_submissions(folder, [LESSON], LESSON).submissions)


def hand_in(folder: Path, *students: str) -> list[Submission]:
    for student in students:
        (folder / student).mkdir(parents=True)
        (folder / student / f"{LESSON}.ipynb").write_text(notebook(f"# by {student}\n{RIGHT}"), encoding="utf-8")
    return submissions_in(folder)


# A submission as bytes


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", [f"{LESSON}.ipynb", f"{LESSON}.py", f"{'é' * 60} 03_bayesian_linear.ipynb.json"])
def test_a_packed_submission_reads_as_it_did(tmp_path: Path, name: str, zipped: bool) -> None:
    home = tmp_path / "class"
    beside = home / "Zoë O'Neil" / "data"
    beside.mkdir(parents=True)
    is_script = name.endswith(".py")
    text = f"# %%\nimport helper\n{RIGHT}" if is_script else notebook(f"import helper\n{RIGHT}")
    (home / "Zoë O'Neil" / name).write_text(text, encoding="utf-8")
    (home / "Zoë O'Neil" / "helper.py").write_text("x = 1\n")
    (beside / "numbers.bin").write_bytes(bytes(range(256)))
    if zipped:
        home = Path(shutil.make_archive(str(tmp_path / "all"), "zip", home))
    (one,) = submissions_in(home)
    assert one.path is not None
    content = packed(Task(one, Limits(seconds=7.0), 11))
    shutil.rmtree(tmp_path / "class")
    far = tmp_path / "far"
    far.mkdir()
    task = unpacked(content, far / "submission.zip")
    there = task.submission
    assert there.path is not None
    assert (task.limits, task.run_seed) == (Limits(seconds=7.0), 11)
    places = {"path": None, "home": Path(), "files": ()}
    assert replace(there, **places) == replace(one, **places)
    answer = read_answer(there.path, there.home, LESSON, dict(there.files))
    assert answer.files == {"helper.py": b"x = 1\n", "data/numbers.bin": bytes(range(256))}
    assert "BayesianLinear" in answer.program.defined
    assert [path.name for path in far.iterdir()] == ["submission.zip"], "nothing is unpacked"


def test_what_can_not_be_read_is_not_packed(tmp_path: Path) -> None:
    (one,) = hand_in(tmp_path, "ada")
    assert one.path is not None
    with Packer([Task(one, Limits(), 1)]) as packer:
        assert packer.packed(0)
        one.path.unlink()
        with pytest.raises(Unreadable, match="no such file"):
            packer.packed(0)
        one.path.symlink_to("/etc/passwd")
        with pytest.raises(Unreadable, match="link"):
            packer.packed(0)


# Who gets what, on a scheduler in this process


class Worker:
    """What the workers' stations say and do. graded: how often each submission came; beside: how many were being graded
    when it last was, itself included.
    """

    def __init__(self) -> None:
        self.about: dict[str, Any] = {"machine": machine(Course()), "refusal": ""}
        self.graded: Counter[str] = Counter()
        self.beside: dict[str, int] = {}
        self._now = 0

    def result(self, student: str) -> Graded:
        return Graded([{"student": student}])

    def grade(self, task: bytes) -> bytes:
        student = json.loads(task.partition(b"\n")[0])["submission"]["student"]
        self.graded[student] += 1
        self._now += 1
        self.beside[student] = self._now
        time.sleep(0.02)
        self.beside[student] = max(self.beside[student], self._now)
        self._now -= 1
        return json.dumps(asdict(self.result(student))).encode()

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on it answers in place of every station."""
        worker = self

        class Station:
            def __init__(self, limits: str) -> None:
                self.limits, self.about = limits, worker.about

            def grade(self, task: bytes, seconds: float) -> bytes:
                return worker.grade(task)

            def close(self) -> None:
                """There is nothing to close."""

        monkeypatch.setattr(on_worker, "Station", Station)
        monkeypatch.setattr(on_worker, "_idle", [])


@contextmanager
def workers_in_this_process(count: int) -> Iterator[Any]:
    """A cluster. Its workers add a folder of theirs to the path for modules, which would be seen in later sandboxes."""
    before = list(sys.path)
    with distributed.LocalCluster(
        n_workers=count, threads_per_worker=1, processes=False, dashboard_address=":0", protocol="tcp"
    ) as cluster:
        yield cluster
    sys.path[:] = before


@pytest.fixture(scope="module")
def small_cluster() -> Iterator[Any]:
    with workers_in_this_process(2) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "GLANCE", 0.1)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    made.take_over(monkeypatch)
    return made


def all_graded(address: str, submissions: list[Submission], said: list[str] | None = None) -> dict[str, Any]:
    """By student the only result."""
    found: dict[str, Any] = {}
    cluster = Cluster(address, say=(said if said is not None else []).append)
    for position, graded in cluster.grade_all(submissions, ASSIGNMENT):
        assert submissions[position].student not in found
        found[submissions[position].student] = graded.rows[0]
    return found


def test_everyone_has_one_result_and_what_has_nothing_to_run_stays_here(
    small_cluster: Any, worker: Worker, tmp_path: Path
) -> None:
    hand_in(tmp_path, *(f"s{number}" for number in range(9)))
    (tmp_path / "nobody").mkdir()
    submissions = submissions_in(tmp_path)
    found = all_graded(small_cluster.scheduler_address, submissions)
    assert len(found) == len(submissions) == 10
    assert worker.graded == {f"s{number}": 1 for number in range(9)}
    assert found["nobody"]["status"] == "not_attempted"


class Disturbed(Worker):
    def result(self, student: str) -> Graded:
        return Graded([{"student": student}], disturbed=student in ("s1", "s4"))


class Failing(Worker):
    def result(self, student: str) -> Graded:
        if student == "s2":
            raise on_worker.StationLost("it has ended")
        return super().result(student)


@pytest.mark.parametrize("kind", [Disturbed, Failing])
def test_what_went_wrong_is_graded_again_alone(
    small_cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[Worker]
) -> None:
    made = kind()
    made.take_over(monkeypatch)
    found = all_graded(small_cluster.scheduler_address, hand_in(tmp_path, *(f"s{number}" for number in range(6))))
    assert len(found) == 6
    if kind is Disturbed:
        assert {student for student, times in made.graded.items() if times == 2} == {"s1", "s4"}
        assert made.beside["s1"] == made.beside["s4"] == 1
    else:
        assert made.graded["s2"] == 2 * (1 + scheduler.RETRIES), "each time with what Dask tries again"
        assert found["s2"]["status"] == "error"
        assert "look at it by hand" in found["s2"]["message"]
        assert all("status" not in row for student, row in found.items() if student != "s2")


@pytest.mark.parametrize(
    ("machine_of", "refusal", "says"),
    [
        ({"course code": "another"}, "", "it has another course code than this machine"),
        ({"Python or set of packages": "another"}, "", "it has another Python or set of packages than this machine"),
        ({}, "nothing there can shut submitted code in: no namespaces", "no namespaces"),
    ],
)
def test_when_no_worker_can_grade_it_is_one_line(
    small_cluster: Any, worker: Worker, tmp_path: Path, machine_of: dict[str, str], refusal: str, says: str
) -> None:
    worker.about = {"machine": machine(Course()) | machine_of, "refusal": refusal}
    hand_in(tmp_path / "class", "ada")
    address, report = small_cluster.scheduler_address, tmp_path / "report"
    result = CliRunner().invoke(
        main, ["grade", str(tmp_path / "class"), "--output", str(report), "--scheduler", address]
    )
    assert result.exit_code == 2
    *told, line = result.output.splitlines()
    assert f"no worker of {address} can grade" in line
    assert says in line
    assert len(told) == 2, "each worker is named"
    assert all("does not grade" in line and says in line for line in told)
    assert worker.graded == {}


def test_who_can_not_grade_is_named_and_the_work_goes_to_the_others(
    small_cluster: Any, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = threading.Event()
    graders: set[object] = set()
    usual = on_worker.Station

    def station(limits: str) -> Any:
        name = distributed.get_worker().name
        made = usual(limits)
        if name == 0:
            made.about = worker.about | {"refusal": "nothing there can shut submitted code in: no namespaces"}
            refused.set()
        else:
            refused.wait(30)
            graders.add(name)
        return made

    monkeypatch.setattr(on_worker, "Station", station)
    said: list[str] = []
    submissions = hand_in(tmp_path, *(f"s{number}" for number in range(9)))
    assert len(all_graded(small_cluster.scheduler_address, submissions, said)) == 9
    assert graders == {1}
    (line,) = said
    assert line.startswith("worker 0 at ")
    assert line.endswith("does not grade: nothing there can shut submitted code in: no namespaces")


def test_a_worker_without_the_course_is_given_nothing(
    small_cluster: Any, worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'bnn_core'")

    monkeypatch.setattr(on_worker, "Station", missing)
    with pytest.raises(NoCluster, match="it has not this course: No module named 'bnn_core'"):
        all_graded(small_cluster.scheduler_address, hand_in(tmp_path, "ada"))


def test_a_scheduler_without_workers_is_waited_for_and_then_given_up(
    worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PATIENCE", 0.5)
    with (
        workers_in_this_process(0) as cluster,
        pytest.raises(NoCluster, match="has had no worker for"),
    ):
        all_graded(cluster.scheduler_address, hand_in(tmp_path, "ada"))


def test_workers_that_come_late_are_given_work_too(worker: Worker, tmp_path: Path) -> None:
    with workers_in_this_process(0) as cluster:
        submissions = hand_in(tmp_path, "ada", "bo")
        grading = Cluster(cluster.scheduler_address, say=print).grade_all(submissions, ASSIGNMENT)
        cluster.scale(1)
        assert len(list(grading)) == 2


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "", "tcp://nowhere.invalid:8786"])
def test_where_no_scheduler_answers_it_is_one_line(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "TIME_TO_ANSWER", 0.5)
    hand_in(tmp_path / "class", "ada")
    result = grade_on(address, tmp_path)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert f"no scheduler answers at {address}" in line
    assert not (tmp_path / "report").exists()


def test_without_dask_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    hand_in(tmp_path / "class", "ada")
    result = grade_on("tcp://127.0.0.1:1", tmp_path)
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "pip install 'bnn-course[cluster]'" in line


def test_unsafe_is_for_this_machine_alone(tmp_path: Path) -> None:
    hand_in(tmp_path / "class", "ada")
    result = grade_on("tcp://127.0.0.1:1", tmp_path, "--unsafe")
    assert result.exit_code == 2
    assert "--unsafe is for this machine alone" in result.output


def grade_on(address: str, folder: Path, *options: str) -> Any:
    arguments = ["grade", str(folder / "class"), "--output", str(folder / "report"), "--scheduler", address]
    return CliRunner().invoke(main, [*arguments, *options])


# The station beside a worker


def test_a_station_that_hangs_or_ends_is_lost_and_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import json, sys, time; from multiprocessing.connection import Connection as C; c = C(int(sys.argv[1]));"
        "c.send_bytes(json.dumps({'refusal': '', 'limits': sys.argv[2]}).encode())\n"
        "while True:\n"
        "    task = c.recv_bytes()\n"
        "    if task == b'end': sys.exit()\n"
        "    if task == b'hang': time.sleep(1000)\n"
        "    c.send_bytes(task)\n"
    )
    launch = subprocess.Popen

    def stand_in(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return launch([sys.executable, "-S", "-c", code, *command[-2:]], **options)

    monkeypatch.setattr(on_worker.subprocess, "Popen", stand_in)
    monkeypatch.setattr(on_worker, "_idle", [])
    assert on_worker.about("a") == {"refusal": "", "limits": "a"}
    (first,) = on_worker._idle
    assert on_worker.graded(b"one", "a", 30.0) == b"one"
    assert on_worker._idle == [first], "it is kept warm"
    for task, seconds in ((b"end", 30.0), (b"hang", 0.1)):
        with pytest.raises(on_worker.StationLost):
            on_worker.graded(task, "a", seconds)
        assert on_worker._idle == []
        assert on_worker.graded(b"two", "a", 30.0) == b"two"
    assert on_worker.about("b")["limits"] == "b", "one with other limits is another"
    (last,) = on_worker._idle
    last.close()


# Processes, a sandbox in each

LINUX = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("unshare") is None, reason="submissions are shut in on Linux alone"
)
NO_NAMESPACES = [str(shutil.which("unshare")), "--user", "--map-root-user", "/bin/sh", "-c",
                 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]  # fmt: skip


def start(folder: Path, kind: str, *options: str, before: list[str] | None = None, **variables: str) -> Any:
    command = [*(before or []), sys.executable, "-m", "distributed.cli." + kind, *options, "--no-dashboard"]
    log = (folder / f"{kind}{'-'.join(options[-2:]).replace('/', '')}.log").open("w")
    with log:
        return subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
        )


def start_worker(folder: Path, name: str, before: list[str] | None = None, **variables: str) -> Any:
    there = ["--scheduler-file", str(folder / "scheduler.json"), "--nthreads", "1", "--no-nanny"]
    return start(folder, "dask_worker", *there, "--name", name, before=before, **variables)


def other_course(folder: Path) -> str:
    """A copy of the package that differs in a comment."""
    shutil.copytree(COURSE / "bnn_core", folder / "bnn_core", ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "bnn_core" / "gaussian.py").open("a") as file:
        file.write("# another version\n")
    return str(folder)


@LINUX
def test_the_report_is_one_machines_though_a_worker_is_killed_and_others_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_class(tmp_path / "class", [case for case in CASES if case.name in ("plain", "wrong", "not-json")])
    for number in range(6):
        home = tmp_path / "class" / f"s{number}"
        home.mkdir()
        cells(f"# {number}\n{RIGHT}")(home)
    submissions = submissions_in(tmp_path / "class")
    processes = [start(tmp_path, "dask_scheduler", "--port", "0", "--scheduler-file", "scheduler.json")]
    try:
        victim = start_worker(tmp_path, "victim")
        processes += [victim, start_worker(tmp_path, "survivor")]
        processes += [start_worker(tmp_path, "bare", NO_NAMESPACES, PATH="/no/bubblewrap")]
        processes += [start_worker(tmp_path, "other", PYTHONPATH=other_course(tmp_path / "other"))]
        address, about = warmed_up(tmp_path / "scheduler.json", ["victim", "survivor", "bare", "other"])
        said: list[str] = []
        found: dict[int, Graded] = {}
        for position, graded in Cluster(address, said.append).grade_all(submissions, ASSIGNMENT):
            assert position not in found
            found[position] = graded
            if len(found) == 3:
                victim.send_signal(signal.SIGKILL)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "dask-scratch-space" not in path])
    sandbox = WarmSandbox()
    sandbox.wait_until_ready()
    here = dict(crew.grade_all(submissions, ASSIGNMENT, 2, sandbox))
    assert {position: shown(graded) for position, graded in found.items()} == {
        position: shown(graded) for position, graded in here.items()
    }
    assert {line.split()[1] for line in said} <= {"bare", "other"}
    assert "shut submitted code in" in about["bare"]["refusal"]
    assert about["bare"]["machine"] == machine(Course())
    assert about["other"]["machine"]["course code"] != machine(Course())["course code"]
    assert not about["victim"]["refusal"] + about["survivor"]["refusal"]


def shown(graded: Graded) -> Any:
    """All of a result that a report shows."""
    fields = {name: value for name, value in asdict(graded).items() if name not in ("seconds", "disturbed")}
    return json.loads(json.dumps(fields))


def warmed_up(scheduler_file: Path, names: list[str]) -> tuple[str, dict[str, Any]]:
    """The scheduler's address, once these workers are there and have started their stations; and what these say."""
    deadline = time.monotonic() + 120
    while not scheduler_file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    address = str(json.loads(scheduler_file.read_text())["address"])
    with distributed.Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(len(names), timeout=120)
        limits = json.dumps(asdict(ASSIGNMENT.limits))
        asked = [client.submit(on_worker.about, limits, workers=[name], pure=False) for name in names]
        return address, {name: future.result(timeout=300) for name, future in zip(names, asked, strict=True)}

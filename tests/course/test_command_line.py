"""The command line: what a person reads, and the exit status that a script reads."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import nbformat
import pytest
from click.testing import CliRunner, Result
from zoo import bayesian_linear as zoo

from bnn_core.autograder.exercises import EXERCISES as REAL_EXERCISES
from bnn_core.course import lab
from bnn_core.course.command_line import main
from bnn_core.course.lesson_source import build_notebooks
from bnn_core.guesses import FILE
from bnn_core.lesson_files import Course, cells_with_role, named_in_calls, notebook_text, read_notebook

from .conftest import EXERCISES, LESSON, require_refusal, source_of_own

LAYER = "03_bayesian_linear"
WRONG = next(wrong for wrong in zoo.WRONG if wrong.misconception == "kl-std-for-variance")
CODE = {
    "stub": None,
    "wrong": WRONG.source,
    "right": zoo.BASE,
    "broken": "class BayesianLinear(Nothing): ...",
    "no Python": "class BayesianLinear(nn.Module):\n    x = = 3",
}


def run(course: Course, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--course", str(course.root), *arguments])


def commands_of(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands_of(command, *path, name)


@pytest.mark.parametrize("command", list(commands_of(main)), ids=" ".join)
def test_help_breaks_no_line_within_what_is_to_be_typed(command: tuple[str, ...]) -> None:
    for width in (66, 72, 80):
        result = CliRunner().invoke(main, [*command, "--help"], terminal_width=width)
        assert result.exit_code == 0
        assert not [line for line in result.output.splitlines() if line.endswith("-")]
        assert "\N{NON-BREAKING HYPHEN}" not in result.output


def write(course: Course, code: str | None) -> Path:
    """Puts the code into the exercise's cell, as a learner would."""
    path = course.learner_notebook(LAYER)
    notebook = read_notebook(path)
    if code is not None:
        next(cells_with_role(notebook, "exercise")).source = code
    path.write_text(notebook_text(notebook), encoding="utf-8")
    return path


@pytest.fixture
def layer_course(tmp_path: Path) -> Course:
    """A course with lesson 03 alone, its notebook as the learner finds it."""
    course = Course(tmp_path)
    own = source_of_own(LAYER)
    course.solutions.mkdir()
    course.source(LAYER).write_bytes(own.read_bytes())
    learner, _ = build_notebooks(course.source(LAYER), REAL_EXERCISES)
    course.lessons.mkdir()
    course.learner_notebook(LAYER).write_text(notebook_text(learner), encoding="utf-8")
    return course


@pytest.fixture
def small_exercises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bnn_core.autograder.exercises.EXERCISES", EXERCISES)


def in_a_fresh_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from bnn_core.course.command_line import main; main(['--help'], standalone_mode=False);"
    done = in_a_fresh_python(
        code + "slow = {'torch', 'nbformat', 'jupyterlab'} & set(sys.modules); assert not slow, slow"
    )
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("lab", "check", "progress", "build"))


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bnn_core", "--version"], capture_output=True, text=True)
    assert re.fullmatch(r"bnn-course \d+\.\d+\.\d+\n", done.stdout)


# check


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("stub", 1, "BayesianLinear: not attempted"),
        ("wrong", 1, "✗ the KL is the closed form"),
        ("right", 0, "checks passed"),
        ("broken", 1, "name 'Nothing' is not defined"),
        ("no Python", 1, "isn't valid Python (line 2: invalid syntax).\n"),
    ],
)
def test_check_says_what_came_of_each_exercise(layer_course: Course, code: str, status: int, words: str) -> None:
    path = write(layer_course, CODE[code])
    result = run(layer_course, "check", str(path))
    assert result.exit_code == status, result.output
    assert words in result.output


def test_check_takes_a_lessons_number_and_several_notebooks(layer_course: Course, tmp_path: Path) -> None:
    right = tmp_path / f"{LAYER}.ipynb"
    right.write_bytes(write(layer_course, CODE["right"]).read_bytes())
    write(layer_course, CODE["wrong"])
    result = run(layer_course, "check", str(right), "3")
    assert result.exit_code == 1
    assert "all " in result.output
    assert "✗" in result.output


def folder(tmp_path: Path) -> Path:
    return tmp_path


def missing(tmp_path: Path) -> Path:
    return tmp_path / "missing.ipynb"


def no_notebook(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("Dear instructor,\nmy notebook is ready.\n", encoding="utf-8")
    return path


def no_lesson(tmp_path: Path) -> Path:
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


def assert_one_line_and_exit_2(result: Result) -> None:
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: .+; .+\n", result.output), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("bad", [folder, missing, no_notebook, no_lesson])
def test_check_of_no_notebook_is_one_line_that_says_what_to_do(layer_course: Course, tmp_path: Path, bad: Any) -> None:
    assert_one_line_and_exit_2(run(layer_course, "check", str(bad(tmp_path))))


@pytest.mark.parametrize("command", ["check", "lab", "build"])
def test_a_lesson_that_does_not_exist_is_one_line_that_lists_those_that_do(layer_course: Course, command: str) -> None:
    result = run(layer_course, command, "17_nothing")
    assert_one_line_and_exit_2(result)
    assert LAYER in result.output


@pytest.mark.parametrize("command", ["check", "lab"])
def test_a_lesson_that_is_not_built_is_one_line_that_says_how_to(layer_course: Course, command: str) -> None:
    layer_course.learner_notebook(LAYER).unlink()
    result = run(layer_course, command, LAYER)
    assert_one_line_and_exit_2(result)
    assert f"bnn-course build {LAYER}" in result.output


@pytest.mark.parametrize("command", ["progress", "lab", "build", "build --check", "check 3"])
def test_a_folder_that_is_no_course_is_one_line(tmp_path: Path, command: str) -> None:
    assert_one_line_and_exit_2(run(Course(tmp_path), *command.split()))


@pytest.mark.parametrize("wanted", [LAYER, "03", "3", "bayesian_linear", f"lessons/{LAYER}.ipynb"])
def test_a_lesson_has_many_names(layer_course: Course, wanted: str) -> None:
    assert layer_course.find(wanted) == LAYER


def test_a_course_handed_out_without_its_sources_works(layer_course: Course) -> None:
    write(layer_course, CODE["right"])
    shutil.copy(layer_course.learner_notebook(LAYER), layer_course.lessons / f"{LAYER}-Copy1.ipynb")
    shutil.rmtree(layer_course.solutions)
    assert layer_course.names() == [LAYER]
    assert run(layer_course, "check", "3").exit_code == 0
    assert "1 of 1 exercises solved" in run(layer_course, "progress").output
    assert_one_line_and_exit_2(run(layer_course, "build", "3"))
    assert "no sources" in run(layer_course, "check", "5").output


@pytest.mark.parametrize("arguments", [["build"], ["build", "--check"], ["build", "--force"]])
def test_a_build_without_sources_says_so_and_leaves_everything(course: Course, arguments: list[str]) -> None:
    shutil.rmtree(course.solutions)
    before = {path: path.read_bytes() for path in course.root.rglob("*") if path.is_file()}
    result = run(course, *arguments)
    assert_one_line_and_exit_2(result)
    assert "has no sources" in result.output
    assert {path: path.read_bytes() for path in course.root.rglob("*") if path.is_file()} == before


ODD = [
    "--course|", "--course||build", "--course|/nowhere|build", "nothing", "--nothing", "check", "check|", "check|-",
    "check|/", "check|a\0b", f"check|{'x' * 300}", "check|\udcff.ipynb", "check|\x1b[2J\u202e.ipynb", "check|/dev/zero",
    "check|3|--timeout|nan", "progress|x", "build|", "build|../x", "build|--nothing", "lab|", "lab|a\0", "grade",
    "grade||--output|x", "grade|.|--output|", "grade|/dev/zero|--output|x", "grade|.|--output|/dev/null/x",
]  # fmt: skip


@pytest.mark.parametrize("typed", ODD, ids=ascii)
def test_whatever_is_typed_ends_in_one_line(layer_course: Course, typed: str) -> None:
    result = run(layer_course, *typed.split("|"))
    assert result.exit_code == 2
    assert re.fullmatch(r"Error: .+; .+\n", result.output), result.output
    assert not {"\x1b", "\u202e", "\0"} & set(result.output)


# progress


@pytest.mark.parametrize(
    ("code", "row", "total"),
    [
        ("stub", "· BayesianLinear +not attempted", "0 of 1"),
        ("wrong", r"· BayesianLinear +\d+ of \d+ checks passed", "0 of 1"),
        ("right", "✓ BayesianLinear +solved", "1 of 1"),
        ("broken", "· BayesianLinear +raises an error", "0 of 1"),
    ],
)
def test_progress_shows_what_is_solved(layer_course: Course, code: str, row: str, total: str) -> None:
    write(layer_course, CODE[code])
    result = run(layer_course, "progress")
    assert result.exit_code == 0
    assert re.search(f"{LAYER} +{row}", result.output), result.output
    assert f"{total} exercises solved" in result.output


def test_progress_shows_how_many_guesses_were_made_and_what_is_next(layer_course: Course) -> None:
    path = write(layer_course, CODE["stub"])
    notebook = read_notebook(path)
    asked = 'guess("one", "?", "ab")\nguess("two", "?", "ab")'
    notebook.cells = [cell for cell in notebook.cells if not named_in_calls(cell.source, "guess")]
    notebook.cells.append(nbformat.v4.new_code_cell(asked))
    path.write_text(notebook_text(notebook), encoding="utf-8")
    (layer_course.lessons / FILE).write_text('{"guess": "two", "answer": "b"}\n{"guess": "other", "answer": "b"}')
    output = run(layer_course, "progress").output
    assert re.search(r"\n +guesses +1 of 2 made\n", output), output
    assert f"0 of 1 exercises solved. Next: BayesianLinear, in {LAYER}." in output
    write(layer_course, CODE["right"])
    assert "1 of 1 exercises solved.\n" in run(layer_course, "progress").output


def test_progress_goes_on_after_a_notebook_that_can_not_be_read(layer_course: Course) -> None:
    layer_course.learner_notebook(LAYER).write_text("", encoding="utf-8")
    result = run(layer_course, "progress")
    assert result.exit_code == 0
    assert "empty" in result.output


# build


@pytest.mark.usefixtures("small_exercises")
def test_build_check_lists_what_differs(course: Course) -> None:
    assert run(course, "build", "--check").exit_code == 0
    course.learner_notebook(LESSON).unlink()
    result = run(course, "build", "--check")
    assert result.exit_code == 1
    assert f"lessons/{LESSON}.ipynb is missing" in result.output
    assert run(course, "build").exit_code == 0
    assert run(course, "build", "--check").exit_code == 0


@pytest.mark.usefixtures("small_exercises")
def test_a_refused_source_does_not_hold_up_the_others(course: Course) -> None:
    course.learner_notebook(LESSON).unlink()
    course.source("00_broken").write_text("# %%\n1\n", encoding="utf-8")
    result = run(course, "build")
    assert result.exit_code == 1
    assert "00_broken: the cell that begins '1' needs exactly one of the tags" in result.output
    assert course.learner_notebook(LESSON).exists()


# lab


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize(("user", "display", "expected"), [(0, ":0", False), (1000, ":0", True), (1000, "", False)])
def test_a_browser_opens_where_there_is_a_screen(
    monkeypatch: pytest.MonkeyPatch, user: int, display: str, expected: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert lab.has_screen() is expected


def test_the_first_visit_opens_the_first_lesson_and_later_ones_what_was_open(course: Course) -> None:
    assert lab.first_to_open(course) == LESSON
    (course.root / lab.WORKSPACES).mkdir(parents=True)
    assert lab.first_to_open(course) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C can't be sent to one process there")
def test_lab_serves_on_the_next_free_port_and_stops_cleanly(course: Course) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "bnn_core", "--course", str(course.root), "lab", "1"]
        with subprocess.Popen(
            [*command, "--no-browser", f"--port={port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                match = re.search(r"http://localhost:(\d+)/lab/tree/01_doubling.ipynb\?token=(\w+)$", line)
                assert match, line
                assert int(match[1]) != port
                api = f"http://localhost:{match[1]}/api/contents"
                with urllib.request.urlopen(f"{api}?token={match[2]}", timeout=30) as response:
                    assert [entry["name"] for entry in json.load(response)["content"]] == [f"{LESSON}.ipynb"]
                with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                    urllib.request.urlopen(api, timeout=30)
                refused.value.close()
                process.send_signal(signal.SIGINT)
                assert process.wait(timeout=30) == 0
                assert process.stdout.read() == "Stop it with Ctrl-C.\n"
            finally:
                process.kill()


# lab, where the user has a configuration of Jupyter


@contextlib.contextmanager
def lab_with(course: Course, configuration: dict[str, dict[str, object]], *options: str) -> Iterator[str]:
    """JupyterLab under a user's own configuration, until it is used no more; gives what it said at first."""
    home = course.root / "home"
    home.mkdir()
    (home / "jupyter_server_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    command = [sys.executable, "-m", "bnn_core", "--course", str(course.root), "lab", "1", "--no-browser", *options]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_RUNTIME_DIR": str(home)}
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            said = ""
            for line in process.stdout:
                said += line
                if line.startswith("Stop it"):
                    break
            yield said
        finally:
            process.kill()


def answer_at(said: str) -> tuple[str, str]:
    """The address that was said, and the page that is there, whoever signed its certificate."""
    match = re.search(r"JupyterLab is at  (\S+)", said)
    assert match, said
    trusting = ssl._create_unverified_context()
    with urllib.request.urlopen(match[1], timeout=30, context=trusting) as response:
        return match[1], response.read().decode()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        return int(taken.getsockname()[1])


def test_lab_honours_a_configuration_and_says_what_can_not_hold(course: Course) -> None:
    port = free_port()
    server = {"base_url": "/mine/", "port": port, "preferred_dir": "/", "root_dir": "/", "default_url": "/tree"}
    configuration = {
        "ServerApp": server,
        "IdentityProvider": {"token": "sesame"},
        "FileContentsManager": {"preferred_dir": "/"},
    }
    with lab_with(course, configuration) as said:
        address, page = answer_at(said)
        assert address == f"http://localhost:{port}/mine/lab/tree/{LESSON}.ipynb?token=sesame"
        assert "JupyterLab" in page
        (line,) = [line for line in said.splitlines() if "can't hold here" in line]
        assert all(name in line for name in ("root_dir", "preferred_dir", "default_url"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no certificate can be made here")
def test_lab_serves_with_the_user_s_certificate_and_password(course: Course) -> None:
    key, certificate = (course.root / name for name in ("key.pem", "certificate.pem"))
    make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    subprocess.run(make.split(), check=True, capture_output=True)
    server = {"certfile": str(certificate), "keyfile": str(key), "ip": "127.0.0.1"}
    configuration = {"ServerApp": server, "PasswordIdentityProvider": {"hashed_password": "sha1:0123:4567"}}
    with lab_with(course, configuration, f"--port={free_port()}") as said:
        address, page = answer_at(said)
        assert re.fullmatch(r"https://127.0.0.1:\d+/lab/tree/01_doubling.ipynb", address)
        assert "password" in page
        assert "It asks for the password of your Jupyter configuration." in said


@pytest.mark.parametrize("server", [{"certfile": "/nowhere.pem"}, {"port": "many"}], ids=str)
def test_lab_that_can_not_start_says_why_in_one_line(course: Course, server: dict[str, object]) -> None:
    with lab_with(course, {"ServerApp": server}) as said:
        assert re.fullmatch(r"Error: JupyterLab can't start: .*; mend .*\n", said), said


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "65536"), ("--port", "-1"), ("--port", "nan"), ("--colour", "x")]
)
def test_an_odd_option_of_lab_is_one_line(course: Course, option: str, value: str) -> None:
    assert_one_line_and_exit_2(run(course, "lab", option, value))


@pytest.mark.parametrize("arguments", ["check 3", "lab 3", "lab", "progress", "build", "build --check"])
def test_where_no_course_lies_a_command_says_how_to_name_its_folder(tmp_path: Path, arguments: str) -> None:
    """As after the installation of the package alone."""
    result = run(Course(tmp_path), *arguments.split())
    assert "give the course's folder with --course" in result.output
    require_refusal(result, tmp_path)

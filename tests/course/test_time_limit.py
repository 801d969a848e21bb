"""A notebook's checks from the terminal end, whatever the code in it does, and say where it was."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from nbformat import v4
from zoo import bayesian_linear as zoo

from bnn_core.course.command_line import main
from bnn_core.course.time_limit import check_within
from bnn_core.lesson_files import notebook_text

LESSON = "03_bayesian_linear"
LIMIT = 2.0
FORWARD = "    def forward(self, x):\n"
STOPPED = "BayesianLinear: Your forward took more than 2 s and was stopped, in cell 1, line"


def in_forward(statement: str) -> str:
    assert FORWARD in zoo.BASE
    return zoo.BASE.replace(FORWARD, f"{FORWARD}        {statement}\n", 1)


ENDLESS = {
    "in Python": in_forward("while True: pass"),
    "in C": in_forward("sum(iter(int, 1))"),
    "asleep": in_forward("import time; time.sleep(1000)"),
    "that swallows whatever would end it": in_forward(
        "import itertools\n        for _ in itertools.count():\n            try:\n                while True: pass\n"
        "            except BaseException: pass"
    ),
}
ENDED = {
    "an exit": (in_forward("import os; os._exit(3)"), "Your code ended Python (exit status 3)."),
    "a crash": (in_forward("import os; os.kill(os.getpid(), 11)"), "Your code crashed Python itself (signal 11)."),
    "an interrupt of its own": (in_forward("raise KeyboardInterrupt"), "Your code raised KeyboardInterrupt."),
}


def write(folder: Path, *cells: str, lesson: str = LESSON) -> Path:
    path = folder / f"{lesson}.ipynb"
    notebook = v4.new_notebook(
        cells=[v4.new_code_cell(f"import torch\nfrom torch import nn\n{cell}") for cell in cells]
    )
    path.write_text(notebook_text(notebook), encoding="utf-8")
    return path


@pytest.mark.parametrize("code", ENDLESS.values(), ids=list(ENDLESS))
def test_an_endless_loop_ends_and_is_found(tmp_path: Path, code: str) -> None:
    (report,) = check_within(LIMIT, write(tmp_path, code)).reports
    assert report.status == "timeout"
    assert report.message.startswith(STOPPED)


def test_an_endless_loop_among_the_cells_is_found(tmp_path: Path) -> None:
    code = zoo.BASE.replace(
        "class BayesianLinear(nn.Module):", "class BayesianLinear(nn.Module):\n    while True: pass"
    )
    (report,) = check_within(LIMIT, write(tmp_path, code)).reports
    assert report.status == "timeout"
    assert report.message.startswith("BayesianLinear: Running your cells took more than 2 s and was stopped, in cell 1")


@pytest.mark.skipif(sys.platform == "win32", reason="it knows no signals")
@pytest.mark.parametrize(("code", "sentence"), ENDED.values(), ids=list(ENDED))
def test_code_that_ends_python_has_its_report(tmp_path: Path, code: str, sentence: str) -> None:
    (report,) = check_within(LIMIT, write(tmp_path, code)).reports
    assert (report.status, report.message) == ("error", f"BayesianLinear: {sentence}")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no process can be forked here")
def test_what_the_code_has_forked_ends_with_it_and_holds_nothing_up(tmp_path: Path) -> None:
    forked = tmp_path / "forked"
    statement = f"import os, time; os.fork() or open({str(forked)!r}, 'w').write(str(os.getpid())); time.sleep(1000)"
    path = write(tmp_path, in_forward(statement))
    began = time.monotonic()
    (report,) = check_within(LIMIT, path).reports
    assert report.status == "timeout"
    assert time.monotonic() - began < 30
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(forked.read_text())).wait(timeout=5)


def test_what_is_left_is_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    paths = [write(tmp_path, ENDED["an exit"][0]), write(tmp_path / "other", zoo.BASE)]
    result = CliRunner().invoke(main, ["check", *map(str, paths)])
    assert result.exit_code == 1
    assert "Your code ended Python" in result.output
    assert "checks passed" in result.output


def test_check_and_progress_have_the_limit(tmp_path: Path) -> None:
    (tmp_path / "lessons").mkdir()
    path = write(tmp_path / "lessons", ENDLESS["asleep"])
    check, progress = (
        CliRunner().invoke(main, ["--course", str(tmp_path), *arguments, "--timeout", "2"])
        for arguments in (["check", str(path)], ["progress"])
    )
    assert check.exit_code == 1
    assert STOPPED in check.output
    assert "BayesianLinear               takes too long" in progress.output


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1", "1e9", "much", ""])
@pytest.mark.parametrize("command", ["check 03", "progress"])
def test_an_odd_limit_is_one_line(tmp_path: Path, command: str, value: str) -> None:
    result = CliRunner().invoke(main, ["--course", str(tmp_path), *command.split(), "--timeout", value])
    assert result.exit_code == 2
    (line,) = result.output.splitlines()
    assert "--timeout" in line


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C can't be sent to one process there")
def test_ctrl_c_ends_a_check_and_what_it_started(tmp_path: Path) -> None:
    running = tmp_path / "running"
    code = in_forward(f"import os, time; open({str(running)!r}, 'w').write(str(os.getpid())); time.sleep(1000)")
    command = [sys.executable, "-m", "bnn_core", "check", str(write(tmp_path, code))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (running.exists() and running.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Traceback" not in output + errors
    with pytest.raises(ProcessLookupError):
        os.kill(int(running.read_text()), 0)


def test_a_script_that_checks_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    path = write(tmp_path, zoo.BASE)
    script.write_text(
        f"print('once')\nfrom pathlib import Path\nfrom bnn_core.course.time_limit import check_within\n"
        f"print(check_within(60, Path({str(path)!r})).passed)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["once", "True"], done.stderr


def test_who_waits_for_checks_loads_no_torch() -> None:
    code = "import sys, bnn_core.course.check_formats, bnn_core.course.time_limit; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

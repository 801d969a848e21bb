"""What becomes of a class that hands in all sorts of things, by the command as it is typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from classroom.notebooks import LESSON, RIGHT, WRONG, notebook
from classroom.people import COMMAND, WITH_A_SHORT_CONTROL

from bnn_core.lesson_files import Course

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="submissions are shut in on Linux alone")

OTHER = "06_hidden_layer"


@dataclass
class Graded:
    rows: dict[tuple[str, str], dict[str, Any]]
    errors: str
    report: Path


def hand_in_the_course(home: Path) -> None:
    """A copy of the course, with a wrong answer in one of its lessons."""
    course = Course()
    shutil.copytree(course.root / "bnn_core", home / "bnn_core", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (course.lessons, course.solutions):
        (home / folder.name).mkdir(parents=True)
        for lesson in (LESSON, OTHER):
            shutil.copy(folder / f"{lesson}.ipynb", home / folder.name)
    path = home / "lessons" / f"{LESSON}.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    next(cell for cell in content["cells"] if "exercise" in cell["metadata"].get("tags", []))["source"] = WRONG
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    folder = tmp_path_factory.mktemp("collecting")
    home = folder / "class"
    hand_in_the_course(home / "clone")
    right = json.dumps(notebook(RIGHT))
    files = {
        "script/answer.py": RIGHT,
        "json/hw.ipynb.json": right,
        "helper/hw.ipynb": json.dumps(notebook("from my_layers import *\nimport numpy as np\nnp.loadtxt('x.csv')")),
        "helper/my_layers.py": RIGHT,
        "helper/x.csv": "1",
        "pdf/answers.pdf": "%PDF",
        "own/mine.ipynb": Course().solved_notebook(LESSON).read_text(encoding="utf-8"),
        f"lovelaceada_4711_9_{LESSON}.ipynb": right,
        "whose.ipynb": right,
    }
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (home / "link").symlink_to(Course().solutions)
    (home / "nothing").mkdir()
    (home / "zip").mkdir()
    with zipfile.ZipFile(home / "zip" / "hw.zip", "w") as archive:
        archive.writestr(f"hw/{LESSON}.ipynb", right)
    command = [sys.executable, "-c", WITH_A_SHORT_CONTROL + COMMAND, "grade", home, "--output", folder / "report"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    rows = json.loads((folder / "report" / "report.json").read_text(encoding="utf-8"))["results"]
    return Graded({(row["student"], row["lesson"]): row for row in rows}, result.stderr, folder / "report")


@pytest.mark.parametrize("student", ["script", "json", "helper", "lovelaceada", "zip"])
def test_whatever_it_came_in_a_right_answer_has_its_points(graded: Graded, student: str) -> None:
    assert graded.rows[student, LESSON]["status"] == "passed", graded.rows[student, LESSON]["message"]


@pytest.mark.parametrize(
    ("student", "status", "says"),
    [
        ("pdf", "unreadable", "answers.pdf was not read: It is a PDF; hand in the notebook itself (.ipynb)."),
        ("own", "not_attempted", "mine.ipynb is the course's own"),
        ("link", "unreadable", "It is a link"),
        ("nothing", "not_attempted", "No notebook was handed in."),
    ],
)
def test_nobody_goes_without_a_row(graded: Graded, student: str, status: str, says: str) -> None:
    row = graded.rows[student, LESSON]
    assert (row["status"], row["score"]) == (status, 0)
    assert says in row["message"]
    assert (student, OTHER) not in graded.rows
    assert student == "nothing" or says in graded.errors


def test_the_course_s_own_solutions_earn_nothing(graded: Graded) -> None:
    assert graded.rows["clone", LESSON]["status"] == "failed"
    assert ("clone", OTHER) not in graded.rows, "nobody worked on that lesson"
    assert sum(row["score"] for (student, _), row in graded.rows.items() if student == "clone") < 10
    page = (graded.report / "clone" / f"{LESSON}.html").read_text(encoding="utf-8")
    assert f"lessons/{LESSON}.ipynb was graded; solutions/{LESSON}.ipynb is the course&#39;s own." in page
    class_page = (graded.report / "index.html").read_text(encoding="utf-8")
    assert f"solutions/{LESSON}.ipynb is the course&#39;s own." in class_page
    assert "mine.ipynb" in class_page


def test_what_belongs_to_nobody_is_named(graded: Graded) -> None:
    assert "whose.ipynb lies beside the students' folders" in graded.errors
    assert not any(student.startswith("whose") for student, _ in graded.rows)

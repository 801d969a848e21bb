"""The folder that Classroom 50 takes as an assignment's autograder: the script that its runner calls, and the course.
Whoever finds the classroom's pages can read what lies there, so that it holds no solved notebook.
"""

from __future__ import annotations

import json

from bnn_core.course.exports.course_copy import CPU_INDEX, PYTHON, course_files, requirements
from bnn_core.lesson_files import Course

RUNTIME = {"runs-on": "ubuntu-latest", "python": PYTHON}
"""What the assignment says of the machine that it needs."""

SCRIPT = '''\
"""Classroom 50's runner calls this at each submission, in the student's checkout: it installs the course beside it,
and lets that grade the checkout into result.json.
"""

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("BNN_ENVIRONMENT") or Path(tempfile.gettempdir(), "bnn-course"))
PYTHON = ENVIRONMENT / "bin" / "python"
PIP = [PYTHON, "-m", "pip", "install", "--quiet"]

if not PYTHON.exists():
    venv.create(ENVIRONMENT, with_pip=True)
    pins = (HERE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    torch = next(line for line in pins if line.startswith("torch=="))
    subprocess.run([*PIP, "--extra-index-url", "{index}", torch], check=True)  # without libraries for GPUs
    subprocess.run([*PIP, "-r", HERE / "requirements.txt"], check=True)

if os.environ.get("GITHUB_ACTIONS"):  # where Ubuntu refuses the namespaces that shut submitted code in
    subprocess.run(["sudo", "-n", "sysctl", "-q", "-w", "kernel.apparmor_restrict_unprivileged_userns=0"], check=False)

grader = [PYTHON, "-m", "bnn_core.course.exports.classroom50_grader", Path.cwd(), "{lesson}"]
sys.exit(subprocess.run(grader, cwd=HERE / "course").returncode)
'''


def assignment(course: Course, lesson: str) -> dict[str, bytes | str]:
    """The folder's files by path. Raises LessonFileError where the folder of the course isn't whole."""
    own = {f"course/{name}": content for name, content in course_files(course, [lesson]).items()}
    return {
        "autograder.py": SCRIPT.format(index=CPU_INDEX, lesson=lesson),
        "runtime.json": json.dumps(RUNTIME, indent=2) + "\n",
        "requirements.txt": requirements(course),
        **own,
    }

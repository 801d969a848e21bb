"""A class of several lessons with everything that its pages can show, made by a seed and not graded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.pictures import Values, as_data
from bnn_core.classroom.grading import Graded, Row
from bnn_core.classroom.roster import Person
from bnn_core.classroom.standing import Standing
from bnn_core.classroom.submissions import NO_NOTEBOOK

LESSONS = sorted({exercise.lesson for exercise in EXERCISES.values()})
NAMES = ["Zoë O'Neil", "李明", "-Minus, Max", "=SUM(A1)", "ada@uni.example", "Łukasz Żak-Nowak", "Ø" * 40, "Émile"]
CODE = [f"def answer(x, y={n}):  # a line of a usual length, as learners write them" for n in range(60)]


def row_of(student: str, exercise: str, passed: int, status: str, mistake: str | None = None) -> Row:
    """What follows the first failed check was not run."""
    one = EXERCISES[exercise]
    names = [check.name for check in one.checks]
    passed = min(passed, len(names))
    checks: list[dict[str, Any]] = [
        {"name": name, "passed": True, "message": "", "misconception": None} for name in names[:passed]
    ]
    for name in names[passed : passed + 1]:
        message = "The result should be 1.25 and is 2.5: is something counted twice?\nexpected 1.25\ncame     2.5"
        checks.append({"name": name, "passed": False, "message": message, "misconception": mistake})
    waits = "Not run: it needs “something” first."
    checks += [{"name": name, "passed": False, "message": waits, "misconception": None} for name in names[passed + 1 :]]
    score = one.points * passed / len(names)
    row = {"student": student, "lesson": one.lesson, "exercise": exercise, "status": status, "score": score}
    return row | {"max_score": one.points, "message": f"{exercise}: {passed} of {len(names)} checks", "checks": checks}


def standings(count: int = 12, lessons: int = 3, seed: int = 1) -> list[Standing]:
    return list(_standings(count, LESSONS[:lessons], random.Random(seed)))


def _standings(count: int, lessons: list[str], draw: random.Random) -> Iterator[Standing]:
    names = [*NAMES, *(f"Student {n}" for n in range(count))][:count]
    for position, student in enumerate(names):
        for lesson in lessons:
            if position == 3 and lesson != lessons[0]:
                continue
            rows = []
            for name, exercise in EXERCISES.items():
                if exercise.lesson != lesson:
                    continue
                passed = draw.choice([len(exercise.checks)] * 2 + [draw.randrange(len(exercise.checks))])
                status = "passed" if passed == len(exercise.checks) else "failed"
                mistake = draw.choice(sorted(exercise.sections) or ["unknown"])
                if position == 2:
                    passed, status = 0, "not_attempted"
                rows.append(row_of(student, name, passed, status, mistake))
                if position == 2:
                    rows[-1]["message"] = NO_NOTEBOOK
            picture = as_data(Values("The output", (1.0, 2.0, 3.0), (1.0, 2.5, 9.0)))
            failed = [(row, check) for row in rows for check in row["checks"] if check["misconception"]]
            pictures = [(row["exercise"], check["name"], picture) for row, check in failed[:1]]
            notes = ["Several notebooks were handed in for this lesson. a.ipynb was graded, and not b.ipynb."]
            code = [("cell 3", list(enumerate(CODE, 1)))] if position != 2 else []
            graded = Graded(rows, code, notes if position == 1 else [], "printed", pictures=pictures)
            yield Standing(student, lesson, graded, person=Person(student, f"s{4700 + position}"))

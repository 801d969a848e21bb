"""What the class page puts before the instructor's eye, and what it tells of the class beyond marks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from classroom.test_results import LESSON, Tags, row

from bnn_core.autograder.exercise import not_attempted
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.classroom.attention import Concern, concerns, same_answers
from bnn_core.classroom.class_summary import class_summary
from bnn_core.classroom.grading import Graded
from bnn_core.classroom.journal import Place
from bnn_core.classroom.policy import in_words, read_policy
from bnn_core.classroom.report import write_pages
from bnn_core.classroom.standing import ByHand, Standing
from bnn_core.classroom.submissions import NO_NOTEBOOK, NONE_FOR_LESSON

ANSWER = "class BayesianLinear(nn.Module):\n    # mine\n" + "\n".join(f"    x{n} = {n}" for n in range(9))


def standing(student: str, passed: int = 3, code: str = "", notes: tuple[str, ...] = (), **fields: Any) -> Standing:
    lines = [("cell 1", [(1, "import torch")]), ("cell 2", list(enumerate(code.split("\n"), 1)))]
    made = row(student, passed, **fields)
    return Standing(student, made["lesson"], Graded([made], lines if code else [], list(notes)))


def titles(*standings: Standing, strangers: tuple[str, ...] = ()) -> dict[str, list[str]]:
    return {
        item.title: [place[0] for group in item.groups for place in group] for item in concerns(standings, strangers)
    }


def test_a_class_without_a_trouble_needs_no_eye() -> None:
    assert concerns([standing("ada"), standing("bo", 0, status="not_attempted")]) == []


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (standing("ada", status="timeout"), "It took too long"),
        (standing("ada", 0, status="unreadable"), "It can't be read"),
        (standing("ada", 0, status="error"), "It could not be run"),
        (standing("ada", 0, status="error", notes=("cell 2 isn't valid Python (line 2).",)), "It isn't valid Python"),
        (
            standing("ada", notes=("Several notebooks were handed in for this lesson.",)),
            "Several notebooks were handed in",
        ),
        (
            standing("ada", 0, status="not_attempted", message="x.ipynb is the course's own, with its answers."),
            "The course's own notebooks were handed in",
        ),
        (standing("ada", 0, status="not_attempted", message=NO_NOTEBOOK), "Nothing was handed in"),
        (
            standing("ada", 0, status="not_attempted", message=f"{NO_NOTEBOOK} x.ipynb is the course's own."),
            "The course's own notebooks were handed in",
        ),
        (
            standing("ada", 0, status="not_attempted", message=f"{NONE_FOR_LESSON} x.ipynb is of 02_kl_divergence."),
            "A notebook of another lesson, and none of this one",
        ),
        (
            standing("ada", 0, status="not_attempted", message=not_attempted(EXERCISES["BayesianLinear"]).message),
            "It is as it was handed out",
        ),
        (replace(standing("ada", score=0.0), days_late=9), "Checks passed, and lateness took all points"),
    ],
)
def test_each_trouble_is_shown_once_with_what_to_do(one: Standing, title: str) -> None:
    assert titles(one, standing("bo")) == {title: ["ada"]}
    assert all(item.advice for item in concerns([one]))


def test_a_mark_of_0_that_a_person_gave_or_that_nothing_earned_is_no_penalty_s() -> None:
    by_hand = replace(
        standing("ada", score=0.0), days_late=1, by_hand={"BayesianLinear": ByHand(0.0, 3.0, "talked about it")}
    )
    assert titles(by_hand, replace(standing("bo", 0), days_late=9), standing("cy")) == {}


def test_a_lesson_in_which_nobody_passed_anything_is_one_line_at_the_top(tmp_path: Path) -> None:
    class_ = [standing(f"s{n}", 0, status="error") for n in range(5)]
    first, second = concerns(class_)
    assert (first.title, first.groups) == (f"Nobody passed anything in {LESSON}", ())
    assert second.title == "It could not be run"
    write_pages(tmp_path, class_, seed=1)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert f"<h3>Nobody passed anything in {LESSON}</h3>" in text
    assert "Nobody" not in " ".join(titles(*class_[:4]))
    assert "Nobody" not in " ".join(titles(*class_, standing("ada", 1)))


def test_who_is_in_no_roster_is_shown() -> None:
    assert titles(standing("ada"), standing("bo"), strangers=("bo",)) == {"In no roster": ["bo"]}


def test_marks_near_a_boundary_are_shown_where_there_are_boundaries() -> None:
    class_ = [standing(name, 0, score=score) for name, score in (("ada", 4.9), ("bo", 5.3), ("cy", 6.0), ("di", 5.2))]
    assert concerns(class_) == []
    policy = read_policy("boundaries = [60, 50]\nnear_boundary = 2")
    (concern,) = concerns(class_, policy=policy)
    assert concern.title == "The mark is near a boundary"
    assert [place[0] for group in concern.groups for place in group] == ["ada", "cy", "di"]
    assert "Marks within 2 % of 50 %, 60 % of a lesson's points are shown to the instructor." in in_words(policy)


def test_boundaries_of_one_lesson_and_of_the_total() -> None:
    policy = read_policy("[boundaries]\ntotal = [75]\n06 = [40]\nlessons = [90]")
    assert in_words(policy)[-4:-1] == [
        "Marks within 1 % of 75 % of all lessons' points are shown to the instructor.",
        "Marks within 1 % of 40 % of 06_hidden_layer's points are shown to the instructor.",
        "Marks within 1 % of 90 % of any other lesson's points are shown to the instructor.",
    ]
    hidden = {"lesson": "06_hidden_layer", "exercise": "HiddenLayer"}
    class_ = [
        standing("ada", 0, score=9.0),
        standing("ada", 0, score=6.0, **hidden),  # 15 of 20: the total is near
        standing("bo", 0, score=4.0),
        standing("bo", 0, score=4.0, **hidden),
        standing("cy", 0, score=7.5),  # 75 % of what was handed in, and not of what there was
    ]
    near = {one.title: [place for (place,) in one.groups] for one in concerns(class_, policy=policy)}
    assert near == {
        "The mark is near a boundary": [("ada", LESSON), ("bo", "06_hidden_layer")],
        "The total is near a boundary": [("ada", "06_hidden_layer")],
    }


def test_the_same_answer_is_shown_together_and_another_comment_makes_another() -> None:
    class_ = [
        standing("ada", code=ANSWER),
        standing("bo", code=ANSWER),
        standing("cy", code=ANSWER.replace("mine", "my")),
    ]
    group = (("ada", LESSON), ("bo", LESSON))
    assert same_answers(class_) == {group: "BayesianLinear"}
    (concern,) = concerns(class_)
    assert concern == Concern("The same answer, letter by letter", concern.advice, (group,), ("BayesianLinear",))
    assert concern.students == 2
    short = "class BayesianLinear: ..."
    assert same_answers([standing("ada", code=short), standing("bo", code=short)]) == {}
    stubs = [standing(name, 0, code=ANSWER, status="not_attempted") for name in ("ada", "bo")]
    assert same_answers(stubs) == {}


def test_people_are_counted_once_however_many_answers_they_share(tmp_path: Path) -> None:
    hidden = {
        "lesson": "06_hidden_layer",
        "exercise": "HiddenLayer",
        "code": ANSWER.replace("BayesianLinear", "HiddenLayer"),
    }
    class_ = [standing(name, code=ANSWER) for name in ("ada", "bo")]
    class_ += [standing(name, **hidden) for name in ("ada", "bo", "cy")]
    class_ = [replace(one, place=Place(one.student, one.lesson)) for one in class_]
    (concern,) = concerns(class_)
    assert (concern.students, concern.about) == (3, ("HiddenLayer", "BayesianLinear"))
    write_pages(tmp_path, class_, seed=1)
    text = Tags((tmp_path / "index.html").read_text(encoding="utf-8")).text
    assert "The same answer, letter by letter: 3 students" in text
    assert "HiddenLayer: ada" in text
    assert "5 submissions, with 5 exercises in all · some checks failed: 5" in " ".join(text.split())
    write_pages(tmp_path, [*class_, standing("di")], seed=1)
    text = Tags((tmp_path / "index.html").read_text(encoding="utf-8")).text
    assert "5 submissions, and 1 time nothing was handed in, with 6 exercises in all" in " ".join(text.split())


def test_what_is_code_in_a_sentence_is_code_on_the_pages(tmp_path: Path) -> None:
    late = replace(standing("ada", score=0.0, misconception="no-sampling"), days_late=9)
    failed = next(check for check in late.rows[0]["checks"] if check["misconception"])
    failed["message"] = "Draw it with `torch.randn_like`, and not with `<b>`."
    write_pages(tmp_path, [late], seed=1)
    index, page = (path.read_text(encoding="utf-8") for path in (tmp_path / "index.html", *tmp_path.glob("*/*.html")))
    assert "<code>override</code> sets a mark." in index
    for text in (index, page):
        assert "Draw it with <code>torch.randn_like</code>, and not with <code>&lt;b&gt;</code>." in text
    assert "`" not in Tags(page).text


def test_the_page_begins_with_it_and_names_nobody_in_an_example(tmp_path: Path) -> None:
    wrong = standing("ada", code=f"{ANSWER}\n    y = '<b>'", misconception="no-sampling")
    other = standing("bo", 0, status="timeout", lesson="06_hidden_layer", exercise="HiddenLayer")
    write_pages(tmp_path, [wrong, other], seed=1)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    headings = ["Needs your eye", "What the class misunderstood", "Students", "Marks", "Exercises and checks"]
    places = [text.index(f"<h2>{heading}</h2>") for heading in headings]
    assert places == sorted(places)
    page = Tags(text)
    assert "It took too long: 1 student" in page.text
    assert (
        '<span class="bnn-option">--again</span> NAME and a longer <span class="bnn-option">--timeout</span>.' in text
    )
    (example,) = [part.partition("</pre>")[0] for part in text.split('<pre class="bnn-code" tabindex="0">')[1:]]
    assert "y = &#39;&lt;b&gt;&#39;" in example
    assert "ada" not in example
    assert text.count('class="bnn-bars"') == 2
    assert "img" not in {tag for tag, _ in page.tags}


def test_checks_that_separate_and_checks_that_nobody_failed() -> None:
    everyone = [row(f"s{n}", passed=20 if n < 5 else len(row("x")["checks"])) for n in range(10)]
    telling = class_summary(everyone)["telling"]["BayesianLinear"]
    names = [check["name"] for check in everyone[0]["checks"]]
    assert telling.nobody_failed == tuple(names[:20])
    assert telling.separating[0] == (names[20], 1.0, 0.0)
    assert class_summary(everyone[:4])["telling"]["BayesianLinear"].separating == ()

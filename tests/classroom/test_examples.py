"""An answer that is shown to the class: the shortest that has the mistake, and nothing in it says whose it is."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from classroom.test_attention import standing

from bnn_core.classroom.examples import LONGEST, example, names_anyone
from bnn_core.classroom.report import write_pages
from bnn_core.classroom.roster import Person
from bnn_core.classroom.standing import Standing

WRITTEN = '''# Ada Lovelace, with Bo
def gaussian_kl(mean, log_std):
    """Ada's answer.

    With Bo's help.
    """
    "and Cy's"  # a note
    variance = log_std.exp()  # Ada: squared?

    label = "# not a comment"
    return variance  # done
'''
BARE = """def gaussian_kl(mean, log_std):
    variance = log_std.exp()
    label = "# not a comment"
    return variance"""
ADA = ["Ada Lovelace", "alove1"]


def test_comments_and_docstrings_go_and_the_code_stays() -> None:
    assert example([(WRITTEN, ADA)]) == BARE


def test_the_shortest_is_shown_in_whatever_order_they_come() -> None:
    answers = [
        (f"def f(x):\n{'    x = x + 1' * 0}    return x{' * 2' * n}\n\n# {'long' * (9 - n)}", ADA) for n in range(5)
    ]
    answers.append(("def f(x):\n    y = 1\n    return y", ADA))
    draw = random.Random(1)
    for _ in range(5):
        draw.shuffle(answers)
        assert example(answers) == "def f(x):\n    return x"


@pytest.mark.parametrize(
    "code",
    [
        "author = 'Ada'",
        "print('by lovelace')",
        "ada_layer = 1",
        "class AdaLayer: ...",
        "my_lovelaces = 2",
        "user = 'alove1'",
        "path = '/home/ALOVE1/x'",
    ],
)
def test_an_answer_that_names_its_author_is_not_shown(code: str) -> None:
    assert names_anyone(code, ADA)
    assert example([(code, ADA)]) == ""
    assert example([(code, ADA), (BARE, ["Bo"])]) == BARE


def test_words_that_only_hold_a_short_name_are_no_name() -> None:
    assert not names_anyone("adam = optimizer.Adam(x)", ["Ada Wu", "X"])
    assert names_anyone("torch.max(x)", ["Max Li"])


@pytest.mark.parametrize("code", ["", "def f(:\n  '''", "if x:\n        y\n    z", "x" * (LONGEST + 1), "x = (\n"])
def test_what_can_t_be_cut_into_tokens_is_no_example(code: str) -> None:
    assert example([(code, ADA)]) == ""


def test_the_class_page_shows_it_for_the_mistake_and_says_what_it_left_out(tmp_path: Path) -> None:
    answer = "class BayesianLinear(nn.Module):\n    # mine\n    x = {}"
    class_ = [
        standing("ada", code=answer.format("'Ada'"), misconception="no-sampling"),
        standing("bo", code=answer.format("1234567"), misconception="no-sampling"),
        standing("cy", code=answer.format("12345"), misconception="no-sampling"),
        standing("di", code=answer.format("1"), misconception="another"),
    ]
    named = Standing(**{**vars(class_[2]), "person": Person("Nn Module", "12345")})
    for members, shown in ((class_, "x = 12345"), ([*class_[:2], named, class_[3]], "x = 1234567")):
        write_pages(tmp_path, members, seed=1)
        text = (tmp_path / "index.html").read_text(encoding="utf-8")
        examples = [part.partition("</pre>")[0] for part in text.split('<pre class="bnn-code" tabindex="0">')[1:]]
        assert len(examples) == 2
        assert any(one.endswith(shown) for one in examples)
        assert "mine" not in "".join(examples)
        assert "The shortest answer of these, without its name and its comments" in text

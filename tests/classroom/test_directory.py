"""Whom and what a typed name means: one way for `override`, for `--again` and for the lines of overrides.csv."""

from __future__ import annotations

import pytest

from bnn_core.classroom.directory import Directory, exercise_called, exercises_near
from bnn_core.lesson_files import lesson_called


def test_a_name_of_two_students_is_none_s() -> None:
    directory = Directory({"Ada (1)": {"Ada (1)", "Ada", "1"}, "Ada (2)": {"Ada (2)", "Ada", "2"}})
    assert directory.find("ada") == ["Ada (1)", "Ada (2)"]
    assert directory.find("2") == ["Ada (2)"]
    assert directory.find("Ada (1)") == ["Ada (1)"]


NAMES = ["Quentin García", "Dmitri Smith", "Noor Smith", "Ximena Smith", "Rosa van_der_Berg", "Quentin Park"]
NAMES += [f"Liam {name} Smith" for name in ("A", "B", "C", "D")]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("García, Quentin", ["Quentin García"]),
        ("garcía quentin", ["Quentin García"]),
        ("van der Berg, Rosa", ["Rosa van_der_Berg"]),
        ("4711", ["Quentin García"]),
        ("Garcia, Quentin", ["Quentin García"]),
        ("garciaquentin", ["Quentin García"]),
        ("park quentin", ["Quentin Park"]),
        ("Dmitrï Smith", ["Dmitri Smith"]),
        ("Smith", []),
        ("Quentin", []),
    ],
)
def test_a_name_is_found_in_any_order_of_its_words(name: str, found: list[str]) -> None:
    assert Directory({one: {one} for one in NAMES} | {"Quentin García": {"Quentin García", "4711"}}).find(name) == found


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Smith", sorted(one for one in NAMES if "Smith" in one)),
        ("Quentin", ["Quentin García", "Quentin Park"]),
        ("Quentn Garcia", ["Quentin García"]),
        ("Garcia, Quentin", ["Quentin García"]),
        ("Dmitrï Smith", ["Dmitri Smith"]),
        ("Dimitri Smith", ["Dmitri Smith"]),
        ("Zoë Smith", []),
        ("Quentin Müller", []),
        ("?!", []),
        ("", []),
    ],
)
def test_who_is_suggested_is_like_in_every_word(name: str, near: list[str]) -> None:
    assert Directory({one: {one} for one in NAMES}).near(name) == near


def test_no_more_than_five_are_suggested() -> None:
    directory = Directory({f"student{n}": () for n in range(9)})
    assert len(directory.near("studnt1")) == 5
    assert directory.near("studnt1")[0] == "student1"


@pytest.mark.parametrize("typed", ["O'Neil Zoe", "o’neil, zoë", "Zoë O'Neil", "ZOE ONEIL", "oneilzoe"])
@pytest.mark.parametrize("shown", ["Zoë O’Neil", "O'Neil, Zoë", "oneilzoë"])
def test_apostrophes_accents_and_order_make_no_difference(typed: str, shown: str) -> None:
    assert Directory({shown: {shown}, "Zoë Neil": {"Zoë Neil"}}).find(typed) == [shown]


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("Emma Duboys", ["duboisemma"]),
        ("Dubois", ["duboisemma", "duboisluc"]),
        ("Emma", ["duboisemma"]),
        ("Zoë Kim", []),
    ],
)
def test_who_is_called_by_one_word_is_suggested_too(typed: str, near: list[str]) -> None:
    assert Directory({one: {one} for one in ("duboisemma", "duboisluc", "leeanna")}).near(typed) == near


def test_a_row_of_nothing_takes_no_name_of_somebody_with_a_notebook() -> None:
    called = {"Emma Dubois": {"Emma Dubois", "7"}, "duboisemma": {"duboisemma"}, "Ann Li": {"Ann Li", "8"}}
    directory = Directory(called, {"Emma Dubois", "Ann Li"})
    assert directory.find("Emma Dubois") == ["Emma Dubois", "duboisemma"]
    assert directory.find("7") == ["Emma Dubois"]
    assert directory.find("duboisemma") == ["duboisemma"]
    assert directory.find("Li, Ann") == ["Ann Li"]


def test_who_was_called_so_on_an_earlier_list_is_known_where_no_other_is() -> None:
    called = {"Ada King": {"Ada King", "1"}, "Bo": {"Bo", "2"}, "Cy": {"Cy", "3"}}
    directory = Directory(called, {"Cy"}, {"Ada King": {"Ada Lovelace", "2", "3"}})
    assert directory.find("Ada Lovelace") == ["Ada King"]
    assert directory.find("2") == ["Bo"]
    assert directory.find("3") == ["Ada King"]


# Exercises and lessons


@pytest.mark.parametrize("name", ["BayesianLinear", "bayesianlinear", "bayesian_linear", "Bayesian Linear"])
def test_an_exercise_is_known_in_whatever_way_its_words_are_joined(name: str) -> None:
    assert exercise_called(name) == "BayesianLinear"


def test_an_exercise_that_isn_t_there() -> None:
    assert exercise_called("Bayesian") == ""
    assert exercises_near("bayesian_liner") == ["BayesianLinear"]
    assert exercises_near("Quentin") == []


@pytest.mark.parametrize(
    "name", ["03", "3", "03_bayesian_linear", "Bayesian_Linear", "lessons/03_bayesian_linear.ipynb"]
)
def test_a_lesson_is_known_by_its_number_its_topic_or_its_file(name: str) -> None:
    assert lesson_called(name, ["02_kl_divergence", "03_bayesian_linear"]) == "03_bayesian_linear"
    assert lesson_called(name, ["02_kl_divergence"]) == ""

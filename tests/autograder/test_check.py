"""`check(object)` as a learner meets it: what it says, what it raises, and that it leaves everything as it was."""

from __future__ import annotations

import importlib
import random
import re
import warnings

import numpy as np
import pytest
import torch
from zoo import define
from zoo.bayesian_linear import BASE, changed

import bnn_core
from bnn_core.autograder import ChecksFailed, check
from bnn_core.autograder import report as reports
from bnn_core.autograder.exercises import EXERCISES
from bnn_core.autograder.in_notebook import report_on
from bnn_core.autograder.report import Outcome, Report

LINEAR = "return F.linear(x, weight, bias)"
STUB = """
import torch.nn as nn


class BayesianLinear(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        raise NotImplementedError
"""


def layer(source: str) -> type:
    found: type = define(source, "BayesianLinear")
    return found


def test_a_solved_exercise_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    check(layer(BASE))
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == f"BayesianLinear: all {len(EXERCISES['BayesianLinear'].checks)} checks passed"
    assert printed.count("✓") == len(EXERCISES["BayesianLinear"].checks)


def test_a_wrong_one_raises_its_report_without_a_stack() -> None:
    with pytest.raises(ChecksFailed) as caught:
        check(layer(changed(("weight_terms.sum() + bias_terms.sum()", "weight_terms.mean() + bias_terms.mean()"))))
    assert caught.value._render_traceback_() == [f"ChecksFailed: {caught.value}"]
    shown = str(caught.value).splitlines()
    assert shown[0].startswith("BayesianLinear: ")
    failed = shown.index("✗ the KL is the closed form, for weights and biases together")
    assert "averaged over the parameters" in shown[failed + 1]
    assert "should be" in shown[failed + 2]


def test_the_stub_is_not_attempted() -> None:
    with pytest.raises(ChecksFailed, match="not attempted yet: it still raises NotImplementedError") as caught:
        check(layer(STUB))
    assert caught.value.report.status == "not_attempted"
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("derive", [False, True], ids=["itself", "a class derived from it"])
def test_the_reference_is_not_an_attempt(derive: bool) -> None:
    reference = bnn_core.BayesianLinear
    handed_in = type("BayesianLinear", (reference,), {"__module__": "__main__"}) if derive else reference
    report = report_on(handed_in)
    assert report.status == "not_attempted"
    assert "this is the one of bnn_core" in report.message


def test_a_name_that_is_no_exercise_lists_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"check\(Linear\) is no exercise. The exercises are: .*BayesianLinear"):
        check(torch.nn.Linear)


def test_an_object_without_a_name_is_no_exercise_either() -> None:
    with pytest.raises(ValueError, match="no exercise"):
        check(3)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("None", "gives None"),
        ("(F.linear(x, weight, bias), 1)", "returns a tuple"),
        ("F.linear(x, weight, bias).detach().numpy()", "returns a ndarray"),
        ("float(F.linear(x, weight, bias).sum())", "returns a float"),
        ("F.linear(x, weight, bias) / 0 * 0", "aren't finite"),
        ("F.linear(x, weight, bias).to(torch.complex64)", "real numbers"),
        ("F.linear(x, weight, bias)[:, :1]", "yours has shape"),
        ("1 / 0", "ZeroDivisionError"),
        ("exit(3)", "SystemExit"),
        ("x.no_such_thing", "AttributeError"),
    ],
)
def test_whatever_forward_returns_is_told_in_a_sentence(returned: str, said: str) -> None:
    report = report_on(layer(changed((LINEAR, "return " + returned))))
    failures = [outcome for outcome in report.outcomes if outcome.ran and not outcome.passed]
    assert failures[0].name == "the output has shape (batch, out_features)"
    assert said in failures[0].message
    passed = {outcome.name for outcome in report.outcomes if outcome.passed}
    assert "the KL is the closed form, for weights and biases together" in passed, (
        "it goes on to what still makes sense"
    )


def test_the_learners_own_line_is_quoted() -> None:
    report = report_on(layer(changed((LINEAR, "return F.linear(x, weight.T, bias)"))))
    message = next(outcome.message for outcome in report.outcomes if not outcome.passed)
    assert "Your forward raised RuntimeError" in message
    assert report.status == "failed" or report.status == "error"


@pytest.mark.parametrize(
    "answer",
    [
        "def loud(function):\n    return lambda *args, **kwargs: function(*args, **kwargs)\n\n\n"
        "@loud\ndef predictive_entropy(probs):\n    return torch.special.entr(probs.mean(dim=0)).sum(dim=-1)",
        "predictive_entropy = lambda probs: torch.special.entr(probs.mean(dim=0)).sum(dim=-1)",
    ],
    ids=["decorated", "lambda"],
)
def test_an_answer_is_known_by_the_name_that_it_stands_under(answer: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(f"import torch\n\n\n{answer}\n\ncheck(predictive_entropy)", {"check": check})
    assert "predictive_entropy: all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "is_told"),
    [
        ("def gaussian_kl(mean): return mean.sum()", True),
        ("def gaussian_kl(mean, log_std, prior_std): return mean.sum()", True),
        ("def gaussian_kl(mean, log_std): return torch.distributions.kl_divergence(mean)", False),
    ],
)
def test_other_arguments_than_the_exercise_has_are_told(source: str, is_told: bool) -> None:
    found = report_on(define(f"import torch\n{source}\n", "gaussian_kl"))
    failed = next(outcome for outcome in found.outcomes if not outcome.passed)
    assert "TypeError" in failed.message
    assert ("keep its arguments, in their order" in failed.message) == is_told


def test_code_that_only_raises_is_an_error() -> None:
    report = report_on(layer(changed(("super().__init__()", "raise KeyError('x')"))))
    assert report.status == "error"
    assert report.score == 0


def test_what_the_code_prints_is_counted_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_on(layer(changed((LINEAR, "print('x' * 1000)\n        " + LINEAR))))
    assert report.passed
    assert "characters, which are not shown" in report.notes[0]
    assert capsys.readouterr().out == ""


def test_warnings_of_the_learners_code_stop_nothing() -> None:
    source = changed((LINEAR, "import warnings\n        warnings.warn('careful')\n        " + LINEAR))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert report_on(layer(source)).passed


def test_everything_is_left_as_it_was() -> None:
    messy = changed(
        ("super().__init__()", "super().__init__()\n        torch.manual_seed(3)\n        np.random.seed(3)"),
        (
            LINEAR,
            "torch.set_default_dtype(torch.float64)\n        torch.set_grad_enabled(False)\n        " + LINEAR,
        ),
    )
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = torch.rand(3), np.random.rand(3), random.random()
    for source in (BASE, messy):
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        definition = layer(source)
        before = dict(vars(definition))
        report_on(definition)
        assert torch.equal(torch.rand(3), expected[0])
        assert (np.random.rand(3) == expected[1]).all()
        assert random.random() == expected[2]
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()
        assert dict(vars(definition)) == before


def test_it_works_under_the_learners_own_settings() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            assert report_on(layer(BASE)).passed
            assert not torch.is_grad_enabled()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_html_escapes_everything_and_holds_no_script() -> None:
    outcomes = (
        Outcome("a <b> check", False, "<script>alert(1)</script>\n<img src=x>", None),
        Outcome("another & one", True),
        Outcome("a third", False, "Not run: it needs “a <b> check” first.", ran=False),
    )
    page = reports.html(Report("X", "failed", "X: 1 of 3 checks passed <i>", outcomes, 3.0, ("<note>",)))
    assert "<script" not in page
    assert "<img" not in page
    for part in ("&lt;b&gt;", "&lt;script&gt;", "&lt;i&gt;", "&lt;note&gt;", "another &amp; one"):
        assert part in page


def test_the_headline_counts_what_failed_and_what_was_not_run() -> None:
    fixed_in_eval = f"{LINEAR} if self.training else F.linear(x, self.weight_mean, self.bias_mean)"
    one_mistake = report_on(layer(changed((LINEAR, fixed_in_eval)))).message
    nothing_to_go_on = report_on(layer(BASE.replace("self.bias_log_std", "self.bias_rho"))).message
    assert re.fullmatch(r"BayesianLinear: \d+ of \d+ checks passed, \d+ failed", one_mistake)
    assert re.fullmatch(r"BayesianLinear: \d+ of \d+ checks passed, \d+ failed, \d+ not run yet", nothing_to_go_on)
    for message in (one_mistake, nothing_to_go_on):
        passed, checks, *others = map(int, re.findall(r"\d+", message))
        assert passed + sum(others) == checks == len(EXERCISES["BayesianLinear"].checks)


def test_plain_text_puts_the_diagnosis_first() -> None:
    outcomes = (Outcome("fine", True), Outcome("not fine", False, "The mistake.\nThe numbers."))
    text = reports.plain(Report("X", "failed", "X: 1 of 2 checks passed", outcomes, 2.0))
    assert text.splitlines() == [
        "X: 1 of 2 checks passed",
        "",
        "✗ not fine",
        "  The mistake.",
        "  The numbers.",
        "",
        "✓ fine",
    ]


TAKEN_OVER = {
    "an installed class of the exercise's name": "from pyro.contrib.bnn import HiddenLayer",
    "a class that only inherits from one": (
        "import pyro.contrib.bnn\n\n\nclass HiddenLayer(pyro.contrib.bnn.HiddenLayer):\n    pass"
    ),
    "an installed class by another name": "from torch.distributions import Normal as HiddenLayer",
    "an installed function": "from torch.nn.functional import relu as HiddenLayer",
    "a function of Python's own": "from math import exp as HiddenLayer",
    "the course's own": "from bnn_core import HiddenLayer",
}


@pytest.mark.parametrize("source", TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_what_was_written_elsewhere_is_no_answer(source: str) -> None:
    report = report_on(define(source, "HiddenLayer"), "HiddenLayer")
    assert report.status == "not_attempted"
    assert re.search(r"the one of (pyro|torch|math|bnn_core)\.", report.message)


WRAPPED = {
    "by a function": (
        "import pyro.contrib.bnn\n\n\ndef HiddenLayer(*args, **kwargs):\n"
        "    return pyro.contrib.bnn.HiddenLayer(*args, **kwargs)"
    ),
    "by a partial": (
        "import functools\nfrom pyro.contrib.bnn import HiddenLayer as Base\n\nHiddenLayer = functools.partial(Base)"
    ),
    "the course's own": (
        "import bnn_core\n\n\ndef HiddenLayer(*args, **kwargs):\n    return bnn_core.HiddenLayer(*args, **kwargs)"
    ),
}


@pytest.mark.parametrize("source", WRAPPED.values(), ids=WRAPPED)
def test_a_class_from_elsewhere_that_is_wrapped_is_no_answer(source: str) -> None:
    report = report_on(define(source, "HiddenLayer"), "HiddenLayer")
    assert (report.status, report.score) == ("error", 0)
    assert any("write your own" in outcome.message for outcome in report.outcomes)


def test_a_library_may_stand_around_what_the_learner_wrote() -> None:
    """None of these takes an answer over."""
    from zoo import sample_preactivation as zoo

    for wrapped in (
        "functools.partial(sample_preactivation)",
        "torch.func.vmap(sample_preactivation, randomness='same')",
    ):
        source = f"{zoo.BASE}\nimport functools\nsample_preactivation = {wrapped}"
        assert report_on(define(source, zoo.EXERCISE), zoo.EXERCISE).status != "not_attempted"


def test_noise_that_is_always_in_float32_passes_with_advice() -> None:
    zoo_of = importlib.import_module("zoo.sample_gaussian")
    source = next(iter(zoo_of.RIGHT.values())).replace("torch.randn_like(mean)", "torch.randn(mean.shape)")
    assert "torch.randn(mean.shape)" in source
    report = report_on(define(source, zoo_of.EXERCISE))
    assert report.passed
    assert any("torch.randn_like(tensor) follows both" in note for note in report.notes)


WEIGHT_MEAN = "torch.randn(out_features, in_features) * 0.1"


@pytest.mark.parametrize(
    ("part", "changed", "advice"),
    [
        (WEIGHT_MEAN, "torch.rand(out_features, in_features)", "all weight means start with the same sign"),
        (WEIGHT_MEAN, "-torch.rand(out_features, in_features)", "all weight means start with the same sign"),
        (WEIGHT_MEAN, "torch.randn(1, in_features).repeat(out_features, 1) * 0.1", "start alike in every row"),
        (WEIGHT_MEAN, "torch.randn(out_features, 1).repeat(1, in_features) * 0.1", "one and the same weight mean"),
        (
            "return weight_terms",
            "self.kl = weight_terms.sum() + bias_terms.sum()\n        return self.kl  # ",
            "self.kl keeps",
        ),
        ("return F.linear", "self.drawn = {'weight': weight}\n        return F.linear", "self.drawn keeps"),
        ("return F.linear", "self.register_buffer('last', weight)\n        return F.linear", "self.last keeps"),
    ],
)
def test_layer_that_will_do_worse_than_it_could_passes_with_advice(part: str, changed: str, advice: str) -> None:
    zoo_of = importlib.import_module("zoo.bayesian_linear")
    assert part in zoo_of.BASE
    report = report_on(define(zoo_of.BASE.replace(part, changed), zoo_of.EXERCISE))
    assert report.passed, report.outcomes
    assert [note for note in report.notes if advice in note] == list(report.notes)


@pytest.mark.parametrize("part", ["self.kl = weight_terms.sum().detach()", "self.drawn = weight.detach()"])
def test_what_is_kept_without_its_graph_needs_no_advice(part: str) -> None:
    zoo_of = importlib.import_module("zoo.bayesian_linear")
    end = "return weight_terms" if "terms" in part else "return F.linear"
    assert report_on(define(zoo_of.BASE.replace(end, f"{part}\n        {end}"), zoo_of.EXERCISE)).notes == ()


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ("net, inputs, n", "net for model, inputs for x, n for num_samples"),
        ("model, x, n=10, extra=None", "n for num_samples"),
        ("model, x, num_samples, extra=None", None),
        ("model, *args", None),
    ],
)
def test_arguments_by_other_names_pass_with_advice(arguments: str, advice: str | None) -> None:
    names = "model, args[0], args[1]" if "*" in arguments else arguments
    first, second, third = (name.split("=")[0] for name in names.split(", ")[:3])
    source = (
        f"import torch\n\n\ndef predict({arguments}):\n    with torch.no_grad():\n"
        f"        draws = torch.stack([{first}({second}) for _ in range({third})])\n"
        "    return draws.mean(0), draws.std(0)\n"
    )
    notes = report_on(define(source, "predict")).notes
    assert any(advice in note for note in notes) if advice else not any("other names" in note for note in notes)


def test_what_fails_in_float32_too_is_no_matter_of_the_dtype() -> None:
    source = "def sample_gaussian(mean, log_std):\n    return mean + log_std.exp() * mean.clone().normal_()"
    messages = [outcome.message for outcome in report_on(define(source, "sample_gaussian")).outcomes]
    assert any("takes 2 positional arguments but 3 were given" in message for message in messages)
    assert not any("float64" in message for message in messages)


def test_a_wrong_log_prob_is_not_said_to_be_kept_from_before() -> None:
    zoo_of = importlib.import_module("zoo.hidden_layer")
    report = report_on(define(zoo_of.BASE.replace("return -self.KL_factor", "return self.KL_factor"), zoo_of.EXERCISE))
    failed = [outcome for outcome in report.outcomes if not outcome.passed and outcome.ran]
    assert [outcome.misconception for outcome in failed] == ["log-prob-sign"]

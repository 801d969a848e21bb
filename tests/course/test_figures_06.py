"""The figures of lesson 06 draw what they are given."""

import html.parser

import pytest
import torch
from matplotlib.collections import PolyCollection

from bnn_core import datasets, figures
from bnn_core.figures import hidden_layer as lesson_06

TRAIN, OTHERS = datasets.auto_mpg().split(40)
GRID = torch.linspace(42, 232, 20)


def draws(seed: int) -> torch.Tensor:
    return 25 + torch.randn(30, 20, generator=torch.Generator().manual_seed(seed))


class ImageAlt(html.parser.HTMLParser):
    """The alt text of the image in a piece of HTML."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.alt = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.alt = dict(attrs)["alt"] or ""


def test_the_slider_describes_what_it_shows() -> None:
    second, scale, picture = lesson_06.rows_slider().children
    second.value, scale.value = -1.5, 0.4
    alt = ImageAlt(picture.value).alt
    assert "x = -1.5" in alt
    assert "scale 0.4" in alt


def test_the_static_figure_has_a_row_per_setting() -> None:
    assert len(lesson_06.rows_settings().axes) == 3 * len(lesson_06.SETTINGS)


@pytest.mark.parametrize(("second", "scale"), [(1.0, 0.8), (0.0, 0.8), (-1.0, 0.8), (-2.0, 0.3), (1.5, 0.0)])
def test_the_panels_show_the_moments_that_the_mathematics_gives(second: float, scale: float) -> None:
    bias = lesson_06.BIAS_STD**2
    first_std, second_std = ((x**2 * scale**2 + bias) ** 0.5 for x in (lesson_06.FIRST, second))
    correlation = (lesson_06.FIRST * second * scale**2 + bias) / (first_std * second_std)
    _, shared, local = lesson_06.draw_rows([(second, scale)]).axes
    for axes, expected in ((shared, correlation), (local, 0.0)):
        (label,) = axes.texts
        words = label.get_text().replace("−", "-").split()
        shown = [float(words[index]) for index in (1, 3, 5)]
        assert shown == pytest.approx([first_std, second_std, expected], abs=0.006)


def test_every_figure_is_labelled_and_draws_without_a_warning() -> None:
    values = {"one": draws(0), "two": draws(1)}
    for figure in (
        lesson_06.trap({"one": torch.rand(9), "two": torch.rand(9)}, {"one": torch.rand(9), "two": torch.rand(9)}, 20),
        lesson_06.sampling_modes(TRAIN, 110, GRID, values),
        lesson_06.judged_functions(TRAIN, [OTHERS], 110, GRID, {"one": draws(0)}, 4.0),
    ):
        figures.html(figure, "drawn without a warning")
        panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
        assert all(axes.get_ylabel() and axes.get_title(loc="left") for axes in panels)
        assert panels[-1].get_xlabel()


def test_the_bands_of_a_network_are_those_of_its_draws() -> None:
    values = draws(0)
    (axes,) = lesson_06.judged_functions(TRAIN, [OTHERS], 110, GRID, {"one": values}, 4.0).axes
    spreads = ((values.var(dim=0) + 4.0**2).sqrt(), values.std(dim=0))
    bands = [found for found in axes.collections if isinstance(found, PolyCollection)]
    for band, spread in zip(bands, spreads, strict=True):
        drawn = torch.as_tensor(band.get_paths()[0].vertices)
        highest = (values.mean(dim=0) + 2 * spread).max()
        assert float(drawn[:, 1].max()) == pytest.approx(float(highest), abs=1e-4)


def test_the_trap_spans_the_training_steps() -> None:
    curves = {"one": torch.rand(30), "two": torch.rand(30)}
    figure = lesson_06.trap(curves, curves, every=20)
    assert all(axes.lines[0].get_xdata()[-1] == 600 for axes in figure.axes)


def test_the_correlations_are_those_of_the_draws() -> None:
    together = 25 + torch.randn(30, 1, generator=torch.Generator().manual_seed(2)).expand(30, 20)
    figure = lesson_06.sampling_modes(TRAIN, 110, GRID, {"apart": draws(0), "together": together})
    apart, one = (torch.as_tensor(axes.images[0].get_array()) for axes in figure.axes if axes.images)
    torch.testing.assert_close(one, torch.ones(20, 20), atol=1e-5, rtol=0)
    assert (apart - torch.eye(20)).abs().max() < 0.8

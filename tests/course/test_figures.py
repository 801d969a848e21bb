"""The figures: how a notebook shows them, and that lesson 03's draw what they are given."""

import base64
import html.parser
import io
import struct

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from bnn_core import datasets, figures
from bnn_core.figures import bayesian_linear as lesson_03

CARS = datasets.auto_mpg()
TRAIN, OTHERS = CARS.split(40)
GRID = torch.linspace(42, 233, 20)


def drawn() -> Figure:
    figure, axes = figures.subplots(width=4, height=3)
    axes.plot([0, 1], [0, 1])
    return figure


class Tags(html.parser.HTMLParser):
    """The tags of a piece of HTML, with their attributes, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: dict[str, dict[str, str | None]] = {}
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_figure_is_html_with_its_image_its_alt_text_and_its_caption() -> None:
    found = Tags(figures.html(drawn(), 'a line, "steep" & <short>', "1 < 2"))
    assert list(found.tags) == ["style", "figure", "img", "figcaption"]
    assert found.tags["img"]["alt"] == 'a line, "steep" & <short>'
    assert found.text.endswith("1 < 2")
    assert found.tags["img"]["width"] == str(4 * figures.SHOWN_DPI)
    kind, _, data = str(found.tags["img"]["src"]).partition(",")
    assert kind == "data:image/png;base64"
    width, height = struct.unpack(">II", base64.b64decode(data)[16:24])
    assert (width, height) == (4 * figures.DPI, 3 * figures.DPI)


def test_a_figure_without_caption_has_no_empty_one() -> None:
    assert "figcaption" not in figures.html(drawn(), "a line")


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_needs_an_alt_text(alt: str) -> None:
    with pytest.raises(ValueError, match="alt"):
        figures.html(drawn(), alt)


def test_show_gives_html_an_image_for_print_and_the_alt_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    figures.show(drawn(), "a line", "a caption")
    (data,) = shown
    assert list(data) == ["text/plain", "text/html", "image/png"]
    assert data["text/plain"] == Tags(data["text/html"]).tags["img"]["alt"] == "a line"
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.size == (4 * figures.DPI, 3 * figures.DPI)
    assert image.convert("RGBA").getpixel((2, 2)) == (255, 255, 255, 255)


def test_show_closes_a_figure_of_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("IPython.display.display", lambda data, raw: None)
    with mpl.rc_context({"backend": "agg"}):
        figure = plt.figure()
        figures.show(figure, "nothing")
    assert not plt.fignum_exists(figure.number)


def test_the_style_is_put_back() -> None:
    before = mpl.rcParams["axes.grid"]
    with figures.style():
        assert mpl.rcParams["axes.grid"] is True
    assert mpl.rcParams["axes.grid"] == before


@pytest.mark.parametrize(
    ("heights", "expected"),
    [
        ([1.0, 5.0, 9.0], [1.0, 5.0, 9.0]),
        ([5.0, 5.0], [4.0, 6.0]),
        ([9.0, 5.0, 5.5], [9.0, 4.25, 6.25]),
        ([3.0, 1.0, 2.0], [4.0, 0.0, 2.0]),
        ([], []),
    ],
)
def test_labels_spread_about_the_middle_of_their_group(heights: list[float], expected: list[float]) -> None:
    assert figures.apart(heights, gap=2.0) == pytest.approx(expected)


def test_a_live_figure_redraws_when_a_slider_moves() -> None:
    drawings: list[float] = []

    def draw(height: float) -> tuple[Figure, str]:
        drawings.append(height)
        return drawn(), f"height {height}"

    import ipywidgets

    slider = ipywidgets.FloatSlider(1.0, min=0, max=5)
    widget = figures.live_figure(draw, height=slider)
    slider.value = 3.0
    assert drawings == [1.0, 3.0]
    assert Tags(widget.children[-1].value).tags["img"]["alt"] == "height 3.0"


def test_the_weight_slider_describes_what_it_shows() -> None:
    widget = lesson_03.weight_slider()
    mean, log_std, picture = widget.children
    mean.value, log_std.value = -1.5, 0.0
    alt = Tags(picture.value).tags["img"]["alt"]
    assert alt is not None
    assert "mean -1.5" in alt
    assert "standard deviation 1.00" in alt


def test_the_weight_figure_shows_the_mean_and_std_that_the_mathematics_gives() -> None:
    mean, log_std = 1.0, -1.0
    figure = lesson_03.draw_weight([(mean, log_std)])
    (label,) = figure.axes[2].texts
    shown_mean, shown_std = (float(line.split()[1]) for line in label.get_text().splitlines())
    std = ((2 * torch.tensor(log_std).exp()) ** 2 + lesson_03.BIAS_STD**2).sqrt().item()
    tolerance = 7 / lesson_03.DRAWS**0.5
    assert shown_mean == pytest.approx(2 * mean, abs=tolerance * std + 0.05)
    assert shown_std == pytest.approx(std, abs=tolerance * std + 0.005)


def test_the_static_weight_figure_has_a_row_per_setting() -> None:
    assert len(lesson_03.weight_settings().axes) == 3 * len(lesson_03.SETTINGS)


def test_every_axis_of_the_data_figures_is_labelled() -> None:
    curves = torch.full((3, 20), 25.0) + torch.arange(3.0)[:, None]
    draws = 25 + torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    history = torch.linspace(-3, -1, 50)[:, None] + torch.linspace(0, 1, 7)
    for figure in (
        lesson_03.plain_networks(TRAIN, 110, GRID, curves),
        lesson_03.sampled_functions(TRAIN, [OTHERS], 110, GRID, {"one": draws, "two": draws}, 4.0),
        lesson_03.log_std_histories({"one": {"all": history}, "two": {"some": history - 2}}, every=20),
    ):
        assert figure.axes[-1].get_xlabel()
        assert figure.axes[0].get_ylabel()
        figures.html(figure, "drawn without a warning")


def test_the_history_figure_spans_the_training_steps_and_averages_all_groups() -> None:
    history = torch.zeros(11, 3)
    figure = lesson_03.log_std_histories({"one": {"low": history, "high": history + 2}, "two": {"all": history}}, 20)
    first, _ = figure.axes
    average = first.lines[-1]
    assert average.get_xdata()[-1] == 200
    assert set(average.get_ydata().tolist()) == {1.0}
    legend = first.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["low", "high", "average of all"]


@pytest.mark.parametrize(("units", "rows"), [(20, 5), (5, 2), (1, 1)])
def test_every_hidden_unit_has_a_panel(units: int, rows: int) -> None:
    figure = lesson_03.hidden_units(GRID, torch.randn(6, units, 20), 110)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert (len(figure.axes), len(shown)) == (4 * rows, units)
    assert all(len(axes.lines) == 6 for axes in shown)
    figures.html(figure, "drawn without a warning")

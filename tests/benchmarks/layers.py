"""What a training step costs, in time and memory: the course's layers, as they are and compiled, beside plain autograd
code and other libraries.

Run it as `python tests/benchmarks/layers.py`. All times are ratios to nn.Linear in the same process; the candidates
take turns, in an order that changes, so that a busy machine slows them all alike. A library that isn't installed is
skipped with a line.
"""

import argparse
import importlib
import itertools
import math
import random
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from bnn_core import BayesianLinear, HiddenLayer

Size = tuple[int, int, int]  # batch, in, out
Step = Callable[[], object]
Candidates = dict[str, Callable[[Size], Step]]

LINEAR_SIZES: list[Size] = [(128, 784, 400), (128, 400, 400), (32, 64, 50), (512, 1200, 1200)]
COMPILING = {"fallback_random": True}
"""Draw numbers as uncompiled code does. On a processor torch's compiler else writes code that draws them one by one."""

HIDDEN_SIZES: list[Size] = [(128, 784, 400), (128, 400, 400), (32, 64, 50), (256, 1024, 1024)]


def training_step(
    layer: nn.Module, size: Size, forward_and_kl: Callable[[Tensor], tuple[Tensor, Tensor | None]]
) -> Step:
    """A step without the optimizer's part: forward, KL and backward."""
    x = torch.randn(size[:2])

    def step() -> None:
        layer.zero_grad(set_to_none=True)
        output, kl = forward_and_kl(x)
        loss = output.square().mean()
        (loss if kl is None else loss + kl).backward()

    return step


def linear(size: Size) -> Step:
    layer = nn.Linear(*size[1:])
    return training_step(layer, size, lambda x: (layer(x), None))


# BayesianLinear and its peers


def ours(size: Size) -> Step:
    layer = BayesianLinear(*size[1:])
    return training_step(layer, size, lambda x: (layer(x), layer.kl_divergence()))


def compiled(size: Size) -> Step:
    layer = BayesianLinear(*size[1:])
    return training_step(layer, size, torch.compile(lambda x: (layer(x), layer.kl_divergence()), options=COMPILING))


def plain(size: Size) -> Step:
    layer = BayesianLinear(*size[1:])  # for its parameters alone

    def draw(mean: Tensor, log_std: Tensor) -> Tensor:
        return mean + torch.exp(log_std) * torch.randn_like(mean)

    def kl(mean: Tensor, log_std: Tensor) -> Tensor:
        return 0.5 * (torch.exp(2 * log_std) + mean**2 - 1 - 2 * log_std).sum()

    def forward_and_kl(x: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias = (layer.weight_mean, layer.weight_log_std), (layer.bias_mean, layer.bias_log_std)
        return F.linear(x, draw(*weight), draw(*bias)), kl(*weight) + kl(*bias)

    return training_step(layer, size, forward_and_kl)


def torchbnn(size: Size) -> Step:
    library = importlib.import_module("torchbnn")
    layer = library.BayesLinear(prior_mu=0, prior_sigma=1, in_features=size[1], out_features=size[2])
    kl = library.BKLLoss(reduction="sum", last_layer_only=False)
    return training_step(layer, size, lambda x: (layer(x), kl(layer)))


def bayesian_torch(size: Size) -> Step:
    layer = importlib.import_module("bayesian_torch.layers").LinearReparameterization(*size[1:])
    return training_step(layer, size, layer)


def blitz(size: Size) -> Step:
    layer = importlib.import_module("blitz.modules").BayesianLinear(*size[1:])
    return training_step(layer, size, lambda x: (layer(x), layer.log_variational_posterior - layer.log_prior))


def torch_uncertainty(size: Size) -> Step:
    layer = importlib.import_module("torch_uncertainty.layers.bayesian").BayesLinear(*size[1:])
    return training_step(layer, size, lambda x: (layer(x), layer.lvposterior - layer.lprior))


# HiddenLayer and its peers


def hidden_step(size: Size, sample_and_log_prob: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Step:
    batch, inputs, units = size
    X = torch.randn(batch, inputs)
    A_mean = torch.randn(inputs, units).div_(math.sqrt(inputs)).requires_grad_()
    A_scale = torch.full((inputs, units), 0.05, requires_grad=True)

    def step() -> None:
        A_mean.grad = A_scale.grad = None
        sample, log_prob = sample_and_log_prob(X, A_mean, A_scale)
        (sample.square().mean() - log_prob).backward()

    return step


def ours_hidden(size: Size) -> Step:
    def sample_and_log_prob(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        layer = HiddenLayer(*arguments)
        sample = layer.rsample()
        return sample, layer.log_prob(sample)

    return hidden_step(size, sample_and_log_prob)


def compiled_hidden(size: Size) -> Step:
    def sample_and_log_prob(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        layer = HiddenLayer(*arguments)
        sample = layer.rsample()
        return sample, layer.log_prob(sample)

    return hidden_step(size, torch.compile(sample_and_log_prob, options=COMPILING))


def plain_hidden(size: Size) -> Step:
    def sample_and_log_prob(X: Tensor, A_mean: Tensor, A_scale: Tensor) -> tuple[Tensor, Tensor]:
        std = (X**2 @ A_scale**2 + 1e-20).sqrt()
        hidden = F.relu(X @ A_mean + std * torch.randn_like(std))
        kl = 0.5 * (A_mean**2 + A_scale**2 - 1 - 2 * torch.log(A_scale)).sum()
        return torch.cat([hidden, torch.ones(len(X), 1)], -1), -kl

    return hidden_step(size, sample_and_log_prob)


def pyro_hidden(size: Size) -> Step:
    layer_class = importlib.import_module("pyro.contrib.bnn").HiddenLayer

    def sample_and_log_prob(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        layer = layer_class(*arguments)
        sample = layer.rsample()
        return sample, layer.log_prob(sample)

    return hidden_step(size, sample_and_log_prob)


# Measuring


def installed(candidates: Candidates) -> Candidates:
    """The candidates whose library is there; a line about each that isn't."""
    found = {}
    for name, make in candidates.items():
        try:
            with warnings.catch_warnings(action="ignore"):
                make((2, 3, 4))()
        except (ImportError, RuntimeError) as error:  # of which the latter is that of a compiler that isn't there
            print(f"{name}: skipped, {str(error).splitlines()[0]}")
        else:
            found[name] = make
    return found


def times(steps: dict[str, Step], turns: int, steps_per_turn: int, progress: "tqdm[object]") -> dict[str, float]:
    """The median seconds of a step of each candidate."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    order = list(steps.items())
    for turn in range(turns + 2):
        random.Random(turn).shuffle(order)  # whoever comes next finds the memory that the last one left
        for name, step in order:
            start = time.perf_counter()
            for _ in range(steps_per_turn):
                step()
            if turn >= 2:  # the first two warm up
                seconds[name].append((time.perf_counter() - start) / steps_per_turn)
        progress.update()
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_megabytes(step: Step) -> float:
    """The most memory that a step holds at a time, beyond what was there before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as measured:
        step()
    events = [event for event in measured.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(itertools.accumulate((event.nbytes() for event in events), initial=0)) / 1e6


def table(title: str, sizes: list[Size], rows: dict[str, list[str]]) -> str:
    headings = [",".join(map(str, size)) for size in sizes]
    width = max(map(len, [title, *rows]))
    lines = [f"{title:<{width}}" + "".join(f"{heading:>16}" for heading in headings)]
    lines += [f"{name:<{width}}" + "".join(f"{cell:>16}" for cell in cells) for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


def compare(title: str, sizes: list[Size], candidates: Candidates, turns: int, memory: bool) -> str:
    """A table: a step's time over nn.Linear's for each candidate and size, ours over plain, and peak memory."""
    candidates = installed(candidates)
    measured, peaks = [], []
    with tqdm(total=len(sizes) * (turns + 2), desc=title, leave=False) as progress:
        for size in sizes:
            steps_per_turn = 20 if math.prod(size) < 1e6 else 2  # as in training: the caches know what comes
            steps = {name: make(size) for name, make in candidates.items()}
            measured.append(times({"nn.Linear": linear(size)} | steps, turns, steps_per_turn, progress))
            if memory:
                peaks.append({name: peak_megabytes(step) for name, step in steps.items()})
    rows = {name: [f"{times[name] / times['nn.Linear']:.2f}" for times in measured] for name in candidates}
    for name in candidates:
        if name != "ours":
            rows[f"ours / {name}"] = [f"{times['ours'] / times[name]:.3f}" for times in measured]
    for name in candidates if memory else []:
        rows[f"peak MB, {name}"] = [f"{peak[name]:.1f}" for peak in peaks]
    rows["nn.Linear in ms"] = [f"{times['nn.Linear'] * 1e3:.3f}" for times in measured]
    return table(title, sizes, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--turns", type=int, default=40, help="turns of each candidate (default: 40)")
    turns = parser.parse_args().turns
    torch.set_num_threads(2)
    torch.manual_seed(0)
    layers: Candidates = {
        "ours": ours,
        "compiled": compiled,
        "plain": plain,
        "torchbnn": torchbnn,
        "bayesian-torch": bayesian_torch,
        "blitz": blitz,
        "torch-uncertainty": torch_uncertainty,
    }
    hidden: Candidates = {"ours": ours_hidden, "compiled": compiled_hidden, "plain": plain_hidden, "Pyro": pyro_hidden}
    print(compare("BayesianLinear", LINEAR_SIZES, layers, turns, memory=False))
    print(compare("HiddenLayer", HIDDEN_SIZES, hidden, turns, memory=True))


if __name__ == "__main__":
    main()

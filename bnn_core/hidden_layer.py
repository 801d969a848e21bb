"""HiddenLayer, a Bayesian layer as a distribution over its activations. Knows no inference library."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional as F

from bnn_core.gaussian import draw, kl_to_prior
from bnn_core.local_reparameterization import check_weight_shapes, preactivation_moments
from bnn_core.validation import as_size, check_expandable, check_not_negative, check_positive, check_tensor


class HiddenLayer(Distribution):
    """The activations non_linearity(X·A) of a layer with weights A ~ N(A_mean, A_scale²).

    The KL divergence of the weights to their prior N(0, A_prior_scale²) is folded into `log_prob`. So in
    variational inference the layer belongs in the model alone: it and the log-likelihood add up to the ELBO.

    X: inputs, … × B × D.   A_mean, A_scale: D × H, A_scale > 0.
    non_linearity: a function of a tensor that keeps its shape.
    KL_factor: what multiplies the KL, a number of at least 0; for mini-batches, batch size over size of the data set.
    A_prior_scale: a number, or a tensor that broadcasts to D × H; > 0.
    include_hidden_bias: whether a unit that is always 1 follows the H others: the bias of the next layer.
    weight_space_sampling: draw A itself, one draw for all rows, in place of each row's own activations. Every
        activation keeps its distribution; the rows are then no longer independent, and gradients vary more.
    validate_args: whether the values of the arguments are looked at, for which a GPU must wait. Shapes always are.
        (The default that torch keeps for all distributions isn't asked: loading torch.compile turns it off.)

    batch_shape is … × B, event_shape H, or H + 1 with the bias unit.
    Raises: ValueError that names the argument which is missing, of the wrong shape, or out of its range.
    Source: Kingma, Salimans and Welling, "Variational dropout and the local reparameterization trick",
    NeurIPS 2015, section 2.
    """

    arg_constraints = {  # noqa: RUF012
        "X": constraints.real_vector,
        "A_mean": constraints.real,
        "A_scale": constraints.positive,
        "KL_factor": constraints.nonnegative,
        "A_prior_scale": constraints.positive,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        X: Tensor | None = None,
        A_mean: Tensor | None = None,
        A_scale: Tensor | None = None,
        non_linearity: Callable[[Tensor], Tensor] = F.relu,
        KL_factor: float | Tensor = 1.0,
        A_prior_scale: float | Tensor = 1.0,
        include_hidden_bias: bool = True,
        weight_space_sampling: bool = False,
        *,
        validate_args: bool = True,
    ) -> None:
        self.X = check_tensor("X", X)
        self.A_mean = check_tensor("A_mean", A_mean)
        self.A_scale = check_tensor("A_scale", A_scale)
        check_weight_shapes(self.X, self.A_mean, self.A_scale)
        if not callable(non_linearity):
            raise ValueError(f"non_linearity must be callable, not {non_linearity!r}")
        if isinstance(A_prior_scale, Tensor):
            check_expandable("A_prior_scale", A_prior_scale.shape, self.A_mean.shape)
        if validate_args:
            check_positive("A_scale", self.A_scale)
            check_positive("A_prior_scale", A_prior_scale)
            check_not_negative("KL_factor", KL_factor)
        self.non_linearity = non_linearity
        self.KL_factor = KL_factor
        self.A_prior_scale = A_prior_scale
        self.include_hidden_bias = include_hidden_bias
        self.weight_space_sampling = weight_space_sampling
        self._copies = torch.Size()
        self._is_expanded = False
        units = self.A_mean.shape[1] + int(include_hidden_bias)
        super().__init__(self.X.shape[:-1], torch.Size([units]), validate_args=False)  # it was done above

    def rsample(self, sample_shape: int | Sequence[int] = ()) -> Tensor:
        """Draws of the activations that carry gradients, of shape sample_shape × batch_shape × event_shape.

        Raises: ValueError where sample_shape is no shape.
        """
        sample_shape = as_size("sample_shape", sample_shape) + self._copies
        if self.weight_space_sampling:
            # All leading dimensions of X share each draw of A.
            shared = (1,) * (self.X.dim() - 2)
            preactivation = self.X @ draw(self.A_mean, self.A_scale, (*sample_shape, *shared))
        else:
            preactivation = draw(*preactivation_moments(self.X, self.A_mean, self.A_scale), sample_shape)
        activation = self.non_linearity(preactivation)
        if not self.include_hidden_bias:
            return activation
        return F.pad(activation, (0, 1), value=1.0)

    @property
    def KL(self) -> Tensor:  # noqa: N802
        """KL(N(A_mean, A_scale²) ‖ N(0, A_prior_scale²)), summed over all weights: a scalar, always fresh."""
        return self._weighted_kl(1.0)

    def _weighted_kl(self, factor: float | Tensor) -> Tensor:
        return kl_to_prior(self.A_mean, self.A_scale.log(), self.A_prior_scale, factor)

    def log_prob(self, value: Tensor) -> Tensor:
        """−KL_factor·KL, whatever the value: a scalar.

        After `expand`, one number per row: the rows of a copy share its scalar evenly, and so add up to it.
        """
        log_prob = self._weighted_kl(-self.KL_factor)
        if not self._is_expanded:
            return log_prob
        rows = self.X.shape[:-1].numel()
        return (log_prob / rows).expand(self.batch_shape)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> "HiddenLayer":
        """The layer repeated to batch_shape, without copying data; Pyro's plates do this to what is in them.

        Dimensions to the left of X's own are independent copies of the layer, each with its own KL.

        Raises: ValueError where the present batch_shape does not broadcast to the new one.
        """
        batch_shape = torch.Size(batch_shape)
        check_expandable("batch_shape", self.batch_shape, batch_shape)
        num_copy_dims = len(batch_shape) - (self.X.dim() - 1)
        expanded: HiddenLayer = self._get_checked_instance(HiddenLayer, _instance)  # type: ignore[no-untyped-call]
        expanded.__dict__.update(self.__dict__)
        expanded.X = self.X.expand(*batch_shape[num_copy_dims:], -1)
        expanded._copies = batch_shape[:num_copy_dims]
        expanded._is_expanded = True
        Distribution.__init__(expanded, batch_shape, self.event_shape, validate_args=False)
        return expanded

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in signature(HiddenLayer).parameters if hasattr(self, name)}
        listed = ", ".join(f"{name}={_brief(value)}" for name, value in shown.items())
        return f"{type(self).__name__}({listed})"


def log_prob_per_row(kl: Tensor, KL_factor: float | Tensor, num_rows: int) -> Tensor:
    """A layer's log_prob, −KL_factor·kl, in equal shares for the rows of a batch, (num_rows,): for Pyro's plates.

    kl: the layer's KL divergence, a scalar tensor. Gradients flow back to it.
    Raises: ValueError where num_rows is below 1.
    """
    if num_rows < 1:
        raise ValueError(f"num_rows must be at least 1; not {num_rows}")
    return (-KL_factor * kl / num_rows).expand(num_rows)


def _brief(value: object) -> str:
    if isinstance(value, Tensor):
        return "×".join(map(str, value.shape)) or str(value.item())
    return getattr(value, "__name__", repr(value))

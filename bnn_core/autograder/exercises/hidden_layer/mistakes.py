"""The mistakes that only this distribution can have."""

from __future__ import annotations

from bnn_core.autograder.mistakes import Mistake

DISTRIBUTION = (
    Mistake(
        "not-a-distribution",
        "The layer doesn't present itself as a distribution: it inherits from torch.distributions.Distribution, and its"
        " __init__ calls super().__init__(batch_shape, event_shape).",
    ),
    Mistake(
        "signature-changed",
        "HiddenLayer takes X, A_mean and A_scale, and five options that may be left out, in this order:"
        " non_linearity, KL_factor, A_prior_scale, include_hidden_bias and weight_space_sampling.",
    ),
    Mistake(
        "default-wrong",
        "When {what} is left out it is {right}.",
    ),
    Mistake(
        "distribution-shapes-wrong",
        "batch_shape and event_shape don't fit the draws: there is one distribution for each row, over all units"
        " of the row, the bias unit among them.",
    ),
    Mistake(
        "has-rsample-missing",
        "has_rsample isn't True, so inference takes the draws for ones that carry no gradients, and does without.",
    ),
    Mistake(
        "sample-shape-ignored",
        "rsample ignores sample_shape: it should draw that many times, in dimensions of their own.",
    ),
    Mistake(
        "sample-shape-incomplete",
        "rsample uses only a part of sample_shape, or flattens it: each of its dimensions is a dimension of the draws.",
    ),
    Mistake(
        "sample-shape-misplaced",
        "The dimensions of sample_shape come first, before the rows, and in their order.",
    ),
    Mistake(
        "noise-shared-by-samples",
        "The samples of sample_shape share their noise: each is a draw of its own, so sample_shape belongs in the"
        " shape of the noise.",
    ),
    Mistake(
        "non-linearity-ignored",
        "The non-linearity isn't applied: the layer's output is non_linearity(X·A).",
    ),
    Mistake(
        "non-linearity-fixed",
        "One fixed non-linearity is applied, whichever the layer was given.",
    ),
    Mistake(
        "non-linearity-without-slope",
        "The gradient doesn't pass the non-linearity as it should: it takes the slope of non_linearity at X·A.",
    ),
    Mistake(
        "non-linearity-twice",
        "The non-linearity is applied twice.",
    ),
    Mistake(
        "non-linearity-before",
        "The non-linearity is applied to X; it belongs to the pre-activations X·A.",
    ),
    Mistake(
        "noise-after-non-linearity",
        "The noise is added after the non-linearity; the weights are uncertain, so it belongs to the pre-activations.",
    ),
    Mistake(
        "bias-unit-missing",
        "The bias unit is missing: with include_hidden_bias a unit that is always 1 follows the others.",
    ),
    Mistake(
        "bias-unit-unwanted",
        "The bias unit is there although include_hidden_bias is False.",
    ),
    Mistake(
        "bias-unit-as-row",
        "The ones are appended as a row, as if they were another example; they are another unit, a column.",
    ),
    Mistake(
        "bias-unit-first",
        "The bias unit comes first; it belongs last, after the other units.",
    ),
    Mistake(
        "bias-unit-before-non-linearity",
        "The bias unit goes through the non-linearity, which changes its 1: append it to the activations, afterwards.",
    ),
    Mistake(
        "bias-unit-not-one",
        "The bias unit isn't 1.",
    ),
    Mistake(
        "weight-space-ignored",
        "With weight_space_sampling=True every row still has noise of its own: draw A itself, once per sample,"
        " and multiply all rows by it.",
        seen_in=("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Mistake(
        "weight-space-without-weights",
        "With weight_space_sampling=True the rows don't fit together as X·A for one draw of the weights: draw A,"
        " D × H, and multiply X by it, adding nothing.",
    ),
    Mistake(
        "sampling-modes-swapped",
        "weight_space_sampling is turned round: True is to draw weights, and False, the default, to draw pre-"
        "activations.",
        seen_in=("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Mistake(
        "weight-noise-unscaled",
        "The weights' noise isn't scaled: a weight is A_mean + A_scale·epsilon.",
    ),
    Mistake(
        "scale-as-variance",
        "The weights' standard deviation is √A_scale: you read A_scale as a variance. It is the standard"
        " deviation itself.",
    ),
    Mistake(
        "layer-changed-by-drawing",
        "rsample changes the layer it draws from: don't assign what you draw, or anything else, to self.",
    ),
    Mistake(
        "prior-in-draws",
        "A_prior_scale changes the draws; it belongs to the KL alone: the weights are drawn from N(A_mean, A_scale²).",
    ),
    Mistake(
        "kl-factor-in-draws",
        "KL_factor changes the draws; it belongs to log_prob alone.",
    ),
    Mistake(
        "non-linearity-on-weights",
        "The non-linearity is applied to the weights; it belongs to the pre-activations X·A.",
    ),
    Mistake(
        "mean-times-scale",
        "A_mean is multiplied by A_scale: a weight is A_mean + A_scale·epsilon, where the scale multiplies epsilon"
        " alone.",
    ),
    Mistake(
        "mean-over-rows",
        "The mean is averaged over the rows: every row has its own, its row of X·A_mean.",
    ),
    Mistake(
        "mean-sign-lost",
        "A_mean has lost its sign, or what is below 0: a mean may be negative, and is used as it is.",
    ),
    Mistake(
        "divided-by-inputs",
        "The draws are divided by the number of inputs, or by its root: X·A is a sum over the inputs, and no average.",
    ),
    Mistake(
        "inputs-normalised",
        "The rows of X are normalised before they are used: X is used as it is.",
    ),
    Mistake(
        "units-dropped",
        "Some pre-activations are exactly 0, others in each draw: nothing is dropped out in this layer, where only the"
        " weights are uncertain.",
    ),
    Mistake(
        "reshaped-for-transposed",
        "Rows and columns are exchanged by reshape() or view(), which only read the same numbers in another order: .mT"
        " turns a matrix.",
    ),
    Mistake(
        "noise-of-another-generator",
        "The noise doesn't come from torch's own random generator, so torch.manual_seed doesn't make a run repeat, or"
        " every layer draws the same: use torch.randn, without a generator of your own.",
    ),
    Mistake(
        "seeded-anew",
        "Draws don't repeat after torch.manual_seed: your code gives torch's generator a seed of its own, another each"
        " time. Leave seeds to the notebook.",
    ),
)

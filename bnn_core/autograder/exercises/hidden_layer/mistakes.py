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
        "value-missing",
        "log_prob takes a value, as every distribution's does, though this one makes no use of it.",
        error_signs=("log_prob() takes 1 positional argument but 2",),
    ),
    Mistake(
        "log-prob-averaged",
        "log_prob is divided by a number of elements: it is minus KL_factor times the whole KL.",
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
        "The dimensions of sample_shape come first, before the rows.",
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
        "kl-scale-not-squared",
        "Your KL uses A_scale where the variance, A_scale², belongs.",
        seen_in=("vgae_pytorch#2",),
    ),
    Mistake(
        "kl-scale-as-variance",
        "Your KL reads A_scale as a variance; it is the standard deviation itself.",
    ),
    Mistake(
        "kl-scale-squared-twice",
        "Your KL takes the variance A_scale² for the standard deviation, as in Normal(mean, variance).",
        seen_in=("bayesian_flow_networks#1",),
    ),
    Mistake(
        "kl-factor-in-kl",
        "KL is multiplied by KL_factor: KL is the bare divergence; the factor comes in with log_prob.",
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
        "prior-power-in-log",
        "The logarithm in your KL takes a wrong power of A_prior_scale: it is log(A_scale / A_prior_scale), or half the"
        " logarithm of the ratio of the variances.",
    ),
    Mistake(
        "kl-by-rows",
        "Your KL depends on the number of rows of X. The weights are the same for any batch; what weighs their KL"
        " for a mini-batch is KL_factor, in log_prob.",
    ),
    Mistake(
        "kl-cached",
        "KL was computed once and kept, so it goes stale: training changes A_mean and A_scale in place. Compute"
        " it each time it is asked for.",
        seen_in=("pyro.contrib.bnn.HiddenLayer 1.9.2",),
    ),
    Mistake(
        "log-prob-not-scalar",
        "log_prob is one number for the whole layer: it stands for the KL of its weights.",
    ),
    Mistake(
        "log-prob-of-the-value",
        "log_prob depends on the value. The layer's activations have no density here: log_prob carries the"
        " weights' KL alone, −KL_factor·KL.",
    ),
    Mistake(
        "log-prob-sign",
        "log_prob has the wrong sign: it enters the ELBO, which is to grow, so it is minus KL_factor·KL.",
        seen_in=("xuanqing94/BayesianDefense#10",),
    ),
    Mistake(
        "kl-factor-ignored",
        "log_prob doesn't use KL_factor.",
    ),
    Mistake(
        "kl-factor-inverted",
        "log_prob divides by KL_factor; it must multiply by it.",
    ),
    Mistake(
        "kl-factor-twice",
        "KL_factor is applied twice.",
    ),
    Mistake(
        "log-prob-by-rows",
        "log_prob depends on the number of rows. The weights' KL doesn't; KL_factor is what weighs it for a mini-"
        "batch.",
        seen_in=("tensorflow/probability#719",),
    ),
    Mistake(
        "log-prob-without-kl",
        "log_prob is 0: it must carry the weights' KL, −KL_factor·KL.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#59",),
    ),
)

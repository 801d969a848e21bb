"""The mistakes in KL and log_prob that only this distribution can have."""

from __future__ import annotations

from bnn_core.autograder.mistakes import Mistake

COST = (
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
        "log-prob-exponentiated",
        "log_prob is a probability, the exponential of −KL_factor·KL: inference adds up logarithms.",
    ),
    Mistake(
        "log-prob-without-kl",
        "log_prob is 0: it must carry the weights' KL, −KL_factor·KL.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#59",),
    ),
    Mistake(
        "kl-missing",
        "The class has no attribute KL: it is a property, spelled with two capital letters, and indented into the"
        " class.",
        error_signs=("object has no attribute 'KL'",),
    ),
    Mistake(
        "kl-clamped",
        "Your KL is right for usual values of A_mean and A_scale, and wrong for smaller or larger ones: something is"
        " clamped, or something small is added.",
    ),
    Mistake(
        "kl-cut-off-near-zero",
        "Your KL is wrong where it is nearly 0: something is kept above a limit, or set to 0 below one. It is 0 for"
        " weights that are distributed as the prior is, and a little more near them.",
    ),
    Mistake(
        "kl-weights-missing",
        "Your KL leaves out a row or a column of the weights: it sums over all of them, D × H, also over those that"
        " serve as biases.",
    ),
    Mistake(
        "kl-of-inputs",
        "Your KL depends on the values in X: it is that of the weights, from A_mean and A_scale, whatever they are"
        " multiplied by.",
    ),
    Mistake(
        "kl-by-options",
        "Your KL depends on an option that it has nothing to do with: of the options A_prior_scale alone enters it.",
    ),
    Mistake(
        "layer-keeps-copies",
        "The layer keeps copies of A_mean and A_scale, as .clone() makes them, which go stale: training changes the"
        " tensors in place. Keep the tensors themselves.",
    ),
    Mistake(
        "log-prob-without-prior",
        "log_prob has a KL of its own, to a standard normal prior: self.KL is the one that knows A_prior_scale.",
    ),
    Mistake(
        "kl-factor-cut-off",
        "KL_factor is cut off at 1 in log_prob: it multiplies the KL as it is.",
    ),
    Mistake(
        "kl-factor-of-zero",
        "A KL_factor of 0 is taken for one that wasn't given: 0 is a factor like any other, and makes log_prob 0.",
    ),
)

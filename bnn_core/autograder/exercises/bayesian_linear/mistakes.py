"""The mistakes that only this layer can have."""

from __future__ import annotations

from bnn_core.autograder.mistakes import Mistake

MODULE = (
    Mistake(
        "not-a-module",
        "Your class doesn't inherit from nn.Module, so nothing can find its parameters.",
    ),
    Mistake(
        "super-init-missing",
        "__init__ doesn't call super().__init__() before it assigns parameters, so the module can't register them.",
        error_signs=("Module.__init__() call",),
    ),
    Mistake(
        "integer-parameters",
        "A parameter is made from whole numbers, which can't be trained: write -3.0, not -3.",
        error_signs=("Only Tensors of floating point and complex dtype can require gradients",),
    ),
    Mistake(
        "method-missing",
        "The class has no method kl_divergence: the training loop and the checks call it by that name.",
        error_signs=("has no attribute 'kl_divergence'",),
    ),
)

OWN_PARAMETERS = (
    Mistake(
        "sizes-swapped",
        "__init__ takes in_features first and out_features second; yours has them the other way round.",
    ),
    Mistake("parameters-unused", "The layer also has {what}, which nothing uses: an optimiser would carry it along."),
    Mistake(
        "parameters-missing",
        "The layer has no {what}. The four parameters are called weight_mean, weight_log_std, bias_mean, bias_log_std.",
    ),
    Mistake(
        "parameters-unregistered",
        "{what} is an nn.Parameter that the module doesn't know, so nothing trains it: assign it to self"
        " directly, or keep it in an nn.ParameterDict and not in a plain dictionary or list.",
    ),
    Mistake(
        "parameters-as-buffers",
        "{what} is a tensor but not an nn.Parameter, so no optimiser finds it and it never trains.",
        seen_in=("slot_attention#8",),
    ),
    Mistake(
        "parameters-frozen",
        "{what} doesn't require gradients, so it never trains.",
    ),
    Mistake(
        "parameters-shared",
        "{what} shares its memory with another parameter: each parameter, of each layer, is a tensor of its own.",
    ),
    Mistake(
        "parameter-shape",
        "{what} has the wrong shape: every weight and every bias has a mean and a log_std of its own.",
    ),
    Mistake(
        "weight-transposed",
        "{what} is stored the wrong way round: as in nn.Linear, and as F.linear wants it, the weights are"
        " (out_features, in_features), a row per output.",
    ),
    Mistake(
        "parameters-uninitialised",
        "{what} starts with values that aren't finite: torch.empty fills nothing in, and the logarithm of 0 is −∞.",
    ),
    Mistake(
        "parameters-besides",
        "The layer also trains {what}, which has a value and not a distribution: the KL can't hold it back.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#7",),
    ),
    Mistake(
        "parameters-changed",
        "Your {what} changes the parameters: only the optimiser should.",
    ),
    Mistake(
        "mode-changed",
        "Your {what} switches the layer to another mode: self.eval() and self.train() change it for everyone who uses"
        " it after that. Whoever uses the layer chooses its mode.",
    ),
    Mistake(
        "backward-inside",
        "Your {what} calls backward() itself: the training loop does that, once, and here gradients would count twice.",
    ),
    Mistake(
        "initial-std-for-log-std",
        "{what} starts as if it were the standard deviation: 0.05 is exp(−3), and −3 is what belongs there.",
    ),
    Mistake(
        "initial-std-too-small",
        "{what} starts so small that the layer is as good as deterministic: its predictions would never show a"
        " spread, and it would take training very long to find one.",
        seen_in=("piEsposito/blitz-bayesian-deep-learning#50",),
    ),
    Mistake(
        "initial-std-too-large",
        "{what} starts so large that the output is nothing but noise: start around −3, a standard deviation of 0.05.",
    ),
)

SAMPLING = (
    Mistake(
        "sampling-needs-gradients",
        "Under torch.no_grad() the layer stops sampling: that is how it predicts, and its spread comes from there.",
    ),
    Mistake(
        "noise-shared-by-layers",
        "Two layers of one size draw the same noise: a generator of each layer's own starts from the same seed. Use the"
        " global one.",
    ),
    Mistake("bias-added-twice", "The bias is added twice: F.linear(x, weight, bias) adds it already."),
    Mistake(
        "input-modified",
        "Your forward changes the tensor it is given: work on a new one.",
    ),
    Mistake(
        "output-squeezed",
        "A dimension of size one is dropped, as squeeze() does: keep (batch, out_features).",
    ),
    Mistake(
        "bias-without-noise",
        "The bias gets no noise: it has a distribution too, bias = bias_mean + exp(bias_log_std)·epsilon.",
    ),
    Mistake(
        "weight-without-noise",
        "The weights get no noise; only the bias does.",
    ),
    Mistake(
        "bias-unused",
        "The bias isn't added to the output.",
    ),
    Mistake(
        "weight-unused",
        "The output doesn't depend on the input: x isn't multiplied by a weight.",
    ),
    Mistake(
        "draw-scaled",
        "The sampled {what} is {factor} times what it should be, its mean and its spread alike: the output is"
        " x·Wᵀ + b, multiplied or divided by nothing.",
    ),
    Mistake(
        "mean-missing",
        "{what}_mean is missing from the sampled {what}: mean + exp(log_std)·epsilon.",
    ),
    Mistake(
        "not-affine",
        "The layer is affine, x·Wᵀ + b, and nothing else: a non-linearity belongs between layers, and the noise"
        " may not depend on x.",
    ),
    Mistake(
        "local-reparameterization-mixed-in",
        "Equal rows of one batch get different outputs: noise is drawn for each row, as in dropout or with"
        " noise on the output. This layer draws one set of weights per forward, for all rows. (Lesson 05 is about"
        " noise for each row.)",
        seen_in=("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Mistake(
        "sampling-only-in-training",
        "Sampling stops in eval(). A Bayesian layer draws weights when it predicts, too: that is where the spread"
        " of its predictions comes from.",
        seen_in=(
            "piEsposito/blitz-bayesian-deep-learning#69",
            "kumar-shridhar/PyTorch-BayesianCNN#64",
        ),
    ),
    Mistake(
        "sampling-only-in-eval",
        "Sampling stops in train(): the layer trains as if its weights were certain.",
    ),
    Mistake(
        "evaluation-differs",
        "In eval() the layer draws from another distribution: it should make no difference.",
    ),
    Mistake(
        "std-frozen",
        "{what} doesn't follow log_std: exp(log_std) is computed once, in __init__, so log_std never learns."
        " Compute it in forward.",
    ),
)

KL_OF_THE_LAYER = (
    Mistake(
        "kl-copied",
        "One part of the KL is counted twice, and the other not at all: a copied line still names the {what}.",
    ),
    Mistake(
        "kl-parameters-crossed",
        "In the KL, tensors meet whose shapes don't fit, such as a parameter of the weights and one of the bias:"
        " weight_mean goes with weight_log_std, and bias_mean with bias_log_std.",
    ),
    Mistake(
        "kl-bias-missing",
        "The bias is left out of the KL: it has a distribution, and a KL, of its own.",
    ),
    Mistake(
        "kl-weight-missing",
        "The weights are left out of the KL; only the bias's KL is there.",
    ),
    Mistake(
        "kl-one-part-chosen",
        "The KL is that of the weights or that of the bias, as max and min choose: add the two up.",
    ),
    Mistake(
        "kl-of-the-other-part",
        "In the KL the weights' parameters stand in for the bias's, or the bias's for the weights': each has a mean and"
        " a log_std of its own.",
    ),
    Mistake(
        "kl-of-other-parameters",
        "The KL doesn't depend on {what}, which forward uses: it must be computed from the very parameters that"
        " are sampled.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#7",),
    ),
    Mistake(
        "kl-depends-on-forward",
        "Your KL depends on what the last forward left behind: compute it from the parameters alone.",
    ),
    Mistake(
        "kl-needs-forward",
        "kl_divergence works only after forward: compute it from the parameters, not from what forward left behind.",
    ),
    Mistake(
        "kl-differs-in-evaluation",
        "In eval() your KL is another one: it should make no difference to the KL.",
    ),
)

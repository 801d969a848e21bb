"""The catalogue of misconceptions: what learners get wrong, in words, with where it has been seen.

Checks name an entry when a wrong value is the one that the mistake would give; reports of a class count them. This
module holds text only and knows no check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Misconception:
    """One known mistake.

    sentence: what the learner reads first; its {blanks} are filled by the check. seen_in: public code or threads that
    made it (repository#number), where known. error_signs: parts of error messages that only this mistake leads to.
    """

    name: str
    sentence: str
    seen_in: tuple[str, ...] = ()
    error_signs: tuple[str, ...] = ()

    def sentence_for(self, **about: str) -> str:
        """The sentence with its blanks filled; a blank that is not given becomes an empty word."""
        return " ".join(self.sentence.format_map(defaultdict(str, about)).split())


def catalogue(entries: Iterable[Misconception]) -> dict[str, Misconception]:
    """Entries by name. Raises ValueError where two share a name."""
    found: dict[str, Misconception] = {}
    for entry in entries:
        if entry.name in found:
            raise ValueError(f"two misconceptions are called {entry.name!r}")
        found[entry.name] = entry
    return found


WRITING_A_MODULE = [
    Misconception(
        "integer-parameters",
        "A parameter is made from whole numbers, which can't be trained: write -3.0, not -3.",
        error_signs=("Only Tensors of floating point and complex dtype can require gradients",),
    ),
    Misconception(
        "self-missing",
        "A method lacks its first parameter, self.",
        error_signs=("takes 0 positional arguments but",),
    ),
    Misconception(
        "method-missing",
        "The class has no method kl_divergence: the training loop and the checks call it by that name.",
        error_signs=("has no attribute 'kl_divergence'",),
    ),
    Misconception(
        "method-of-base-class",
        "Your class has no method of this name, so PyTorch's base class answered, which raises NotImplementedError: is"
        " the name spelled right, and the method indented into the class?",
    ),
    Misconception(
        "tensor-called",
        "A tensor is called as if it were a function: an attribute or a property is read without parentheses.",
        error_signs=("'Tensor' object is not callable", "'Parameter' object is not callable"),
    ),
    Misconception(
        "sizes-nested",
        "torch.randn takes its sizes one by one, or as one tuple; a tuple among them is unpacked with a star, as in"
        " torch.randn(*sample_shape, 3, 4).",
        error_signs=("randn() received an invalid combination of arguments", "randn(): argument 'size'"),
    ),
    Misconception(
        "number-function-on-a-tensor",
        "A function of plain Python or of NumPy is given a tensor: use torch's own, torch.exp, torch.log, torch.sqrt.",
        error_signs=(
            "only one element tensors can be converted",
            "can be converted to Python scalars",
            "Can't call numpy() on Tensor that requires grad",
        ),
    ),
    Misconception(
        "power-as-xor",
        "In Python a power is written **: x**2. The sign ^ means something else.",
        error_signs=(
            "bitwise_xor",
            "unsupported operand type(s) for ^",
            "unsupported operand type(s) for @: 'int' and 'Tensor'",
        ),
    ),
    Misconception(
        "elementwise-shapes",
        "Tensors are combined element by element whose shapes don't fit: a matrix product is written @, and noise has"
        " the shape of what it is added to.",
        error_signs=("must match the size of tensor b",),
    ),
    Misconception(
        "truth-of-a-tensor",
        "Python asks whether a whole tensor is true, as max(x, 0) and if x > 0 do: use torch.clamp_min or torch.where.",
        error_signs=("Boolean value of Tensor with more than one value is ambiguous",),
    ),
    Misconception(
        "ellipsis-left",
        "A … of the hint is still in your code: put the expression in its place.",
        error_signs=("'ellipsis'", "'Ellipsis'", "(ellipsis)"),
    ),
    Misconception(
        "parameters-unregistered",
        "{what} is an nn.Parameter that the module doesn't know, so nothing trains it: assign it to self directly, or"
        " keep it in an nn.ParameterDict and not in a plain dictionary or list.",
    ),
    Misconception(
        "parameters-shared",
        "{what} shares its memory with another parameter: each parameter, of each layer, is a tensor of its own.",
    ),
    Misconception("parameters-changed", "Your {what} changes the parameters: only the optimiser should."),
    Misconception(
        "backward-inside",
        "Your {what} calls backward() itself: the training loop does that, once, and here gradients would count twice.",
    ),
    Misconception(
        "super-init-missing",
        "__init__ doesn't call super().__init__() before it assigns parameters, so the module can't register them.",
        error_signs=("Module.__init__() call",),
    ),
    Misconception("not-a-module", "Your class doesn't inherit from nn.Module, so nothing can find its parameters."),
    Misconception("missing-return", "Your {what} returns nothing: a return is missing."),
    Misconception(
        "parameters-missing",
        "The layer has no {what}. The four parameters are called weight_mean, weight_log_std, bias_mean, bias_log_std.",
    ),
    Misconception(
        "parameters-as-buffers",
        "{what} is a tensor but not an nn.Parameter, so no optimiser finds it and it never trains.",
        ("slot_attention#8",),
    ),
    Misconception("parameters-frozen", "{what} doesn't require gradients, so it never trains."),
    Misconception(
        "weight-transposed",
        "{what} is stored the wrong way round: as in nn.Linear, and as F.linear wants it, the weights are"
        " (out_features, in_features), a row per output.",
    ),
    Misconception(
        "parameter-shape",
        "{what} has the wrong shape: every weight and every bias has a mean and a log_std of its own.",
    ),
    Misconception(
        "parameters-uninitialised",
        "{what} starts with values that aren't finite: torch.empty fills nothing in, and the logarithm of 0 is −∞.",
    ),
    Misconception(
        "parameters-besides",
        "The layer also trains {what}, which has a value and not a distribution: the KL can't hold it back.",
        ("kumar-shridhar/PyTorch-BayesianCNN#7",),
    ),
    Misconception("input-modified", "Your forward changes the tensor it is given: work on a new one."),
    Misconception(
        "seed-fixed",
        "Your code seeds the global random generator, so every later draw, in anyone's code, repeats itself.",
    ),
    Misconception(
        "gradient-clipped",
        "Gradients through your code are clipped or changed on the way: a loss a thousand times as large has gradients"
        " a thousand times as large.",
    ),
    Misconception(
        "matrix-turned-when-square",
        "Where a layer has as many inputs as outputs, your code uses a matrix the wrong way round: its shape can't tell"
        " its rows from its columns.",
    ),
    Misconception(
        "wrong-dtype",
        "It doesn't work in float64: some tensor in it is fixed to another dtype.",
        ("piEsposito/blitz-bayesian-deep-learning#9",),
        error_signs=("must have the same dtype", "to have the same dtype"),
    ),
]

SAMPLING = [
    Misconception(
        "matrix-shapes",
        "The shapes in a matrix product don't fit: x @ W wants a row of W per input, F.linear(x, W) a row per output.",
        error_signs=("shapes cannot be multiplied", "size mismatch, got", "inconsistent tensor size"),
    ),
    Misconception(
        "evaluation-differs", "In eval() the layer draws from another distribution: it should make no difference."
    ),
    Misconception(
        "no-sampling",
        "The output doesn't change from call to call: {what} is used as it is, and no noise is added to it.",
        ("tensorflow/probability#711",),
    ),
    Misconception(
        "sampling-only-in-training",
        "Sampling stops in eval(). A Bayesian layer draws weights when it predicts, too: that is where the"
        " spread of"
        " its predictions comes from.",
        ("piEsposito/blitz-bayesian-deep-learning#69", "kumar-shridhar/PyTorch-BayesianCNN#64"),
    ),
    Misconception(
        "sampling-only-in-eval", "Sampling stops in train(): the layer trains as if its weights were certain."
    ),
    Misconception(
        "noise-drawn-once",
        "The noise is the same in every call: draw epsilon where it is used, anew each time, and without"
        " fixing a"
        " seed.",
    ),
    Misconception(
        "noise-overwritten",
        "The noise of one forward is overwritten by the next before its backward pass: don't keep it on the module.",
        error_signs=("modified by an inplace operation",),
    ),
    Misconception(
        "noise-shared",
        "{what} share one epsilon: each weight needs a noise value of its own, so draw as many as there are weights.",
    ),
    Misconception(
        "noise-not-normal",
        "The noise isn't standard normal{what}: it is what torch.randn draws, as it comes; torch.rand draws uniform"
        " noise.",
    ),
    Misconception(
        "local-reparameterization-mixed-in",
        "Equal rows of one batch get different outputs: noise is drawn for each row, as under local reparameterization,"
        " dropout, or with noise on the output. This layer draws one set of weights per forward, for all rows.",
        ("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Misconception(
        "bias-without-noise",
        "The bias gets no noise: it has a distribution too, bias = bias_mean + exp(bias_log_std)·epsilon.",
    ),
    Misconception("weight-without-noise", "The weights get no noise; only the bias does."),
    Misconception("bias-unused", "The bias isn't added to the output."),
    Misconception("weight-unused", "The output doesn't depend on the input: x isn't multiplied by a weight."),
    Misconception("mean-missing", "{what}_mean is missing from the sampled {what}: mean + exp(log_std)·epsilon."),
    Misconception(
        "noise-multiplies-mean",
        "Epsilon multiplies {what}, too: only exp(log_std) is multiplied by it, as in mean + exp(log_std)·epsilon.",
    ),
    Misconception(
        "not-affine",
        "The layer is affine, x·Wᵀ + b, and nothing else: a non-linearity belongs between layers, and the noise may not"
        " depend on x.",
    ),
    Misconception(
        "output-squeezed", "A dimension of size one is dropped, as squeeze() does: keep (batch, out_features)."
    ),
    Misconception(
        "initial-std-for-log-std",
        "{what} starts as if it were the standard deviation: 0.05 is exp(−3), and −3 is what belongs there.",
    ),
    Misconception(
        "initial-std-too-large",
        "{what} starts so large that the output is nothing but noise: start around −3, a standard deviation of 0.05.",
    ),
    Misconception("output-transposed", "The output is transposed: it has a row per example and a column per output."),
    Misconception(
        "initial-std-too-small",
        "{what} starts so small that the layer is as good as deterministic: its predictions would never"
        " show a spread,"
        " and it would take training very long to find one.",
        ("piEsposito/blitz-bayesian-deep-learning#50",),
    ),
]

STANDARD_DEVIATION = [
    Misconception(
        "log-variance-for-log-std",
        "{what} is exp(½·log_std): you read log_std as the logarithm of the variance. The standard"
        " deviation is"
        " exp(log_std).",
        ("ibp_vae#3", "kumar-shridhar/PyTorch-BayesianCNN#8"),
    ),
    Misconception(
        "variance-for-std",
        "{what} is exp(2·log_std), which is the variance, where the standard deviation exp(log_std) belongs.",
        ("bayesian_flow_networks#1",),
    ),
    Misconception(
        "softplus-for-exp",
        "{what} is softplus(log_std), where exp(log_std) belongs: the parameter is the logarithm of the"
        " standard"
        " deviation.",
        ("a Blundell et al. reproduction",),
    ),
    Misconception("log-std-for-std", "{what} is log_std itself: take its exponential, or it would be negative."),
    Misconception("std-ignored", "{what} is 1 whatever log_std says: scale epsilon by exp(log_std)."),
    Misconception(
        "std-frozen",
        "{what} doesn't follow log_std: exp(log_std) is computed once, in __init__, so log_std never"
        " learns. Compute it"
        " in forward.",
    ),
    Misconception("sign-of-log-std", "{what} is exp(−log_std): the sign is turned round."),
    Misconception("log-std-clamped", "{what} stops following log_std when log_std is {where}: it is clamped."),
    Misconception("std-base", "{what} is a power of another base than e: torch.exp undoes the natural logarithm."),
    Misconception("std-offset", "{what} is exp(log_std) with {factor} added."),
    Misconception(
        "log-std-as-scale",
        "A negative standard deviation is handed over: Normal wants exp(log_std), not log_std.",
        error_signs=("GreaterThan(lower_bound=0.0)",),
    ),
    Misconception("std-scaled", "{what} is {factor} times exp(log_std)."),
    Misconception("std-swapped", "{what} is computed from another log_std than its own."),
]

GRADIENTS = [
    Misconception(
        "gradient-stopped-in-part",
        "Only a part of the gradient reaches X: none comes through {what}, as if X were detached there.",
    ),
    Misconception(
        "gradient-stopped",
        "No gradient reaches {what}: something on the way cuts it off (sample() for rsample(),"
        " torch.normal, .data,"
        " .detach(), .item(), torch.no_grad, a new torch.tensor).",
        ("pytorch/pytorch#7705",),
        error_signs=("does not require grad and does not have a grad_fn",),
    ),
    Misconception(
        "log-std-gradient-missing",
        "No gradient reaches {what}: the spread is computed outside the graph, so how sure to be is never learned.",
    ),
]

KL = [
    Misconception("kl-not-a-tensor", "The KL is a {what}, not a tensor: gradients can't flow through it."),
    Misconception(
        "kl-not-reduced",
        "The KL has one value per parameter: sum it, the KL between independent distributions is the sum of theirs.",
        ("kumar-shridhar/PyTorch-BayesianCNN#14",),
    ),
    Misconception(
        "kl-averaged",
        "The KL is averaged over the parameters, where it must be summed: independent weights' KL"
        " divergences add up,"
        " and the mean makes the prior weaker the larger the layer.",
        ("IntelLabs/bayesian-torch#36", "torchbnn"),
    ),
    Misconception(
        "kl-negated",
        "The KL has the wrong sign: a KL divergence is never negative, and added to the loss it must hold"
        " the weights"
        " back.",
        ("xuanqing94/BayesianDefense#10",),
    ),
    Misconception(
        "kl-reversed",
        "You computed KL(prior ‖ posterior); the loss needs KL(posterior ‖ prior), the expectation under"
        " what was"
        " learned.",
        ("kumar-shridhar/PyTorch-BayesianCNN#28",),
    ),
    Misconception(
        "kl-std-for-variance",
        "Your KL uses exp(log_std) where the variance, exp(2·log_std), belongs.",
        ("vgae_pytorch#2",),
    ),
    Misconception(
        "kl-log-variance",
        "Your KL reads log_std as the logarithm of the variance: the variance is exp(2·log_std), and log σ"
        " is log_std"
        " itself.",
        ("ibp_vae#3", "kumar-shridhar/PyTorch-BayesianCNN#8"),
    ),
    Misconception(
        "kl-variance-as-std",
        "Your KL takes the variance exp(2·log_std) for the standard deviation, as in Normal(mean, variance).",
        ("bayesian_flow_networks#1",),
    ),
    Misconception(
        "kl-softplus",
        "Your KL takes softplus(log_std) for the standard deviation; it is exp(log_std), as in forward.",
        ("a Blundell et al. reproduction",),
    ),
    Misconception("kl-half-missing", "Your KL is twice the right value: the ½ of the closed form is missing."),
    Misconception("kl-half-twice", "Your KL is half the right value: the ½ of the closed form is applied twice."),
    Misconception(
        "kl-divided",
        "Your KL is {factor} of the right value: kl_divergence gives the whole KL; any weighting against"
        " the data"
        " belongs in the loss.",
        (
            "tensorflow/probability#719",
            "tensorflow/probability#396",
            "piEsposito/blitz-bayesian-deep-learning#108",
        ),
    ),
    Misconception("kl-scaled", "Your KL is {factor} times the right value."),
    Misconception("kl-term-missing", "In your KL the {what} is missing."),
    Misconception("kl-term-sign", "In your KL the {what} has the wrong sign."),
    Misconception(
        "kl-constant-once",
        "In your KL the −½ is counted once; every weight brings one of its own, so it belongs inside the sum.",
    ),
    Misconception("kl-term-scaled", "In your KL the {what} should be multiplied by {right}; yours by {came}."),
    Misconception("kl-term-extra", "Your KL has a term in {what}, which doesn't belong there."),
    Misconception("kl-bias-missing", "The bias is left out of the KL: it has a distribution, and a KL, of its own."),
    Misconception("kl-weight-missing", "The weights are left out of the KL; only the bias's KL is there."),
    Misconception(
        "kl-log-of-log-std",
        "Your KL takes the logarithm of log_std: log σ is log_std itself.",
    ),
    Misconception("kl-swapped", "In your KL mean and log_std are exchanged."),
    Misconception(
        "kl-depends-on-forward",
        "Your KL depends on what the last forward left behind: compute it from the parameters alone.",
    ),
    Misconception(
        "kl-differs-in-evaluation", "In eval() your KL is another one: it should make no difference to the KL."
    ),
    Misconception(
        "kl-clamped",
        "Your KL is right for usual values of mean and log_std, and wrong for others: something is clamped.",
    ),
    Misconception("kl-dropped", "The KL is always zero.", ("kumar-shridhar/PyTorch-BayesianCNN#59",)),
    Misconception(
        "kl-of-other-parameters",
        "The KL doesn't depend on {what}, which forward uses: it must be computed from the very parameters"
        " that are"
        " sampled.",
        ("kumar-shridhar/PyTorch-BayesianCNN#7",),
    ),
    Misconception(
        "kl-monte-carlo",
        "Your KL changes from call to call: it is an estimate from sampled weights. Between two normal"
        " distributions it"
        " has an exact closed form, without noise.",
    ),
    Misconception(
        "kl-accumulates",
        "Your KL grows with every call: start from zero each time.",
    ),
    Misconception(
        "kl-needs-forward",
        "kl_divergence works only after forward: compute it from the parameters, not from what forward left behind.",
    ),
    Misconception(
        "kl-wrong-prior", "Your KL is the one to another prior, N({mean}, {std}²), than the standard normal."
    ),
    Misconception(
        "kl-scalar-shape",
        "The KL has shape {what}: a scalar has shape (), so that backward() and adding it to a loss work.",
    ),
]

LOCAL_REPARAMETERIZATION = [
    Misconception(
        "weight-space-for-local",
        "All rows see one draw of the weights. Under local reparameterization no weight is drawn: every row"
        " draws its"
        " own X·A, from that element's mean and standard deviation.",
        ("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Misconception(
        "noise-shared-by-rows",
        "The rows of a batch share their noise: every row needs noise of its own, so draw as much as the"
        " result has"
        " elements, B × H.",
    ),
    Misconception(
        "noise-shared-by-units",
        "The units of a row share their noise: their weights are independent, so draw as much noise as the"
        " result has"
        " elements, B × H.",
    ),
    Misconception(
        "input-not-squared",
        "The variance of X·A is Σ X²·A_scale²; yours has X in it without its square.",
    ),
    Misconception(
        "scale-not-squared",
        "The variance of X·A is Σ X²·A_scale²; yours has A_scale without its square: A_scale is a standard deviation.",
    ),
    Misconception(
        "stds-added",
        "You added standard deviations, Σ X·A_scale. For independent weights the variances add up: square,"
        " sum, and"
        " take the root of the sum.",
    ),
    Misconception(
        "root-missing",
        "The noise is multiplied by the variance Σ X²·A_scale²; it must be multiplied by its square root.",
        ("bayesian_flow_networks#1",),
    ),
    Misconception(
        "root-by-precedence",
        "variance**1/2 is half the variance, since powers go before division: write variance**0.5, or .sqrt().",
    ),
    Misconception("root-twice", "The square root of the variance is taken twice."),
    Misconception(
        "std-from-mean", "The spread is computed from A_mean; it comes from A_scale: its variance is Σ X²·A_scale²."
    ),
    Misconception("noise-unscaled", "The noise isn't scaled: multiply it by the standard deviation √(Σ X²·A_scale²)."),
    Misconception("std-without-input", "The spread doesn't depend on X; its variance is Σ X²·A_scale²."),
    Misconception(
        "scale-as-log-std",
        "exp(A_scale) is taken, but A_scale is the standard deviation itself (and gaussian_kl wants its logarithm).",
    ),
    Misconception(
        "scale-logged", "The logarithm of A_scale stands where A_scale itself belongs: it is the standard deviation."
    ),
    Misconception(
        "scale-as-log-variance",
        "You take exp(½·A_scale), as if A_scale were the logarithm of a variance; it is the standard deviation itself.",
    ),
    Misconception(
        "scale-through-softplus", "You take softplus(A_scale), but A_scale is the standard deviation itself."
    ),
    Misconception(
        "scale-squared-twice",
        "The weights' standard deviation is A_scale; yours is A_scale²: somewhere a variance is taken for a"
        " standard"
        " deviation, and squared once more.",
        ("bayesian_flow_networks#1",),
    ),
    Misconception(
        "noise-scaled",
        "The noise is {what} times as strong as it should be, in every element: its variance is the sum Σ X²·A_scale²,"
        " no average and no multiple of it.",
    ),
    Misconception(
        "preactivation-mean-missing", "The mean isn't added: the draws spread around 0 and not around X·A_mean."
    ),
    Misconception(
        "input-squared-in-mean", "The mean is X·A_mean, with X as it is; X is squared in the variance alone."
    ),
    Misconception(
        "mean-and-scale-swapped", "A_mean and A_scale have changed places: the mean of the draws is X·A_mean."
    ),
    Misconception(
        "zero-row-gradient",
        "An all-zero row of X has variance 0, where a square root has an infinite slope: its gradient is"
        " NaN. Keep the"
        " variance a little above zero before you take the root: after it is too late, and less than about 1e-38 counts"
        " as zero in float32.",
        ("pyro.contrib.bnn.HiddenLayer 1.9.2",),
    ),
    Misconception(
        "noise-vanishing",
        "There is noise, but it is as good as zero: what was done to the variance? Kept above 1e-12 it is by clamp_min;"
        " clamp_max keeps it below.",
    ),
    Misconception(
        "variance-floor-too-high",
        "What keeps the variance above zero is so large that it shows in the draws: 1e-12 is enough.",
    ),
    Misconception(
        "arguments-modified", "Your code changes {what} in place: it belongs to the caller. Work on a new tensor."
    ),
]

HIDDEN_LAYER = [
    Misconception(
        "signature-changed",
        "HiddenLayer takes X, A_mean and A_scale, and five options that may be left out, in this"
        " order: non_linearity, KL_factor, A_prior_scale, include_hidden_bias and weight_space_sampling.",
    ),
    Misconception("default-wrong", "When {what} is left out it is {right}."),
    Misconception(
        "distribution-shapes-wrong",
        "batch_shape and event_shape don't fit the draws: there is one distribution for each row, over all units of the"
        " row, the bias unit among them.",
    ),
    Misconception(
        "has-rsample-missing",
        "has_rsample isn't True, so inference takes the draws for ones that carry no gradients, and does without.",
    ),
    Misconception(
        "sample-shape-ignored", "rsample ignores sample_shape: it draws that many times, in dimensions of their own."
    ),
    Misconception(
        "sample-shape-incomplete",
        "rsample uses only a part of sample_shape, or flattens it: each of its dimensions is a dimension of the draws.",
    ),
    Misconception("sample-shape-misplaced", "The dimensions of sample_shape come first, before the rows."),
    Misconception(
        "noise-shared-by-samples",
        "The samples of sample_shape share their noise: each is a draw of its own, so sample_shape belongs"
        " in the shape"
        " of the noise.",
    ),
    Misconception(
        "non-linearity-ignored", "The non-linearity isn't applied: the layer's output is non_linearity(X·A)."
    ),
    Misconception("non-linearity-fixed", "One fixed non-linearity is applied, whichever the layer was given."),
    Misconception(
        "non-linearity-without-slope",
        "The gradient doesn't pass the non-linearity as it should: it takes the slope of non_linearity at X·A.",
    ),
    Misconception("non-linearity-twice", "The non-linearity is applied twice."),
    Misconception("non-linearity-before", "The non-linearity is applied to X; it belongs to the pre-activations X·A."),
    Misconception(
        "noise-after-non-linearity",
        "The noise is added after the non-linearity; the weights are uncertain, so it belongs to the pre-activations.",
    ),
    Misconception(
        "bias-unit-missing",
        "The bias unit is missing: with include_hidden_bias a unit that is always 1 follows the others.",
    ),
    Misconception("bias-unit-unwanted", "The bias unit is there although include_hidden_bias is False."),
    Misconception(
        "bias-unit-as-row",
        "The ones are appended as a row, as if they were another example; they are another unit, a column.",
    ),
    Misconception("bias-unit-first", "The bias unit comes first; it belongs last, after the other units."),
    Misconception(
        "bias-unit-before-non-linearity",
        "The bias unit goes through the non-linearity, which changes its 1: append it to the activations, afterwards.",
    ),
    Misconception("bias-unit-not-one", "The bias unit isn't 1."),
    Misconception(
        "weight-space-ignored",
        "With weight_space_sampling=True every row still has noise of its own: draw A itself, once per"
        " sample, and"
        " multiply all rows by it.",
        ("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Misconception(
        "weight-space-without-weights",
        "With weight_space_sampling=True the rows don't fit together as X·A for one draw of the weights: draw A, D × H,"
        " and multiply X by it, adding nothing.",
    ),
    Misconception(
        "sampling-modes-swapped",
        "weight_space_sampling is turned round: True is to draw weights, and False, the default, to draw"
        " pre-activations.",
        ("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Misconception("weight-noise-unscaled", "The weights' noise isn't scaled: a weight is A_mean + A_scale·epsilon."),
    Misconception(
        "scale-as-variance",
        "The weights' standard deviation is √A_scale: you read A_scale as a variance. It is the standard"
        " deviation itself.",
    ),
    Misconception(
        "kl-scale-not-squared", "Your KL uses A_scale where the variance, A_scale², belongs.", ("vgae_pytorch#2",)
    ),
    Misconception("kl-scale-as-variance", "Your KL reads A_scale as a variance; it is the standard deviation itself."),
    Misconception(
        "kl-scale-squared-twice",
        "Your KL takes the variance A_scale² for the standard deviation, as in Normal(mean, variance).",
        ("bayesian_flow_networks#1",),
    ),
    Misconception(
        "kl-factor-in-kl",
        "KL is multiplied by KL_factor: KL is the bare divergence; the factor comes in with log_prob.",
    ),
    Misconception(
        "layer-changed-by-drawing",
        "rsample changes the layer it draws from: don't assign what you draw, or anything else, to self.",
    ),
    Misconception(
        "prior-in-draws",
        "A_prior_scale changes the draws; it belongs to the KL alone: the weights are drawn from N(A_mean, A_scale²).",
    ),
    Misconception("kl-factor-in-draws", "KL_factor changes the draws; it belongs to log_prob alone."),
    Misconception(
        "kl-by-rows",
        "Your KL depends on the number of rows of X. The weights are the same for any batch; what weighs their KL for a"
        " mini-batch is KL_factor, in log_prob.",
    ),
    Misconception(
        "kl-cached",
        "KL was computed once and kept, so it goes stale: training changes A_mean and A_scale in place."
        " Compute it each"
        " time it is asked for.",
        ("pyro.contrib.bnn.HiddenLayer 1.9.2",),
    ),
    Misconception("prior-ignored", "Your KL doesn't use A_prior_scale: it is the KL to a standard normal prior."),
    Misconception(
        "prior-as-variance",
        "Your KL reads A_prior_scale as the prior's variance; it is its standard deviation, and the"
        " variance is its square.",
        ("IntelLabs/bayesian-torch",),
    ),
    Misconception("prior-not-squared", "Your KL divides squares by A_prior_scale; they must be divided by its square."),
    Misconception(
        "prior-squared-twice",
        "Your KL squares A_prior_scale once too often: it isn't a variance whose root is missing.",
    ),
    Misconception(
        "prior-inverted", "Your KL multiplies by A_prior_scale where it should divide: it is a scale, not a precision."
    ),
    Misconception(
        "prior-not-on-every-term",
        "A_prior_scale is missing from a part of your KL: mean, scale and logarithm are all measured in its"
        " units,"
        " (A_mean/prior)², (A_scale/prior)² and log(A_scale/prior).",
    ),
    Misconception(
        "prior-log-sign",
        "The logarithm of A_prior_scale has the wrong sign in your KL: the term is −log(A_scale/prior).",
    ),
    Misconception(
        "prior-not-spread",
        "Your KL doesn't count every weight's own prior: A_prior_scale broadcasts to the weights, D × H,"
        " and its"
        " logarithm is summed once for each of them.",
    ),
    Misconception(
        "prior-of-one-kind",
        "A_prior_scale may be a number or a tensor; your KL works with one of the two only. torch.log takes"
        " tensors,"
        " math.log numbers; log(A_scale / A_prior_scale) takes both.",
    ),
    Misconception(
        "log-prob-not-scalar", "log_prob is one number for the whole layer: it stands for the KL of its weights."
    ),
    Misconception(
        "log-prob-of-the-value",
        "log_prob depends on the value. The layer's activations have no density here: log_prob carries the"
        " weights' KL"
        " alone, −KL_factor·KL.",
    ),
    Misconception(
        "log-prob-sign",
        "log_prob has the wrong sign: it enters the ELBO, which is to grow, so it is minus KL_factor·KL.",
        ("xuanqing94/BayesianDefense#10",),
    ),
    Misconception("kl-factor-ignored", "log_prob doesn't use KL_factor."),
    Misconception("kl-factor-inverted", "log_prob divides by KL_factor; it must multiply by it."),
    Misconception("kl-factor-twice", "KL_factor is applied twice."),
    Misconception(
        "log-prob-by-rows",
        "log_prob depends on the number of rows. The weights' KL doesn't; KL_factor is what weighs it for"
        " a mini-batch.",
        ("tensorflow/probability#719",),
    ),
    Misconception(
        "log-prob-without-kl",
        "log_prob is 0: it must carry the weights' KL, −KL_factor·KL.",
        ("kumar-shridhar/PyTorch-BayesianCNN#59",),
    ),
]

MISCONCEPTIONS = catalogue(
    [*WRITING_A_MODULE, *SAMPLING, *STANDARD_DEVIATION, *GRADIENTS, *KL, *LOCAL_REPARAMETERIZATION, *HIDDEN_LAYER]
)

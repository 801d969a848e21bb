"""What learners get wrong, in words: one `Mistake` each, and here those that several exercises share.

An exercise lists the mistakes that it can tell, its own beside these, with the section of its lesson that teaches each.
This module holds text and may not know any check.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Mistake:
    """One known mistake.

    name: what reports count it under. sentence: what the learner reads first; its {blanks} are filled by the check or
    by the exercise. formula: what the mistake makes of a right value, from the exercise's arguments, where that can be
    written down: a wrong value is compared with it, and tests run it as a learner's answer. error_signs: parts of error
    messages that only this mistake leads to. seen_in: public code or threads that made it (repository#number).
    about: what fills the blanks where the formula is found to fit.
    """

    name: str
    sentence: str
    formula: Callable[..., Any] | None = None
    error_signs: tuple[str, ...] = ()
    seen_in: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def sentence_for(self, **about: str) -> str:
        """The sentence with its blanks filled; a blank that is not given becomes an empty word."""
        return " ".join(self.sentence.format_map(defaultdict(str, about)).split())


def mistake(name: str, sentence: str, *formulas: Callable[..., Any]) -> list[Mistake]:
    """One mistake that may come to several values."""
    return [Mistake(name, sentence, formula) for formula in formulas]


CODE = (
    Mistake(
        "result-in-float64",
        "For float32 arguments the result isn't float32: a NumPy array or a tensor of another dtype has crept in.",
    ),
    Mistake(
        "missing-return",
        "Your {what} returns nothing: a return is missing.",
    ),
    Mistake(
        "output-transposed",
        "The output is transposed: it has a row per example and a column per output.",
    ),
    Mistake(
        "arguments-modified",
        "Your code changes {what} in place: it belongs to the caller. Work on a new tensor.",
    ),
    Mistake(
        "seed-fixed",
        "Your code seeds the global random generator, so every later draw, in anyone's code, repeats itself.",
    ),
    Mistake(
        "settings-left-changed",
        "Your code changes a setting of torch's for the whole program, and leaves it changed. Gradients that are"
        " switched off in a `with torch.no_grad():` come back after it; a dtype is said where a tensor is made.",
        error_signs=("for the whole program",),
    ),
    Mistake(
        "wrong-dtype",
        "It doesn't work in float64: some tensor in it is fixed to another dtype.",
        seen_in=("piEsposito/blitz-bayesian-deep-learning#9",),
    ),
    Mistake(
        "dtypes-mixed",
        "Tensors of different dtypes meet: whole numbers, say, or NumPy's float64, beside float32.",
        error_signs=("must have the same dtype", "to have the same dtype", "Found dtype", "expected scalar type"),
    ),
    Mistake(
        "name-undefined",
        "A name is used that isn't defined: is self. missing before it, or is it misspelled?",
        error_signs=("' is not defined",),
    ),
    Mistake(
        "function-of-a-number",
        "A function of torch's is given a plain number: math.exp takes numbers, torch.exp takes tensors.",
        error_signs=("must be Tensor, not int", "must be Tensor, not float"),
    ),
    Mistake(
        "in-place-on-a-leaf",
        "A tensor that asks for gradients is changed in place, as exp_() and += do: make a new one.",
error_signs=("leaf Variable that requires grad", "requires grad is being used in an in-place operation"),
    ),
    Mistake(
        "computed-in-half",
        "The values are right to two or three digits only: something is computed in half precision.",
    ),
    Mistake(
        "not-a-tensor",
        "Asked for is a tensor; yours is {what}. torch.stack makes one of several tensors, torch.as_tensor of numbers"
        " (without their gradients).",
    ),
    Mistake(
        "computed-in-float32",
        "With float64 arguments the values have the digits of float32 alone: something on the way is turned into"
        " float32.",
    ),
    Mistake(
        "kept-between-calls",
        "The result is that of an earlier call: something is kept, and found again though the arguments have changed.",
    ),
    Mistake(
        "gradients-touched",
        "Your code changes the gradients that {what} already has: they belong to whoever trains it.",
    ),
    Mistake(
        "right-to-a-few-digits",
        "The values are right to two or three digits only: something small is added, rounded away or cut off, or"
        " computed in half precision.",
    ),
    Mistake(
        "dimension-dropped",
        "A dimension of size 1 is lost: squeeze() drops every one, that of a batch of one example, too.",
    ),
    Mistake(
        "dimension-added",
        "There is a dimension of size 1 too many: leave out keepdim, None or unsqueeze().",
    ),
    Mistake(
        "concatenation-shapes",
        "The tensors that torch.cat joins don't fit: they must have as many dimensions as each other, and the same size"
        " in each of these but the one that grows.",
        error_signs=("Sizes of tensors must match except in dimension", "Tensors must have same number of dimensions"),
    ),
    Mistake(
        "number-has-no-method",
        "A plain number is used as if it were a tensor: torch.as_tensor makes one of it.",
        error_signs=("'float' object has no attribute", "'int' object has no attribute"),
    ),
    Mistake(
        "list-for-a-tensor",
        "A list of tensors is used as if it were one: torch.stack makes one tensor of them.",
        error_signs=("'list' object has no attribute",),
    ),
    Mistake(
        "power-as-xor",
        "In Python a power is written **: x**2. The sign ^ means something else.",
        error_signs=(
            "bitwise_xor",
            "unsupported operand type(s) for ^",
            "unsupported operand type(s) for @: 'int' and 'Tensor'",
        ),
    ),
    Mistake(
        "number-function-on-a-tensor",
        "A function of plain Python or of NumPy is given a tensor: use torch's own, torch.exp, torch.log, torch.sqrt.",
        error_signs=(
            "only one element tensors can be converted",
            "can be converted to Python scalars",
            "Can't call numpy() on Tensor that requires grad",
        ),
    ),
    Mistake(
        "matrix-shapes",
        "The shapes in a matrix product don't fit: x @ W wants a row of W per input, F.linear(x, W) a row per output;"
        " * multiplies element by element.",
        error_signs=(
            "shapes cannot be multiplied",
            "size mismatch, got",
            "inconsistent tensor size",
        ),
    ),
    Mistake(
        "elementwise-shapes",
        "Tensors are combined element by element whose shapes don't fit: write a matrix product with @, give"
        " noise the shape of what it is added to, and sum each part of a KL to one number before you add them.",
        error_signs=("must match the size of tensor b",),
    ),
    Mistake(
        "truth-of-a-tensor",
        "Python asks whether a whole tensor is true, as max(x, 0) and if x > 0 do: use torch.clamp_min or torch.where.",
        error_signs=("Boolean value of Tensor with more than one value is ambiguous",),
    ),
    Mistake(
        "sizes-nested",
        "torch.randn takes its sizes one by one, or as one tuple; a tuple among them is unpacked with a star, as"
        " in torch.randn(*sample_shape, 3, 4).",
        error_signs=(
            "randn() received an invalid combination of arguments",
            "randn(): argument 'size'",
        ),
    ),
    Mistake(
        "ellipsis-left",
        "A … of the hint is still in your code: put the expression in its place.",
        error_signs=(
            "'ellipsis'",
            "'Ellipsis'",
            "(ellipsis)",
        ),
    ),
)

CLASSES = (
    Mistake(
        "init-misspelled",
        "The class's own __init__ isn't found: it has two underscores on either side, and is indented into the class.",
        error_signs=("__init__() takes 1 positional argument but", "() takes no arguments", "object.__init__() takes"),
    ),
    Mistake(
        "super-not-called",
        "super is a function that gives an object: super().__init__(), with parentheses after super, too.",
        error_signs=("descriptor '__init__' of 'super' object", "type object 'super' has no attribute"),
    ),
    Mistake(
        "self-missing",
        "A method lacks its first parameter, self.",
        error_signs=("takes 0 positional arguments but",),
    ),
    Mistake(
        "method-of-base-class",
        "Your class has no method of this name, so PyTorch's base class answered, which raises"
        " NotImplementedError: is the name spelled right, and the method indented into the class?",
        error_signs=('is missing the required "forward" function',),
    ),
    Mistake(
        "tensor-called",
        "A tensor is called as if it were a function: an attribute or a property is read without parentheses.",
        error_signs=(
            "'Tensor' object is not callable",
            "'Parameter' object is not callable",
        ),
    ),
)

DRAWING = (
    Mistake(
        "noise-under-root",
        "The noise stands under the root: it multiplies the root of the variance, and may be negative.",
    ),
    Mistake(
        "non-linearity-too-early",
        "A non-linearity is applied: what is asked for is the draw before it.",
    ),
    Mistake(
        "noise-multiplies-mean",
        "Epsilon multiplies {what}, too: only exp(log_std) is multiplied by it, as in mean + exp(log_std)·epsilon.",
    ),
    Mistake(
        "no-sampling",
        "The output doesn't change from call to call: {what} is used as it is, and no noise is added to it.",
        seen_in=("tensorflow/probability#711",),
    ),
    Mistake(
        "noise-drawn-once",
        "The noise is the same in every call: draw epsilon where it is used, anew each time, and without fixing a"
        " seed.",
    ),
    Mistake(
        "noise-mirrored",
        "Noise comes back with its sign turned: draw new noise each time, and for each element, independent of any"
        " other.",
    ),
    Mistake(
        "noise-centred",
        "Noise is centred, so that it adds up to 0: every element of every draw needs its own, so don't subtract an"
        " average, and don't turn the sign of a half.",
    ),
    Mistake(
        "noise-overwritten",
        "The noise of one forward is overwritten by the next before its backward pass: don't keep it on the module.",
        error_signs=("modified by an inplace operation",),
    ),
    Mistake(
        "noise-shared",
        "{what} share one epsilon: each weight needs a noise value of its own, so draw as many as there are weights.",
    ),
    Mistake(
        "noise-not-normal",
        "The noise isn't standard normal{what}: use what torch.randn draws, without changing it; torch.rand draws"
        " uniform noise.",
    ),
    Mistake(
        "log-std-as-scale",
        "A negative standard deviation is handed over: what is wanted is exp(log_std), not log_std.",
        error_signs=("GreaterThan(lower_bound=0.0)", "expects all elements of std >= 0.0"),
    ),
    Mistake(
        "matrix-turned-when-square",
        "Where a layer has as many inputs as outputs, your code uses a matrix the wrong way round: its shape"
        " can't tell its rows from its columns.",
    ),
)

STANDARD_DEVIATION = (
    Mistake(
        "std-inverted", "{what} is a power of 1/exp(log_std): it is exp(log_std) itself, which multiplies epsilon."
    ),
    Mistake(
        "noise-times-mean",
        "The noise is multiplied by the mean, as in mean·(1 + exp(log_std)·epsilon): it is only added to it.",
    ),
    Mistake(
        "epsilon-in-exponent",
        "Epsilon stands inside the exponential: it multiplies exp(log_std), as in mean + exp(log_std)·epsilon.",
    ),
    Mistake(
        "log-variance-for-log-std",
        "{what} is exp(½·log_std): you read log_std as the logarithm of the variance. The standard deviation is"
        " exp(log_std).",
        seen_in=(
            "ibp_vae#3",
            "kumar-shridhar/PyTorch-BayesianCNN#8",
        ),
    ),
    Mistake(
        "variance-for-std",
        "{what} is exp(2·log_std), which is the variance, where the standard deviation exp(log_std) belongs.",
        seen_in=("bayesian_flow_networks#1",),
    ),
    Mistake(
        "softplus-for-exp",
        "{what} is softplus(log_std), where exp(log_std) belongs: the parameter is the logarithm of the standard"
        " deviation.",
        seen_in=("a Blundell et al. reproduction",),
    ),
    Mistake(
        "log-std-for-std",
        "{what} is log_std itself, which may be negative: take its exponential.",
    ),
    Mistake(
        "std-ignored",
        "{what} is 1 whatever log_std says: scale epsilon by exp(log_std).",
    ),
    Mistake(
        "std-exp-twice",
        "{what} is exp(exp(log_std)): the exponential is taken twice, as where exp(log_std) is handed to a function"
        " that expects log_std.",
    ),
    Mistake(
        "sign-of-log-std",
        "{what} is exp(−log_std): the sign is turned round.",
    ),
    Mistake(
        "std-base",
        "{what} is a power of another base than e: torch.exp undoes the natural logarithm.",
    ),
    Mistake(
        "std-swapped",
        "{what} is computed from another log_std than its own.",
    ),
    Mistake(
        "std-scaled",
        "{what} is {factor} times exp(log_std).",
    ),
    Mistake(
        "std-offset",
        "{what} is exp(log_std) with {factor} added.",
    ),
    Mistake(
        "log-std-clamped",
        "{what} stops following log_std when log_std is {where}: it is clamped.",
    ),
)

GRADIENTS = (
    Mistake(
        "gradient-stopped",
        "No gradient reaches {what}: something on the way cuts it off (sample() for rsample(), torch.normal,"
        " .data, .detach(), .item(), torch.no_grad, a new torch.tensor or nn.Parameter).",
        error_signs=("does not require grad and does not have a grad_fn",),
        seen_in=("pytorch/pytorch#7705",),
    ),
    Mistake(
        "gradient-stopped-in-part",
        "Only a part of the gradient arrives: none comes through {what}, as if something were detached there.",
    ),
    Mistake(
        "log-std-gradient-missing",
        "No gradient reaches {what}: the spread is computed outside the graph, or wrapped in a new nn.Parameter, so how"
        " sure to be is never learned.",
    ),
    Mistake(
        "gradient-of-another-value",
        "The value is right and its gradient isn't: a part of it is cut off (.detach(), .data, .item(), torch.no_grad)"
        " or rounded.",
    ),
    Mistake(
        "gradient-not-finite",
        "The value is finite and its gradient isn't: somewhere a root or a logarithm is taken of 0, where its slope is"
        " infinite, also in a branch that torch.where then leaves out.",
    ),
    Mistake(
        "gradient-clipped",
        "Gradients through your code are clipped or changed on the way: a loss a thousand times as large has"
        " gradients a thousand times as large.",
    ),
)

KL = (
    Mistake("kl-mean-not-squared", "In your KL the {mean} isn't squared."),
    Mistake(
        "property-forgotten",
        "KL is a method that nobody calls: write @property above it, since it is read without parentheses.",
        error_signs=("and 'method'", "'method' and", "'method' object"),
    ),
    Mistake(
        "kl-not-a-tensor",
        "The KL is a {what}, not a tensor: gradients can't flow through it.",
    ),
    Mistake(
        "kl-not-reduced",
        "The KL isn't one number: sum all of its terms over all parameters, for the KL between independent"
        " distributions is the sum of theirs.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#14",),
    ),
    Mistake(
        "kl-scalar-shape",
        "The KL has shape {what}: a scalar has shape (), so that backward() and adding it to a loss work.",
    ),
    Mistake(
        "kl-dropped",
        "The KL is always zero.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#59",),
    ),
    Mistake(
        "kl-averaged",
        "The KL is averaged over the parameters, where it must be summed: independent weights' KL divergences add"
        " up, and the mean makes the prior weaker the larger the layer.",
        seen_in=(
            "IntelLabs/bayesian-torch#36",
            "torchbnn",
        ),
    ),
    Mistake(
        "kl-negated",
        "The KL has the wrong sign: a KL divergence is never negative, and added to the loss it must hold the"
        " weights back.",
        seen_in=("xuanqing94/BayesianDefense#10",),
    ),
    Mistake(
        "kl-reversed",
        "You computed KL(prior ‖ posterior); the loss needs KL(posterior ‖ prior), the expectation under what was"
        " learned.",
        seen_in=("kumar-shridhar/PyTorch-BayesianCNN#28",),
    ),
    Mistake(
        "kl-half-missing",
        "Your KL is twice the right value: the ½ of the closed form is missing.",
    ),
    Mistake(
        "kl-half-twice",
        "Your KL is half the right value: the ½ of the closed form is applied twice.",
    ),
    Mistake(
        "kl-divided",
        "Your KL is {factor} of the right value: kl_divergence gives the whole KL; any weighting against the data"
        " belongs in the loss.",
        seen_in=(
            "tensorflow/probability#719",
            "tensorflow/probability#396",
            "piEsposito/blitz-bayesian-deep-learning#108",
        ),
    ),
    Mistake(
        "kl-scaled",
        "Your KL is {factor} times the right value.",
    ),
    Mistake(
        "kl-term-missing",
        "Your KL lacks the {what}.",
    ),
    Mistake(
        "kl-term-sign",
        "In your KL the {what} has the wrong sign.",
    ),
    Mistake(
        "kl-term-scaled",
        "In your KL the {what} should be multiplied by {right}; yours by {came}.",
    ),
    Mistake(
        "kl-term-extra",
        "Your KL has a term in {what}, which doesn't belong there.",
    ),
    Mistake(
        "kl-constant-once",
        "In your KL the −½ is counted once; every weight brings one of its own, so it belongs inside the sum.",
    ),
    Mistake(
        "kl-wrong-prior",
        "Your KL is the one to another prior, N({mean}, {std}²), than the standard normal.",
    ),
    Mistake(
        "kl-clamped",
        "Your KL is right for usual values of mean and log_std, and wrong for others: something is clamped, or"
        " something small is added.",
    ),
    Mistake(
        "kl-transformed",
        "Yours is the {what} of the KL: the sum of its terms is the KL itself, in nats, and the loss adds it as it is.",
    ),
    Mistake(
        "kl-monte-carlo",
        "Your KL changes from call to call: it is an estimate from sampled weights. Between two normal"
        " distributions it has an exact closed form, without noise.",
    ),
    Mistake(
        "kl-accumulates",
        "Your KL grows with every call: start from zero each time.",
    ),
)

KL_FROM_LOG_STD = (
    Mistake(
        "kl-variance-inverted",
        "Your KL has 1/variance, exp(−2·log_std), where the variance, exp(2·log_std), belongs.",
    ),
    Mistake(
        "kl-div-of-torch",
        "F.kl_div compares two tables of probabilities, and takes logarithms of them; for Gaussians write the closed"
        " form.",
    ),
    Mistake(
        "kl-std-for-variance",
        "Your KL uses exp(log_std) where the variance, exp(2·log_std), belongs.",
        seen_in=("vgae_pytorch#2",),
    ),
    Mistake(
        "kl-log-variance",
        "Your KL reads log_std as the logarithm of the variance: the variance is exp(2·log_std), and log σ is"
        " log_std itself.",
        seen_in=(
            "ibp_vae#3",
            "kumar-shridhar/PyTorch-BayesianCNN#8",
        ),
    ),
    Mistake(
        "kl-variance-as-std",
        "Your KL takes the variance exp(2·log_std) for the standard deviation, as in Normal(mean, variance).",
        seen_in=("bayesian_flow_networks#1",),
    ),
    Mistake(
        "kl-softplus",
        "Your KL takes softplus(log_std) for the standard deviation; it is exp(log_std), as in forward.",
        seen_in=("a Blundell et al. reproduction",),
    ),
    Mistake(
        "kl-log-of-log-std",
        "Your KL takes the logarithm of log_std: log σ is log_std itself.",
    ),
    Mistake(
        "kl-swapped",
        "In your KL mean and log_std are exchanged.",
    ),
)

PRIORS = (
    Mistake(
        "prior-logged",
        "gaussian_kl wants the prior's standard deviation, 1, and not its logarithm, 0.",
        error_signs=("prior_std must be a finite number above zero, not 0", "prior_std must be above zero everywhere"),
    ),
    Mistake(
        "prior-ignored",
        "Your KL doesn't use {prior}: it is the KL to a standard normal prior.",
    ),
    Mistake(
        "prior-as-variance",
        "Your KL reads {prior} as the prior's variance; it is its standard deviation, and the variance is its square.",
        seen_in=("IntelLabs/bayesian-torch",),
    ),
    Mistake(
        "prior-not-squared",
        "Your KL divides squares by {prior}; they must be divided by its square.",
    ),
    Mistake(
        "prior-squared-twice",
        "Your KL squares {prior} once too often: it isn't a variance whose root is missing.",
    ),
    Mistake(
        "prior-inverted",
        "Your KL multiplies by {prior} where it should divide: it is a scale, not a precision.",
    ),
    Mistake(
        "prior-not-on-every-term",
        "{prior} is missing from a part of your KL: mean, scale and logarithm are all measured in its units,"
        " ({mean}/prior)², ({scale}/prior)² and log({scale}/prior).",
    ),
    Mistake(
        "prior-log-sign",
        "The logarithm of {prior} has the wrong sign in your KL: the term is −log({scale}/prior).",
    ),
    Mistake(
        "prior-not-spread",
        "Your KL doesn't count every weight's own prior: {prior} broadcasts to the weights, D × H, and its"
        " logarithm is summed once for each of them.",
    ),
    Mistake(
        "prior-of-one-kind",
        "{prior} may be a number or a tensor; your KL works with one of the two only. torch.log takes tensors,"
        " math.log numbers; log({scale} / {prior}) takes both.",
    ),
)

LOSS = (
    Mistake("loss-not-a-tensor", "The loss is a {what}, not a tensor: gradients can't flow through it."),
    Mistake("loss-not-reduced", "The loss has several values: add up those of all elements, to one number."),
    Mistake("loss-scalar-shape", "The loss has shape {what}: a scalar has shape (), so that backward() works."),
)

MOMENTS = (
    Mistake(
        "variance-over-rows",
        "The variance is summed or averaged over too much: each element has its own, Σ X²·A_scale² over the inputs of"
        " its row.",
    ),
    Mistake(
        "scale-clamped",
        "The spread is right for usual scales, and wrong for small or large ones: something is clamped or added, or the"
        " variance is a small difference of large numbers.",
    ),
    Mistake(
        "weights-drawn-for-each-row",
        "A weight matrix is drawn for every row, B × D × H numbers of noise. Under local reparameterization no weight"
        " is drawn: one number for each element of the result, B × H, does the same.",
    ),
    Mistake(
        "variance-exponentiated",
        "exp(½·variance) is taken, as if the variance were a logarithm: take its square root.",
    ),
    Mistake("variance-logged", "The logarithm of the variance stands where its square root belongs."),
    Mistake("mean-in-variance", "A_mean² enters the variance; Σ X²·A_scale² is all of it."),
    Mistake(
        "preactivation-mean-missing",
        "The mean isn't added: the draws spread around 0 and not around X·A_mean.",
    ),
    Mistake(
        "input-squared-in-mean",
        "The mean is X·A_mean, with X as it is; X is squared in the variance alone.",
    ),
    Mistake(
        "mean-without-sign",
        "The mean is X·A_mean, with the signs of both: here one is lost, as abs() does.",
    ),
    Mistake(
        "mean-and-scale-swapped",
        "A_mean and A_scale have changed places: the mean of the draws is X·A_mean.",
    ),
    Mistake(
        "root-missing",
        "The noise is multiplied by the variance Σ X²·A_scale²; it must be multiplied by its square root.",
        seen_in=("bayesian_flow_networks#1",),
    ),
    Mistake(
        "neither-squared-nor-rooted",
        "The noise is multiplied by Σ X²·A_scale: square A_scale, too, and take the root of the sum.",
    ),
    Mistake(
        "sums-multiplied",
        "X² and A_scale² are summed or averaged each by itself, and multiplied then. Multiply input by input, and sum"
        " the products, as X**2 @ A_scale**2 does.",
    ),
    Mistake(
        "root-by-precedence",
        "variance**1/2 is half the variance, since powers go before division: write variance**0.5, or .sqrt().",
    ),
    Mistake(
        "scale-not-squared",
        "The variance of X·A is Σ X²·A_scale²; yours has A_scale without its square: A_scale is a standard deviation.",
    ),
    Mistake(
        "input-not-squared",
        "The variance of X·A is Σ X²·A_scale²; yours has X in it without its square.",
    ),
    Mistake(
        "stds-added",
        "You added standard deviations, Σ X·A_scale. For independent weights the variances add up: square, sum,"
        " and take the root of the sum.",
    ),
    Mistake(
        "std-from-mean",
        "The spread is computed from A_mean; it comes from A_scale: its variance is Σ X²·A_scale².",
    ),
    Mistake(
        "noise-unscaled",
        "The noise isn't scaled: multiply it by the standard deviation √(Σ X²·A_scale²).",
    ),
    Mistake(
        "std-without-input",
        "The spread doesn't depend on X; its variance is Σ X²·A_scale².",
    ),
    Mistake(
        "scale-logged",
        "The logarithm of A_scale stands where A_scale itself belongs: it is the standard deviation.",
    ),
    Mistake(
        "scale-as-log-std",
        "exp(A_scale) is taken, but A_scale is the standard deviation itself: a function that expects a log_std is"
        " given A_scale.log().",
    ),
    Mistake(
        "scale-as-log-variance",
        "You take exp(½·A_scale), as if A_scale were the logarithm of a variance; it is the standard deviation itself.",
    ),
    Mistake(
        "scale-through-softplus",
        "You take softplus(A_scale), but A_scale is the standard deviation itself.",
    ),
    Mistake(
        "scale-squared-twice",
        "The weights' standard deviation is A_scale; yours is A_scale²: somewhere a variance is taken for a"
        " standard deviation, and squared once more.",
        seen_in=("bayesian_flow_networks#1",),
    ),
    Mistake(
        "root-twice",
        "The square root of the variance is taken twice.",
    ),
    Mistake(
        "noise-scaled",
        "The noise is {what} times as strong as it should be, in every element: its variance is the sum Σ"
        " X²·A_scale², no average and no multiple of it.",
    ),
    Mistake(
        "weight-space-for-local",
        "All rows see one draw of the weights. Under local reparameterization no weight is drawn: every row draws"
        " its own X·A, from that element's mean and standard deviation.",
        seen_in=("JavierAntoran/Bayesian-Neural-Networks#14",),
    ),
    Mistake(
        "noise-shared-by-rows",
        "The rows of a batch share their noise: every row needs noise of its own, so draw as much as the result"
        " has elements, B × H.",
    ),
    Mistake(
        "noise-shared-by-units",
        "The units of a row share their noise: their weights are independent, so draw as much noise as the result"
        " has elements, B × H.",
    ),
    Mistake(
        "noise-mirrored",
        "The noise of one {what} is that of another but for signs: each needs noise of its own, a new number for every"
        " row and unit.",
    ),
    Mistake(
        "noise-centred",
        "The noise of a batch is centred or standardised, which ties its numbers to each other: leave what torch.randn"
        " draws as it is.",
    ),
    Mistake(
        "zero-row-dropped",
        "An all-zero row of X is left out of the result: every row has one, and that of zeros is zeros.",
    ),
    Mistake(
        "noise-vanishing",
        "There is noise, but it is as good as zero: what was done to the variance? Kept above 1e-12 it is by"
        " clamp_min; clamp_max keeps it below.",
    ),
    Mistake(
        "zero-row-gradient",
        "An all-zero row of X has variance 0, where a square root has an infinite slope: its gradient is NaN."
        " Keep the variance a little above zero before you take the root: after it is too late, and less than"
        " about 1e-38 counts as zero in float32.",
        seen_in=("pyro.contrib.bnn.HiddenLayer 1.9.2",),
    ),
    Mistake(
        "variance-floor-too-high",
        "What keeps the variance above zero is so large that it shows in the draws: 1e-12 is enough.",
    ),
)

MODELS = (
    Mistake(
        "mode-changed",
        "Your code leaves the model in another mode: model.eval() and model.train() change it for everyone who uses it"
        " after you.",
    ),
    Mistake(
        "parameters-frozen",
        "Your code switches off requires_grad for the model's parameters, so that nobody can train it any more:"
        " torch.no_grad() or detach() is enough here.",
    ),
    Mistake(
        "parameters-exchanged",
        "While the model is called its parameters are others than its own: call it as it is.",
    ),
)

SHARED = {
    mistake.name: mistake
    for group in (
        CODE,
        CLASSES,
        DRAWING,
        STANDARD_DEVIATION,
        GRADIENTS,
        KL,
        KL_FROM_LOG_STD,
        PRIORS,
        LOSS,
        MOMENTS,
        MODELS,
    )
    for mistake in group
}


def shared(name: str, formula: Callable[..., Any], **about: str) -> Mistake:
    """A shared mistake, with the formula that it comes to in an exercise, and what then fills its sentence's blanks."""
    return replace(SHARED[name], formula=formula, about=about)

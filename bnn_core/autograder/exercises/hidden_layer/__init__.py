"""The checks of lesson 06's exercise, `HiddenLayer(X, A_mean, A_scale, …)`: each module specifies a part of it."""

from bnn_core.autograder.exercises.hidden_layer import activations, draws, kl, log_prob, options, shapes
from bnn_core.autograder.exercises.hidden_layer.layer import exercise

__all__ = ["activations", "draws", "exercise", "kl", "log_prob", "options", "shapes"]

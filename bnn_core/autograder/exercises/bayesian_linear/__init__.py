"""The checks of lesson 03's exercise, `BayesianLinear(in_features, out_features)`: a module for each part of it."""

from bnn_core.autograder.exercises.bayesian_linear import draws, gradients, kl, manners, parameters, training
from bnn_core.autograder.exercises.bayesian_linear.layer import exercise

__all__ = ["draws", "exercise", "gradients", "kl", "manners", "parameters", "training"]

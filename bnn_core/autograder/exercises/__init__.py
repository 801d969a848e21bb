"""All exercises of the course, by the name that a learner defines."""

from bnn_core.autograder.exercise import Exercise
from bnn_core.autograder.exercises import bayesian_linear, hidden_layer, sample_preactivation

EXERCISES: dict[str, Exercise] = {
    module.exercise.name: module.exercise for module in (bayesian_linear, sample_preactivation, hidden_layer)
}

"""The autograder: the checks of every exercise, and how they reach a learner's code.

`check` and `ChecksFailed` are loaded when first used, so that `bnn_core.autograder.subject` can be imported in a
process that must hold no check.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bnn_core.autograder.in_notebook import ChecksFailed, check

__all__ = ["ChecksFailed", "check"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from bnn_core.autograder import in_notebook

        return getattr(in_notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

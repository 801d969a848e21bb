"""Long work stops when somebody asks for it, wherever Python happens to be."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from bnn_core.course.interrupting import interruptible

SIGNS = (signal.SIGINT, signal.SIGTERM)


class Finalised:
    """Python drops what is raised while such an object goes."""

    def __init__(self, sign: signal.Signals) -> None:
        self.sign = sign

    def __del__(self) -> None:
        os.kill(os.getpid(), self.sign)
        sum(range(1000))  # the handler runs between two instructions


def results(done: list[int], sign: signal.Signals, in_finaliser: bool) -> Iterator[int]:
    for number in range(4):
        if number == 1:
            one = Finalised(sign) if in_finaliser else None
            if one is None:
                os.kill(os.getpid(), sign)
            del one
        done.append(number)
        yield number


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(("in_finaliser", "last"), [(False, [0]), (True, [0, 1])])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_work_stops_when_it_is_asked_to(sign: signal.Signals, in_finaliser: bool, last: list[int]) -> None:
    before, done = [signal.getsignal(one) for one in SIGNS], list[int]()
    with pytest.raises(KeyboardInterrupt):
        for _ in interruptible(results(done, sign, in_finaliser)):
            pass
    assert done == last
    assert [signal.getsignal(one) for one in SIGNS] == before

"""Ctrl-C, or the stop button, while a check runs: in a real kernel, which must be as it was and go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from zoo import sample_preactivation as zoo

PATIENCE = 30.0
SET_UP = """
import os, random, sys, time, warnings
import numpy as np, torch
from bnn_core.autograder import check

def state():
    return (torch.get_rng_state().sum().item(), float(np.random.get_state()[1].sum()), random.getstate(),
            torch.get_default_dtype(), torch.is_grad_enabled(), len(warnings.filters), torch.get_num_threads(),
            sys.stdout is OUT, sys.stderr is ERR)

OUT, ERR = sys.stdout, sys.stderr
torch.set_default_dtype(torch.float64)
torch.manual_seed(3)
BEFORE = state()
"""
ENDLESS = {
    "in Python": "while True: pass",
    "in C": "time.sleep(1000)",
    "without gradients": "with torch.no_grad(): time.sleep(1000)",
    "inside another's warnings": "with warnings.catch_warnings(): time.sleep(1000)",
    "that raises it itself": "raise KeyboardInterrupt",
}


class Kernel:
    def __init__(self) -> None:
        self.manager = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code: str, interrupted_at: Path | None = None) -> tuple[str, str]:
        """What the cell printed, and the name of the error in which it ended.

        interrupted_at: a file at whose appearance the stop button is pressed.
        """
        self.client.execute(code)
        if interrupted_at is not None:
            wait_for(interrupted_at)
            self.manager.interrupt_kernel()
        printed, error = "", ""
        while True:
            message: dict[str, Any] = self.client.get_iopub_msg(timeout=PATIENCE)
            content = message["content"]
            if message["msg_type"] == "stream":
                printed += content["text"]
            elif message["msg_type"] == "error":
                error = content["ename"]
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                return printed, error

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} doesn't appear"
        time.sleep(0.02)
    time.sleep(0.1)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    try:
        yield kernel
    finally:
        kernel.close()


@pytest.mark.parametrize("endless", ENDLESS.values(), ids=list(ENDLESS))
def test_an_interrupted_check_leaves_a_kernel_that_goes_on(kernel: Kernel, endless: str, tmp_path: Path) -> None:
    assert kernel.run(SET_UP) == ("", "")
    running = tmp_path / "running"
    code = f"def sample_preactivation(X, A_mean, A_scale):\n    open({str(running)!r}, 'w').close()\n    {endless}"
    assert kernel.run(code) == ("", "")
    button = None if endless.startswith("raise") else running
    _, error = kernel.run("check(sample_preactivation)", interrupted_at=button)
    assert error == "KeyboardInterrupt"
    assert kernel.run("print(state() == BEFORE)") == ("True\n", "")
    assert kernel.run(f"{zoo.BASE}\ncheck(sample_preactivation)") == ("", "")

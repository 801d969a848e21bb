"""What came of checking a notebook, for whoever shows it. It may not know how anything is checked, nor load torch: the
process that runs the checks does, and the one that waits for it need not.
"""

from __future__ import annotations

from dataclasses import dataclass

from bnn_core.autograder.report import Report


@dataclass(frozen=True)
class NotebookReport:
    """A report for each exercise of the notebook's lesson, and remarks on how it was read."""

    lesson: str
    reports: tuple[Report, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return all(report.passed for report in self.reports)

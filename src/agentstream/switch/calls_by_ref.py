"""The live calls by the refs of their SIP calls; keeps what is reported of a ref not known yet."""

from collections.abc import Iterator
from contextlib import contextmanager

from agentstream.sip import reports as sip
from agentstream.switch.call_task import CallTask


class CallsByRef(dict[sip.SipCallRef, CallTask]):
    """A register; `hear` takes every report but those of calls that come in."""

    def __init__(self) -> None:
        super().__init__()
        self._untold: list[sip.Report] | None = None

    def hear(self, report: sip.Report) -> None:
        """Post a report to its call; one of no call is dropped."""
        task = self.get(report.ref)
        if task is not None:
            task.post(report)
        elif self._untold is not None:
            self._untold.append(report)

    @contextmanager
    def placing(self) -> Iterator[list[sip.Report]]:
        """Place a SIP call in here: what is reported of it at once is in the list."""
        untold: list[sip.Report] = []
        self._untold = untold
        try:
            yield untold
        finally:
            self._untold = None

    def keep(self, ref: sip.SipCallRef, task: CallTask, untold: list[sip.Report]) -> None:
        """Know a ref from now on, and post what was reported of it before."""
        self[ref] = task
        for report in untold:
            self.hear(report)

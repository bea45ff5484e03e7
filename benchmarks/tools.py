"""The native programs of a run: started, told of the measured window, read, stopped."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target" / "release"
Report = dict[str, Any]


class ToolError(Exception):
    """A tool ended without its report; the text says which."""


class Tool:
    """One program that speaks JSON lines."""

    def __init__(self, name: str, **options: object) -> None:
        """Start a native program, or with a dot in its name a Python module."""
        words = [w for k, v in options.items() for w in (f"--{k.replace('_', '-')}", str(v))]
        is_module = "." in name
        command = [sys.executable, "-m", name] if is_module else [str(PROGRAMS / name)]
        self.name = name
        self.process = subprocess.Popen(
            [*command, *words],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> Iterator[Report]:
        """Yield what it says until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield json.loads(line)

    def expect(self, event: str) -> Report:
        """Wait for its next line, which must be `event`."""
        for report in self.lines():
            if report["event"] == event:
                return report
        raise ToolError(f"{self.name} ended before it said {event!r}")

    def tell(self, command: str) -> None:
        """Say `reset` or `report`."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def report(self) -> Report:
        """Ask for its report."""
        self.tell("report")
        return self.expect("report")


@contextmanager
def running(name: str, **options: object) -> Iterator[Tool]:
    """Run a tool that says `ready` and stays until its standard input ends."""
    tool = Tool(name, **options)
    try:
        tool.expect("ready")
        yield tool
    finally:
        _stop(tool)


def call(
    seconds_at_most: float,
    on_steady: Callable[[], None],
    on_end: Callable[[], None],
    *,
    program: str = "caller",
    **options: object,
) -> Report:
    """Run a caller to its end; the callbacks bound the measured window.

    Returns its report, with the generator's own CPU seconds in the window as `cpu_s`.
    """
    tool = Tool(program, **options)
    timer = threading.Timer(seconds_at_most, tool.process.kill)
    timer.start()
    cpu_s, ended = 0.0, Report()
    try:
        for report in tool.lines():
            match report["event"]:
                case "steady":
                    on_steady()
                case "end":
                    on_end()
                    cpu_s = report["cpu_s"]
                    ended = report
                case "report":
                    return report | {"cpu_s": cpu_s, "ended": ended}
                case _:
                    pass
        raise ToolError(f"{program} gave no report within {seconds_at_most:.0f} s")
    finally:
        timer.cancel()
        _stop(tool)


def _stop(tool: Tool) -> None:
    assert tool.process.stdin is not None
    tool.process.stdin.close()
    try:
        tool.process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        tool.process.kill()
        tool.process.wait()
    if tool.process.stdout is not None:
        tool.process.stdout.close()

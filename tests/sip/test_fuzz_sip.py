"""A small, fixed share of the fuzzing that `make fuzz` does at length."""

import importlib.util
import sys
from pathlib import Path

FUZZ = Path(__file__).parents[2] / "fuzz" / "fuzz_sip.py"


def test_twenty_thousand_mutants_are_read_or_refused_and_none_is_slow() -> None:
    spec = importlib.util.spec_from_file_location("fuzz_sip", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    fuzz_sip = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = fuzz_sip  # dataclasses look their module up
    spec.loader.exec_module(fuzz_sip)
    tally = fuzz_sip.run(20_000, seed=4475)
    assert tally.parsed + tally.refused == 20_000
    assert tally.parsed > 1_000
    assert tally.refused > 1_000

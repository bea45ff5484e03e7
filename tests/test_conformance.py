"""The conformance suite names tests that exist."""

import ast
import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_of_the_conformance_suite_exists() -> None:
    spec = importlib.util.spec_from_file_location("conformance", ROOT / "tests" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert len(module.SUITE) == 12 + 10 + 10 + 12
    for tests in module.SUITE.values():
        for test in tests:
            path, _, name = test.partition("::")
            tree = ast.parse((ROOT / path).read_text())
            functions = {
                node.name
                for node in tree.body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert not name or name in functions, test

"""What all tests share: helpers found by name, a quiet TensorFlow, and one seed per test."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Under pytest's importlib mode no test folder is on the path; helper modules (not test_*.py) lie beside their tests.
sys.path.extend(str(folder) for folder in sorted(Path(__file__).parent.iterdir()) if any(folder.glob("*.py")))
sys.path.append(str(Path(__file__).parent))
pytest.register_assert_rewrite("layer_harness")
pytest_plugins = ("shared_fixtures",)


@pytest.fixture(autouse=True)
def _seed():
    """Seeds Keras where a test module has imported it; the others need not wait for it."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(0)

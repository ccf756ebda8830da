"""Puts this folder on the path, so that its tests find `media_corpus` under pytest's importlib mode."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

"""The picture of the layers is the one that the code draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_picture_of_the_layers_is_drawn_from_the_code() -> None:
    command = [sys.executable, "scripts/draw_layers.py"]
    drawn = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = (ROOT / "docs" / "images" / "layers.svg").read_text(encoding="utf-8")
    assert drawn == kept, "run `python scripts/draw_layers.py > docs/images/layers.svg`"

"""Write YAMNet (1024 values per 0.96 s, every 0.48 s) as a SavedModel from its published weights.

python hub_models/yamnet.py --out DIR [--weights FILE]
"""

import argparse
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_yamnet


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write YAMNet as a SavedModel (15 MB).")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the SavedModel, replaced if it is there")
    parser.add_argument("--weights", metavar="FILE", help="yamnet.h5 (default: ~/.keras/models, or a download)")
    options = parser.parse_args()
    try:
        folder = build_yamnet(options.out, weights=options.weights, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

"""Write temporally coherent embeddings (2048 values a picture) as a SavedModel from their PyTorch checkpoint.

python hub_models/tce.py --weights FILE [--out DIR]
"""

import argparse
import logging
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_tce
from avkeras.features.embedders import cache_folder


def main() -> None:
    """Build the SavedModel; say which weights of the checkpoint were left over."""
    parser = argparse.ArgumentParser(description="Write TCE's ResNet-50 as a SavedModel (94 MB).")
    parser.add_argument(
        "--weights", required=True, metavar="FILE", help="PyTorch checkpoint of csiro-robotics/TCE, ResNet-50"
    )
    parser.add_argument(
        "--out",
        default=cache_folder("tce"),
        metavar="DIR",
        help="folder of the SavedModel, replaced if it is there (default: %(default)s, where the name tce finds it)",
    )
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("avkeras").setLevel(logging.INFO)
    try:
        folder = build_tce(options.out, weights=options.weights, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

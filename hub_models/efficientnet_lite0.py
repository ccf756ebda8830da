"""Write EfficientNet-Lite0's pooled ImageNet features (1280 values a picture) as a SavedModel.

python hub_models/efficientnet_lite0.py --out DIR
"""

import argparse
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_efficientnet_lite0


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write EfficientNet-Lite0 as a SavedModel.")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the SavedModel, replaced if it is there")
    parser.add_argument("--weights", metavar="FILE", help="PyTorch checkpoint (default: the installed package's)")
    options = parser.parse_args()
    try:
        folder = build_efficientnet_lite0(options.out, weights=options.weights, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

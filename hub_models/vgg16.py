"""Write VGG16's fc2 ImageNet features (4096 values a picture) as a SavedModel, preprocessing inside.

python hub_models/vgg16.py --out DIR [--weights FILE]
"""

import argparse
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_vgg16
from avkeras.features.embedders import cache_folder


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write VGG16 up to fc2 as a SavedModel (537 MB).")
    parser.add_argument(
        "--out",
        default=cache_folder("vgg16"),
        metavar="DIR",
        help="folder of the SavedModel, replaced if it is there (default: %(default)s, where the name vgg16 finds it)",
    )
    parser.add_argument(
        "--weights", metavar="FILE", help="Keras' weight file (default: ~/.keras/models, or a download)"
    )
    options = parser.parse_args()
    try:
        folder = build_vgg16(options.out, weights=options.weights, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

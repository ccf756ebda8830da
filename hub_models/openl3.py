"""Write OpenL3's image embeddings (512 values a picture) as a SavedModel, preprocessing inside.

python hub_models/openl3.py [--out DIR] [--weights FILE] [--signed]
"""

import argparse
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_openl3
from avkeras.features.embedders import cache_folder


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write OpenL3's image network as a SavedModel (19 MB).")
    parser.add_argument(
        "--out",
        default=cache_folder("openl3"),
        metavar="DIR",
        help="folder of the SavedModel, replaced if it is there (default: %(default)s, where the name openl3 finds it)",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="openl3_image_mel256_env-v0_4_0.h5.gz, or unpacked (default: ~/.keras/models, or a download)",
    )
    parser.add_argument(
        "--signed", action="store_true", help="give the network pictures in [-1, 1] (default: in [0, 1])"
    )
    options = parser.parse_args()
    try:
        folder = build_openl3(options.out, weights=options.weights, signed=options.signed, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

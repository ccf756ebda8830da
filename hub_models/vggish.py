"""Write VGGish (128 values per 0.96 s) as a SavedModel from the published TF1 checkpoint.

python hub_models/vggish.py --checkpoint vggish_model.ckpt --out DIR [--pca vggish_pca_params.npz]
"""

import argparse
import sys

from avkeras.errors import AvkerasError
from avkeras.features.build_embedders import build_vggish


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write VGGish as a SavedModel (289 MB).")
    parser.add_argument("--checkpoint", required=True, metavar="FILE", help="the published vggish_model.ckpt")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the SavedModel, replaced if it is there")
    parser.add_argument(
        "--pca",
        metavar="FILE",
        help="vggish_pca_params.npz: whiten the embeddings and quantise them to 8 bits, as AudioSet's features are",
    )
    options = parser.parse_args()
    try:
        folder = build_vggish(options.out, options.checkpoint, pca=options.pca, overwrite=True)
    except AvkerasError as error:
        sys.exit(str(error))
    print(f"Written: {folder}")


if __name__ == "__main__":
    main()

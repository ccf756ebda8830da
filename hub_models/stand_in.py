"""Write the audio stand-in (VGGish's front end and contract, random weights from a seed) as a SavedModel.

python hub_models/stand_in.py --out DIR
"""

import argparse

from avkeras.features.build_embedders import build_vggish_stand_in


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write the stand-in for VGGish as a SavedModel.")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the SavedModel, replaced if it is there")
    options = parser.parse_args()
    print(f"Written: {build_vggish_stand_in(options.out, overwrite=True)}. It is a stand-in, not VGGish.")


if __name__ == "__main__":
    main()

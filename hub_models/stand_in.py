"""Write a stand-in as a SavedModel: of sound (VGGish's front end, random weights) or of pictures (colours and edges).

python hub_models/stand_in.py --out DIR
python hub_models/stand_in.py --of pictures --out DIR
"""

import argparse

from avkeras.features.build_embedders import build_picture_stand_in, build_vggish_stand_in

BUILDERS = {"sound": build_vggish_stand_in, "pictures": build_picture_stand_in}


def main() -> None:
    """Build the SavedModel."""
    parser = argparse.ArgumentParser(description="Write a stand-in for a pretrained network as a SavedModel.")
    parser.add_argument("--of", choices=BUILDERS, default="sound", help="what it takes; default: sound")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the SavedModel, replaced if it is there")
    options = parser.parse_args()
    print(f"Written: {BUILDERS[options.of](options.out, overwrite=True)}. It is a stand-in, not a trained network.")


if __name__ == "__main__":
    main()

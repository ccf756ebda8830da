"""The program of the scripts in `hub_models`: a known embedder's SavedModel from the files of its weights."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from avkeras.commands.terminal import one_line_errors


def write_embedder(name: str, arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, writes the SavedModel and says where it is.

    Args:
        name: of a known embedder.
        arguments: of the command line; default: the program's.
    """
    from avkeras.features.embedders import cache_folder
    from avkeras.features.registry import EMBEDDERS

    row = EMBEDDERS[name]
    parser = argparse.ArgumentParser(description=f"Write {row.spec.note} as a SavedModel.")
    found = None if row.spec.handle else cache_folder(name)
    where = f"; default: {found}, where the name {name} finds it" if found else ""
    parser.add_argument(
        "--out",
        type=Path,
        default=found,
        required=found is None,
        metavar="DIR",
        help=f"folder of the SavedModel, replaced if it is there{where}",
    )
    for argument, text in row.files.items():
        parser.add_argument(f"--{argument}", required=argument in row.needed, metavar="FILE", help=text)
    for argument, text in row.switches.items():
        parser.add_argument(f"--{argument}", action="store_true", help=text)
    options = vars(parser.parse_args(arguments))
    logging.basicConfig(format="%(message)s")
    logging.getLogger("avkeras").setLevel(logging.INFO)
    with one_line_errors():
        folder = row.writer()(options.pop("out"), overwrite=True, **options)
    told = " It is a stand-in, not a trained network." * row.spec.stand_in
    sys.stdout.write(f"Written: {folder}.{told}\n")

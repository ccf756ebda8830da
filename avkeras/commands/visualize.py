"""`avkeras visualize`: what a model attends to, or which events it finds, as pictures and a page."""

import sys
from pathlib import Path

HELP = "draw a model's attention, or its events, in a media file"
EXAMPLES = """  avkeras visualize clip.mp4 --model runs/demo/audio+video --query 3
  avkeras visualize clip.mp4 --model runs/demo/audio+video --out figures --formats png svg
  avkeras visualize clip.mp4 --model runs/detection --formats html
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    formats = ("png", "svg", "html")
    parser.add_config()
    parser.add_argument("media", type=Path, metavar="FILE", help="an audio or video file")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR", help="folder of a run, or of a system")
    parser.add_argument(
        "--embedders", nargs="+", default=[], metavar="NAME_OR_DIR", help="of training, where the model's are not found"
    )
    parser.add_argument(
        "--query", type=int, metavar="N", help="tagging: the query frame, from 0; default: the most telling one"
    )
    parser.add_argument("--out", type=Path, default=Path("."), metavar="DIR", help="folder to write; default: this one")
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=formats,
        default=list(formats),
        help="what to write; html is a page on which the query is picked while the clip plays; default: all",
    )


def run(options) -> None:
    """Draws, and names the files."""
    from avkeras.reports.visualize_media import visualize

    files = visualize(
        options.media,
        model=options.model,
        query=options.query,
        out=options.out,
        formats=tuple(options.formats),
        embedders=options.embedders,
    )
    sys.stdout.write("".join(f"{file}\n" for file in files))

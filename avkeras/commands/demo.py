"""`avkeras demo`: soundscapes as real media files."""

import sys
from pathlib import Path

HELP = "make soundscapes with video as real media files"
EXAMPLES = """  avkeras demo --out soundscapes
  avkeras demo --out soundscapes --task dcase2020 --clips 40 10 10 --seed 1
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write")
    parser.add_argument("--task", choices=("dcase2017", "dcase2020"), default="dcase2017", help="classes and labels")
    parser.add_argument(
        "--clips",
        nargs=3,
        type=int,
        default=[480, 120, 200],
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="of each split; default: 480 120 200",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random; default: 0")


def run(options) -> None:
    """Makes the clips and their manifest."""
    from avkeras.commands.terminal import progress_bars
    from avkeras.datasets.demo import make_demo

    clips = dict(zip(("train", "validation", "test"), options.clips, strict=True))
    with progress_bars() as step:
        manifest = make_demo(
            options.out, task=options.task, clips=clips, seed=options.seed, progress=step("soundscapes")
        )
    sys.stdout.write(f"{len(manifest.clips)} clips in {manifest.path}\n")

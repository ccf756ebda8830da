"""`avkeras extract`: the clips of a manifest as features on disk."""

from pathlib import Path

HELP = "turn the clips of a manifest into features on disk"
EXAMPLES = """  avkeras extract clips/manifest.tsv --embedders vggish vgg16
  avkeras extract clips/manifest.tsv --embedders efficientnet_lite0 --detection --out records
  avkeras extract clips/manifest.tsv --encoders log_mel yamnet efficientat openl3
  avkeras extract clips/manifest.tsv --embedders vggish vgg16 --retry --strict
  avkeras extract clips/manifest.tsv --embedders vggish vgg16 --cluster 10.0.0.1:6379

The same command goes on where an interrupted one was. The recipes look in `records` beside the manifest.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    parser.add_config()
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="table of the clips")
    parser.add_argument(
        "--embedders",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names, TF Hub handles or folders: one of sound and one of pictures; with --detection any of pictures",
    )
    parser.add_argument(
        "--encoders",
        nargs="+",
        default=[],
        metavar="NAME",
        help="log_mel and embedders of sound or of pictures, as of `train detection` (2022)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the stores; default: beside the manifest")
    parser.add_argument("--detection", action="store_true", help="also log-mel spectrograms and still images (2022)")
    parser.add_argument(
        "--visual-frames", type=int, default=64, metavar="N", help="still images per 10 s (2022); default: 64"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="clips at a time; default: all cores")
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="do the work on a Ray cluster: host:port, or auto for this machine's"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="give a file up of which decoding makes nothing for so long; default: 120",
    )
    parser.add_argument("--retry", action="store_true", help="try clips again that failed before")
    parser.add_argument("--strict", action="store_true", help="end with status 1 if any clip failed")


def run(options) -> None:
    """Extracts, and says what was done, failed, padded, cut or missing."""
    from avkeras.commands.extract_view import show_extraction
    from avkeras.commands.terminal import progress_bars
    from avkeras.features.extraction import extract_manifest
    from avkeras.runs.machine_settings import apply_extraction_settings

    apply_extraction_settings()
    names = ("embedders", "encoders", "out", "detection", "visual_frames", "workers", "cluster", "patience", "retry")
    values = {name: options[name] for name in names}
    with progress_bars() as step:
        runs = extract_manifest(options.manifest, progress=step, **values)
    show_extraction(runs, strict=options.strict)

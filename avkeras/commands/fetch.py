"""`avkeras fetch`: the clips of a public data set from their source."""

from pathlib import Path

HELP = "bring the clips of a public data set from their source"
EXAMPLES = """  avkeras fetch dcase2017 --out clips --limit 20
  avkeras fetch dcase2017 --out clips --splits train --jobs 4 --sleep 2
  avkeras fetch dcase2017 --out clips --retry failed blocked
  avkeras fetch dcase2020 --out desed --media DESED/dataset/audio --offline
  avkeras fetch audioset --out audioset --splits evaluation
  avkeras fetch audioset --out audioset --splits unbalanced --lists folder_with_your_own_list
  avkeras fetch vggsounder --out vggsounder

A clip that failed is not tried again without --retry, unless the source could not be reached for it or refused.
The same command goes on where an interrupted one was.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    from avkeras.datasets.fetch_folder import TASKS

    parser.add_config()
    parser.add_argument("task", choices=TASKS, help=f"which lists: {', '.join(TASKS)}")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for clips, ledger and manifest")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="train, validation, test or official parts; default: all"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips of each part, spread over its list")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="clips at a time; default: 2")
    parser.add_argument("--media", type=Path, metavar="DIR", help="files that you have, by official names; not copied")
    parser.add_argument("--offline", action="store_true", help="only take files of --media, never ask the source")
    parser.add_argument(
        "--retry",
        nargs="*",
        metavar="STATE",
        help="try again: gone, private, blocked, failed, video (clips without video); without a value: all",
    )
    parser.add_argument("--lists", type=Path, metavar="DIR", help="folder with the official lists; default: downloaded")
    parser.add_argument("--source", metavar="URL", help="address of a video, with {id} in it; default: YouTube's")
    parser.add_argument("--sleep", type=float, default=1.0, metavar="S", help="seconds between clips; default: 1")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="of a request; default: 30")
    parser.add_argument("--tries", type=int, default=4, metavar="N", help="when the source does not answer; default: 4")


def run(options) -> None:
    """Fetches, and says what came of it."""
    from avkeras.commands.fetch_view import show_fetch
    from avkeras.commands.terminal import progress_bars
    from avkeras.datasets.fetch import fetch
    from avkeras.datasets.ledger import STATES

    retry = options.retry if options.retry != [] else (*STATES[1:], "video")
    names = ("splits", "limit", "jobs", "media", "offline", "lists", "sleep", "timeout", "tries")
    values = {name: options[name] for name in names}
    if options.source is not None:
        values["source"] = options.source
    with progress_bars() as step:
        summary = fetch(options.task, options.out, retry=retry or (), progress=step("clips"), **values)
    show_fetch(options.task, options.out, summary)

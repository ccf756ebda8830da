"""`avkeras reproduce`: a result table of the papers, every cell and every seed."""

import sys
from pathlib import Path

HELP = "make a result table of the papers, or one of ways of fusion"
EXAMPLES = """  avkeras reproduce 2019-table1
  avkeras reproduce 2019-table1 --rows 5 --runs 3
  avkeras reproduce 2019-table1 --data clips/manifest.tsv --embedders vggish vgg16
  avkeras reproduce fusion
  avkeras reproduce 2022-table5 --data desed/manifest.tsv --embedders openl3 tce vgg16 --cluster 10.0.0.1:6379

Without --data on demo soundscapes, in minutes: that shows that it works, and says nothing of the papers' numbers.
Every finished run is a line of results.jsonl; the same command goes on where an interrupted one was.
"""


def add_arguments(parser) -> None:
    """Adds the options."""
    from avkeras.tables.paper_tables import TABLES

    parser.add_config()
    parser.add_argument("table", choices=TABLES, metavar="TABLE", help=f"one of {', '.join(TABLES)}")
    parser.add_argument("--data", type=Path, metavar="MANIFEST", help="table of the clips; default: demo soundscapes")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results, one for the tables of a paper")
    parser.add_argument("--preset", choices=("paper", "demo"), help="values; default: paper with --data")
    parser.add_argument(
        "--embedders", nargs="+", metavar="NAME", help="2019: of sound and of pictures; 2022: of pictures, one a row"
    )
    parser.add_argument(
        "--runs", type=int, metavar="N", help="seeds per cell; default: the paper's 25 or 20, demo: 2 or 3"
    )
    parser.add_argument("--rows", nargs="+", type=int, default=[], metavar="N", help="only these rows, from 1")
    parser.add_argument("--jobs", type=int, metavar="N", help="runs side by side; default: what the machine allows")
    parser.add_argument("--cluster", metavar="ADDRESS", help="do the work on a Ray cluster: host:port, or auto")
    parser.add_argument(
        "--together",
        type=bool,
        help="2019: train the runs of a cell in one program; default: on GPUs, if it is measured to be faster there",
    )
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_float16", "mixed_bfloat16"))


def run(options) -> None:
    """Runs what is missing, shows the table, and ends with status 1 if something could not be run."""
    from avkeras.commands.terminal import ended_by_sigterm, progress_bars
    from avkeras.errors import AvkerasError
    from avkeras.tables.reproduce import reproduce

    names = ("data", "out", "preset", "embedders", "runs", "rows", "jobs", "cluster", "together", "precision")
    with ended_by_sigterm(), progress_bars() as step:
        report = reproduce(options.table, progress=step, **{name: options[name] for name in names})
    sys.stdout.write(report.files[0].read_text(encoding="utf-8"))
    sys.stdout.write(f"\n{report.found} of {report.wanted} runs were there before. Files: results.jsonl, ")
    sys.stdout.write(f"{', '.join(file.name for file in report.files)} in {report.out}\n")
    if report.failed:
        raise AvkerasError(f"{len(report.failed)} cells failed, see {report.files[0]}; the same command tries again")

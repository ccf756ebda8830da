"""`avkeras train`: an experiment from media files to scores, the same as the recipes run."""

from pathlib import Path

from avkeras.commands.parser import UsageError
from avkeras.commands.values import add_values, values_of

HELP = "train, tune and score on a manifest: the papers' experiments"
EXAMPLES = """  avkeras train tagging --data my.tsv --embedders vggish vgg16 --out runs/mine
  avkeras train tagging --data my.tsv --systems audio audio+video --attention softmax --out runs/softmax
  avkeras train tagging --data my.tsv --first audio --second video --positions video --out runs/figure7
  avkeras train detection --data my.tsv --visual openl3 tce --block conformer --out runs/conformer
  avkeras train detection --config runs/conformer/config.json --seed 1 --out runs/conformer_1
  avkeras train --resume runs/conformer

Without options, the values are the papers'. A run's folder holds its values in config.json, which --config takes, and
in environment.jsonl the versions and command lines that worked on it. The values of a recipe as a file:
python recipes/dcase2017_av.py --preset demo --print_config > demo.yaml
Curves: tensorboard --logdir runs
"""
_EXPERIMENTS = ("tagging", "detection")


def add_arguments(parser) -> None:
    """Adds the options; those of an experiment where it is named."""
    parser.add_argument(
        "experiment", nargs="?", choices=_EXPERIMENTS, help="tagging (2019) or detection (2022); each has its --help"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="RUN", help="go on with the run in this folder, with the values that it has"
    )
    experiment = next((word for word in parser.arguments if word in _EXPERIMENTS), None)
    if experiment:
        from avkeras.experiments.configs import EXPERIMENTS

        parser.prog = f"avkeras train {experiment}"
        parser.add_config()
        add_values(parser, EXPERIMENTS[experiment]())


def run(options) -> None:
    """Runs the experiment; on a folder that holds a part of it, what is left."""
    from avkeras.commands.finish_run import run_experiment
    from avkeras.experiments.configs import EXPERIMENTS

    if options.resume and options.experiment:
        raise UsageError("--resume takes all values from the run: give no experiment with it")
    if options.resume:
        from avkeras.runs.run_folder import values_of_run

        run_experiment(values_of_run(options.resume, tuple(EXPERIMENTS.values())))
    elif options.experiment:
        run_experiment(values_of(EXPERIMENTS[options.experiment], options))
    else:
        raise UsageError("name an experiment, tagging or detection, or a run with --resume; see avkeras train --help")

"""`avkeras train`: an experiment from media files to scores, the same as the recipes run."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from avkeras.commands.parser import UsageError, option_in_file
from avkeras.commands.values import add_values, values_of

HELP = "train, tune and score on a manifest: the papers' experiments"
EXAMPLES = """  avkeras train tagging --data my.tsv --embedders vggish vgg16 --out runs/mine
  avkeras train tagging --data my.tsv --systems audio audio+video --attention softmax --out runs/softmax
  avkeras train tagging --data my.tsv --first audio --second video --positions video --out runs/figure7
  avkeras train tagging --system gccaps --data my.tsv --decision class_wise --out runs/gccaps
  avkeras train detection --data my.tsv --visual openl3 tce --block conformer --out runs/conformer
  avkeras train detection --data my.tsv --encoders log_mel efficientat openl3 --out runs/pretrained
  avkeras train detection --config runs/conformer/config.json --seed 1 --out runs/conformer_1
  avkeras train --resume runs/conformer

Without options, the values are the papers', with --system those that the system was published with. A run's folder
holds its values in config.json, which --config takes, and in environment.jsonl the versions and command lines that
worked on it. The values of a recipe as a file:
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
        from avkeras.experiments.configs import EXPERIMENTS, system_values

        parser.prog = f"avkeras train {experiment}"
        parser.add_config()
        system = _named_system(parser.arguments)
        values = system_values(system) if system else EXPERIMENTS[experiment]()
        if not isinstance(values, EXPERIMENTS[experiment]):
            values = EXPERIMENTS[experiment]()  # which the experiment refuses with the reason
        add_values(parser, values)


def _named_system(arguments: Sequence[str]) -> str | None:
    """Returns the system that a command line names, itself or in its file of options: its values are the defaults."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--system")
    peek.add_argument("--config")
    seen, _ = peek.parse_known_args(arguments)
    return seen.system or (option_in_file(Path(seen.config), "system") if seen.config else None)


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

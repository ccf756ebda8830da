"""The values of an experiment as options of a command line and keys of a YAML file."""

import dataclasses
from typing import Any

# What `add_class_arguments` cannot say: lists given word by word, and words of which one is chosen.
_WORDS = {
    "embedders": {
        "nargs": 2,
        "metavar": ("AUDIO", "VIDEO"),
        "help": "of the sound and of the pictures: names, TF Hub handles or folders",
    },
    "system": {"metavar": "NAME", "help": "a published system in place of the paper's, see avkeras systems"},
    "options": {"nargs": "*", "metavar": "NAME=VALUE", "help": "of the system; avkeras systems NAME tells them"},
    "balance": {"choices": ("heard", "drawn", "none"), "help": "labels that keep to --max_ratio: all, or those drawn"},
    "ensemble": {"choices": ("last", "best"), "help": "which epochs --keep is of: the last, or the best on validation"},
    "select": {"choices": ("last", "best"), "help": "epoch whose student is kept: the last, or the best on validation"},
    "systems": {"nargs": "+", "choices": ("audio", "video", "audio+video"), "help": "which to train"},
    "first": {"choices": ("audio", "video"), "help": "input of the encoder; with --second, in place of --systems"},
    "second": {"choices": ("audio", "video"), "help": "input of the decoder"},
    "positions": {
        "nargs": "*",
        "choices": ("audio", "video"),
        "help": "inputs with positional encodings, perhaps none",
    },
    "attention": {"choices": ("softmax", "sigmoid", "normalized_sigmoid"), "help": "function of the attention"},
    "aggregation": {"choices": ("mean", "max"), "help": "of the frames"},
    "visual": {"nargs": "*", "help": "embedders of the pictures: names, TF Hub handles or folders; none: audio only"},
    "encoders": {
        "nargs": "*",
        "help": "in place of --visual: log_mel and embedders of sound or pictures, one encoder each",
    },
    "availability": {
        "nargs": "*",
        "type": float,
        "metavar": "SHARE",
        "help": "from 0 to 1, of the test clips with video to which theirs is left, each scored in a row of its own",
    },
    "late_fusion": {
        "choices": ("none", "logits", "probabilities"),
        "help": "what of a decoder per encoder is weighed; none: one decoder attends to all encoders",
    },
    "block": {"choices": ("transformer", "conformer"), "help": "of encoders and decoder"},
    "class_token": {"choices": ("first", "last"), "help": "its place in the decoder's sequence"},
    "mixup_scope": {"choices": ("batch", "clip"), "help": "what is mixed or not, at a ratio of its own"},
    "precision": {"choices": ("float32", "mixed_float16", "mixed_bfloat16"), "help": "of the computation"},
}
# What `--decision` may be, by the experiment's dataclass.
_RULES = {
    "AudioTagging": ("global", "class_wise", "automatic", "capsule"),
    "SoundEventDetection": ("median", "double", "fixed"),
}


def add_values(parser, defaults: Any) -> None:
    """Adds an option per value of an experiment.

    Args:
        parser: a `CommandParser`.
        defaults: the experiment's dataclass of values; its docstring is the options' help.
    """
    values = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(defaults)}
    words = {name: options for name, options in _WORDS.items() if name in values}
    if rules := _RULES.get(type(defaults).__name__):
        words["decision"] = {"choices": rules, "help": "rule that makes classes, or events, of probabilities"}
    for name, options in words.items():
        default = values[name] if values[name] is None or isinstance(values[name], str) else list(values[name])
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        help = f"{options['help']}; default: {shown}" if shown else options["help"]
        parser.add_argument(f"--{name}", **options | {"default": default, "help": help})
    parser.add_class_arguments(type(defaults), skip=set(words))
    others = {name: value for name, value in values.items() if name not in words}
    parser.set_defaults(others)
    for action in parser._actions:
        if others.get(action.dest) is not None:
            action.help = f"{action.help.rstrip('.')}; default: {others[action.dest]}"


def values_of(kind: type, options) -> Any:
    """Returns the dataclass of values from parsed options."""
    return kind(**{field.name: options[field.name] for field in dataclasses.fields(kind)})

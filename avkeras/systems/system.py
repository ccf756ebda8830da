"""What is to be known of a published system: its file in this room holds one `PublishedSystem`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    import keras

    from avkeras.features.front_end import FrontEnd
    from avkeras.models.sequence_model import SequenceModel


@dataclass(frozen=True)
class Published:
    """A figure that was published of a system.

    Args:
        metric: what it is.
        value: in %.
        on: the clips that it was measured on.
        source: where it stands.
    """

    metric: str
    value: float
    on: str
    source: str


@dataclass(frozen=True)
class PublishedSystem:
    """A published system, as a row that can be trained.

    Args:
        name: as `--system` takes it.
        task: `tagging` or `detection`.
        title: what it is, in a few words.
        paper: authors, year, where.
        inputs: what it takes, in a few words.
        front_end: of its spectrogram; None: it takes embeddings.
        parameters: trainable ones, with the default options and the task's classes.
        published: figures; empty: none was found.
        read: what was read of it, and under which licence; nothing was copied.
        build: returns the model from `classes`, `dtype`, `training` and the options.
        optimizer: returns the optimizer from `learning_rate`, `epochs` and `steps_per_epoch`.
        values: of the experiment, where they are not its defaults.
        options: of its own with their defaults.
        notes: what was chosen here, and what the published code does otherwise.
        loss: as `compile` takes it.
        mixes_pairs: in training a batch is mixed in pairs, see `avkeras.data.pair_mixup`.
        teacher: detection: returns arguments of `avkeras.training.MeanTeacher` from `epochs` and `steps_per_epoch`.
        frames_per_vector: detection: frames of the front end that make one frame of the answer.
        embeds: whether it takes embeddings, which the experiment's values name; `build` then gets `dims`, their width
            by input.
    """

    name: str
    task: str
    title: str
    paper: str
    inputs: str
    front_end: FrontEnd | None
    parameters: int
    published: tuple[Published, ...]
    read: str
    build: Callable[..., SequenceModel] = field(repr=False)
    optimizer: Callable[..., keras.optimizers.Optimizer] = field(repr=False)
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    loss: str | Callable = "binary_crossentropy"
    mixes_pairs: bool = False
    teacher: Callable[..., Mapping[str, Any]] | None = field(default=None, repr=False)
    frames_per_vector: int = 1
    embeds: bool = False

    def options_of(self, given: Sequence[str]) -> dict[str, Any]:
        """Returns all options, from those that are given as `name=value`.

        Raises:
            AvkerasError: there is no such option, or its value is of another kind.

        Example:
            >>> from avkeras.systems import find_system
            >>> find_system("gccaps").options_of(["rounds=1"])["rounds"]
            1
        """
        found = dict(self.options)
        for one in given:
            name, equals, text = one.partition("=")
            if not equals or name not in found:
                known = ", ".join(f"{known}={value}" for known, value in self.options.items())
                raise AvkerasError(f"options: '{one}' is none of {self.name}'s, which are {known}")
            found[name] = _value(text, self.options[name], one)
        return found


def _value(text: str, like: Any, given: str) -> Any:
    """Returns a text as a value of the kind of another."""
    kind = type(like)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", int: "a whole number", float: "a number"}[kind]
        raise AvkerasError(f"options: '{given}': {wanted} is wanted") from None

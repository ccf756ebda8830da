"""What a run's folder tells to its report: values, clips, features, what was noted and left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.data.manifest import Manifest, read_manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.runs.files import read_json, read_rows
from avkeras.runs.run_folder import INPUTS_FILE, read_config

if TYPE_CHECKING:
    from avkeras.features.embedder import EmbedderSpec


@dataclass(frozen=True)
class RunFacts:
    """The folder of a finished run, as its experiment left it.

    Args:
        folder: of the run.

    Raises:
        AvkerasError: a file that is asked for is not there or damaged.
    """

    folder: Path

    @cached_property
    def config(self) -> dict[str, Any]:
        """The values of the run."""
        return read_config(self.folder)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """What `avkeras.experiments.inputs.write_inputs` wrote."""
        found = read_json(self.folder / INPUTS_FILE)
        if "manifest" not in found:  # of an older version
            raise AvkerasError(f"{self.folder}: give the command of this run again, which adds what a report needs")
        return found

    @cached_property
    def manifest(self) -> Manifest:
        """The clips."""
        return read_manifest(self.folder / self.inputs["manifest"])

    @cached_property
    def stores(self) -> dict[str, RecordReader]:
        """The features by input, `audio` first."""
        return {name: RecordReader(self.folder / path) for name, path in self.inputs["stores"].items()}

    @property
    def visual(self) -> RecordReader | None:
        """The features of the first visual input; None: there is none."""
        embedders = self.inputs["embedders"]
        seeing = (name for name, one in embedders.items() if one["spec"]["modality"] == "video")
        return next((self.stores[name] for name in seeing), None)

    @cached_property
    def specs(self) -> list[EmbedderSpec]:
        """What the embedders are."""
        from avkeras.features.embedder import EmbedderSpec

        return [EmbedderSpec(**one["spec"]) for one in self.inputs["embedders"].values()]

    def noted(self, kind: str) -> list[tuple[str, str]]:
        """Returns clip and text of each `note` or `error` of the extraction."""
        rows = read_rows(self.folder / "extraction.csv")
        return [(row["clip"], row["text"]) for row in rows if row.get("kind") == kind]

"""What the models of a run take: the features of the clips and what made them, in memory and in `inputs.json`."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avkeras.data.manifest import Manifest
from avkeras.data.records import RecordReader
from avkeras.errors import AvkerasError
from avkeras.features.write_clips import Summary
from avkeras.runs.files import read_json, write_json
from avkeras.runs.run_folder import INPUTS_FILE, pin_values

if TYPE_CHECKING:
    from avkeras.features.embedder import Embedder, EmbedderSpec


@dataclass(frozen=True)
class UsedEmbedder:
    """An embedder as a run knows it.

    Args:
        given: how the values name it: a name, a TF Hub handle or a folder.
        spec: what it takes and gives.
        fingerprint: of its weights.
    """

    given: str
    spec: "EmbedderSpec"
    fingerprint: str

    @classmethod
    def of(cls, given: str, embedder: "Embedder") -> "UsedEmbedder":
        """Returns what is to be known of an embedder."""
        return cls(str(given), embedder.spec, embedder.fingerprint)

    def as_json(self) -> dict[str, Any]:
        """Returns it as `inputs.json` has it."""
        return {"embedder": self.given, "spec": dataclasses.asdict(self.spec), "fingerprint": self.fingerprint}


@dataclass(frozen=True)
class Features:
    """What an experiment trains on.

    Args:
        stores: folder of the features per input: `audio`, then `video` (2019) or embedders by name (2022).
        embedders: by input; the spectrograms of 2022 need none.
        summary: of the extraction.
        failed: clips that some input could not be extracted of, which all models leave out, by id.
        with_video: clips of which every visual input has pictures; None: there is no visual input.
    """

    stores: dict[str, Path]
    embedders: dict[str, UsedEmbedder]
    summary: Summary
    failed: frozenset[str] = field(default=frozenset(), repr=False)
    with_video: frozenset[str] | None = field(default=None, repr=False)

    @property
    def stand_ins(self) -> list[str]:
        """Embedders that only stand in for pretrained ones."""
        return [one.spec.name for one in self.embedders.values() if one.spec.stand_in]

    @property
    def visual(self) -> list[str]:
        """The inputs that are made of pictures."""
        return [name for name, one in self.embedders.items() if one.spec.modality == "video"]

    def readers(self) -> dict[str, RecordReader]:
        """Opens the stores as they were once the clips were extracted.

        Runs of a table may begin hours later, and another manifest with clips of the same ids may share the folder.
        """
        read_to = self.summary.read_to
        return {name: RecordReader(folder, read_to=read_to.get(name)) for name, folder in self.stores.items()}

    def checked(self) -> "Features":
        """Returns the features with what their stores tell of failed clips and of clips with video."""
        readers = self.readers()
        failed = {id for reader in readers.values() for id, record in reader.records.items() if record.error}
        seen = [{id for id, record in readers[name].records.items() if record.frames} for name in self.visual]
        with_video = frozenset(set.intersection(*seen)) if seen else None
        return dataclasses.replace(self, failed=frozenset(failed), with_video=with_video)

    def scored_as(self, others: "Features") -> "Features":
        """Returns the features of the clips, and with the clips with video, that models of others are scored on."""
        return dataclasses.replace(self, failed=self.failed | others.failed, with_video=others.with_video)

    def of(self, names: Sequence[str]) -> "Features":
        """Returns the features with some of the inputs only, and `audio`, as the values name their embedders.

        `failed` and `with_video` stay, so that models of different inputs are scored on the same clips.
        """
        embedders = {name: one for name, one in self.embedders.items() if name == "audio" or one.given in names}
        stores = {name: folder for name, folder in self.stores.items() if name == "audio" or name in embedders}
        return dataclasses.replace(self, stores=stores, embedders=embedders)


def pin_run(values: Any, manifest: Manifest) -> None:
    """Pins a run's values in its folder, and refuses one whose models were trained on other clips, labels or classes.

    What they were trained on stands in `inputs.json`, from just before the first training on: until then the manifest
    may be mended. A folder of a version that did not write it is taken as it is.

    Args:
        values: of the experiment.
        manifest: its clips as they are read.

    Raises:
        AvkerasError: the folder holds a run with other values or on other clips.
    """
    pin_values(values, values.out)
    if (values.out / INPUTS_FILE).exists():
        now = manifest.digest()
        if read_json(values.out / INPUTS_FILE).get("clips_sha256", now) != now:
            raise AvkerasError(
                f"{values.out}: was trained on other clips or labels than {manifest.path} now holds; give another --out"
            )


def pin_media(folder: Path, manifest: Manifest, stores: Mapping[str, RecordReader]) -> dict[str, str]:
    """Refuses features of other media than those that a run's models were trained on.

    Args:
        folder: of the run.
        manifest: its clips.
        stores: of its features.

    Returns:
        What `write_inputs` is to tell of them; nothing in a folder of a version that did not.

    Raises:
        AvkerasError: media have changed since, or other clips failed.
    """
    digest = hashlib.sha256()
    for name in sorted(stores):
        records = (stores[name].records.get(clip.id) for clip in manifest.clips)
        lines = [[name, record.id, record.media, bool(record.error)] for record in records if record]
        digest.update(json.dumps(lines).encode())
    now, file = digest.hexdigest()[:16], folder / INPUTS_FILE
    before = read_json(file).get("media_sha256") if file.exists() else now
    if before not in (None, now):
        raise AvkerasError(
            f"{folder}: was trained when media of {manifest.path} were others, or others of them failed; "
            "give another --out"
        )
    return {"media_sha256": now} if before else {}


def write_inputs(folder: Path, manifest: Manifest, features: Features, **more: Any) -> None:
    """Writes what a report or a prediction needs to know of a run's data; paths are as seen from its folder.

    Args:
        folder: of the run.
        manifest: its clips as they are read.
        features: of the clips.
        **more: further facts, as JSON.
    """

    def seen_from_there(path: Path) -> str:
        return Path(os.path.relpath(path, folder)).as_posix()

    stores: Mapping[str, str] = {name: seen_from_there(store) for name, store in features.stores.items()}
    embedders = {name: one.as_json() for name, one in features.embedders.items()}
    facts = {"manifest": seen_from_there(manifest.path), "stores": stores, "embedders": embedders}
    file = folder / INPUTS_FILE
    if not file.exists() or "clips_sha256" in read_json(file):  # else nobody knows what it was trained on
        facts["clips_sha256"] = manifest.digest()
    write_json(file, facts | more)

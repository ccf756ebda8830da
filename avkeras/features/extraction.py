"""Features of a manifest's clips on disk, for either system: what `avkeras extract` does."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.data.manifest import read_manifest
from avkeras.errors import AvkerasError
from avkeras.features.extract import Summary, extract
from avkeras.features.extract_detection import extract_detection
from avkeras.features.log_mel import LOG_MEL
from avkeras.features.write_clips import write_extraction
from avkeras.media.decoding_process import PATIENCE
from avkeras.saved_models.runtimes import with_runtime

if TYPE_CHECKING:
    from avkeras.features.embedders import Embedder


@dataclass
class Extraction:
    """What one pass over the clips made.

    Args:
        title: of the pass.
        stores: folder of each input's store.
        summary: of the clips.
        table: file with a row for every clip that was padded, cut, lacks something or failed.
        stand_ins: embedders that only stand in for pretrained ones.
    """

    title: str
    stores: dict[str, Path]
    summary: Summary
    table: Path
    stand_ins: list[str]


def extract_manifest(
    path: str | Path,
    *,
    embedders: Sequence[str] = (),
    encoders: Sequence[str] = (),
    out: str | Path | None = None,
    detection: bool = False,
    visual_frames: int = 64,
    workers: int | None = None,
    cluster: str | None = None,
    patience: float = PATIENCE,
    retry: bool = False,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
) -> list[Extraction]:
    """Extracts the features of all clips; a second call does only what is left.

    A media file that is missing counts as one that cannot be used: its clip fails, the others are done.

    Args:
        path: the manifest.
        embedders: names, TF Hub handles or folders. One of sound (and one of pictures) gives the embeddings of the
            2019 system.
        encoders: `log_mel` and names as in `embedders`, of sound or of pictures: what a model of the 2022 system with
            these encoders takes.
        out: folder of the stores; default: `records` beside the manifest, where the recipes look for them.
        detection: also the log-mel spectrograms and the still images' embeddings of the 2022 system, by all
            embedders of pictures.
        visual_frames: still images per 10 s for the 2022 system.
        workers: clips decoded at a time; default: the cores that this process may use, or those of the cluster.
        cluster: address of a Ray cluster that does the work; None: this machine. The stores hold the same.
        patience: seconds for which nothing may come of decoding a file (10 s of sound, 16 pictures) before it is given
            up, like one that is damaged.
        retry: whether clips that failed before are tried again.
        progress: called with the name of a pass, returns what is called with (done, in all).

    Returns:
        An `Extraction` per pass.

    Raises:
        AvkerasError: a bad manifest or argument, or an embedder that cannot be had.
        ClusterLost: the cluster is gone; what was written stays, and the rest is left for the next call.
    """
    if workers is not None and workers < 1:
        raise AvkerasError(f"workers {workers}: at least 1 is wanted")
    if not patience > 0:
        raise AvkerasError(f"patience {patience}: a number of seconds above 0 is wanted")
    if visual_frames < 1:
        raise AvkerasError(f"visual_frames {visual_frames}: at least 1 is wanted")
    step = progress or (lambda name: None)
    # Another machine has another working folder.
    manifest = read_manifest(Path(path).resolve() if cluster else path, check_files=False)
    folder = manifest.path.parent / "records" if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AvkerasError(f"{folder}: cannot be made ({error.strerror}); give another folder (out)") from error
    if not embedders and not encoders:
        raise AvkerasError("embedders: none is named; name some, or encoders")
    if encoders and detection:
        raise AvkerasError("detection: encoders are that already; give one of them")
    audio, visual = _load(embedders, detection)
    passed = _load_encoders(encoders) if encoders else visual if detection else None
    if cluster is None:
        options = {"workers": workers or len(os.sched_getaffinity(0)), "patience": patience, "retry_errors": retry}
        return list(_passes(manifest, folder, audio, visual, passed, visual_frames, step, options))
    from avkeras.features.cluster import ClusterPool

    with ClusterPool(cluster) as pool:
        options = {"workers": workers or pool.workers, "pool": pool, "patience": patience, "retry_errors": retry}
        return list(_passes(manifest, folder, audio, visual, passed, visual_frames, step, options))


def _passes(manifest, folder, audio, visual, encoders, visual_frames, step, options) -> Iterator[Extraction]:
    if audio:
        title = "embeddings"
        video = next(iter(visual), None)
        found = extract(
            manifest.clips, folder, audio_embedder=audio[0], video_embedder=video, progress=step(title), **options
        )
        yield _extraction(title, found, folder / "extraction.csv", [*audio, *visual])
    if encoders is not None:
        title = "spectrograms and still images"
        found = extract_detection(
            manifest.clips,
            folder,
            embedders={embedder.spec.name: embedder for embedder in encoders},
            visual_frames=visual_frames,
            progress=step(title),
            **options,
        )
        yield _extraction(title, found, folder / "extraction_detection.csv", encoders)


def _load(names: Sequence[str], detection: bool) -> tuple[list["Embedder"], list["Embedder"]]:
    """Loads embedders of sound and of pictures, and refuses more or fewer than the passes take."""
    loaded = _loaded(names)
    audio = [embedder for embedder in loaded if embedder.spec.modality == "audio"]
    visual = [embedder for embedder in loaded if embedder.spec.modality == "video"]
    if len({embedder.spec.name for embedder in loaded}) < len(loaded):
        raise AvkerasError(f"embedders: {' '.join(names)} names an embedder twice")
    if names and not audio and not detection:
        raise AvkerasError(
            f"embedders: with {' '.join(names)} name one of sound too, or ask for spectrograms and pictures (detection)"
        )
    if len(audio) > 1 or (audio and len(visual) > 1):
        raise AvkerasError(
            f"embedders: {' '.join(names)} are no pair, one of sound and one of pictures; extract other pairs apart"
        )
    return audio, visual


def _loaded(names: Sequence[str]) -> list["Embedder"]:
    from avkeras.features.embedders import load_embedder

    return with_runtime(lambda runtime: [load_embedder(name, runtime=runtime) for name in names], None)


def _load_encoders(names: Sequence[str]) -> list["Embedder"]:
    if list(names).count(LOG_MEL) != 1:
        raise AvkerasError(f"encoders: {' '.join(names)}: {LOG_MEL} is needed once")
    loaded = _loaded([name for name in names if name != LOG_MEL])
    if len({embedder.spec.name for embedder in loaded}) < len(loaded):
        raise AvkerasError(f"encoders: {' '.join(names)} names an embedder twice")
    return loaded


def _extraction(title: str, found, table: Path, embedders: Sequence["Embedder"]) -> Extraction:
    stores, summary = found
    write_extraction(table, summary)
    return Extraction(title, stores, summary, table, [e.spec.name for e in embedders if e.spec.stand_in])

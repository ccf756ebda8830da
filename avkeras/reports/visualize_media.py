"""`avkeras visualize`: what a model attends to, or which events it finds, in a media file, as pictures and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError

if TYPE_CHECKING:
    from avkeras.features.embedders import Embedder

FORMATS = ("png", "svg", "html")


def visualize(
    media: Path, *, model: Path, out: Path, query: int | None = None, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Draw a media file as a model sees and hears it (2019, figures 4 to 7; 2022: event roll and encoder weights).

    Of a tagging model the cross-modal attention of the last decoder block is drawn, to `MEDIA.attention.png` and so
    on; of a detection model the events and the weight that each encoder got, to `MEDIA.events.png` and so on. The
    `html` page is one file that needs nothing else, with the clip in it.

    Args:
        media: a file with sound, and perhaps pictures.
        model: the folder of one system of a tagging run, or the `saved_model` in it; or the folder of a detection run.
        out: the folder to write to; made if need be.
        query: tagging: the query frame, from 0, which the pictures show and the page begins with; default: the frame
            in which the clip's most probable class is most probable.
        formats: which of `png`, `svg` and `html` to write.

    Returns:
        The files, in the order of `formats`.

    Raises:
        MediaError: the file cannot be used.
        AvkerasError: the model tells no attention, an embedder cannot be had, or there is no such query or format.
    """
    from avkeras.serving.predict_events import is_detection_model

    media, model, out = Path(media), Path(model), Path(out)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise AvkerasError(f"formats: '{unknown[0]}' is none of {', '.join(FORMATS)}")
    if not is_detection_model(model):
        return _visualize_attention(media, _system_folder(model), out, query, formats)
    if query is not None:
        raise AvkerasError(f"query: {model} is a detection model, whose picture has no query frame; leave it out")
    return _visualize_events(media, model, out, formats)


def _visualize_attention(media: Path, folder: Path, out: Path, query: int | None, formats) -> list[Path]:
    import keras

    from avkeras.reports.clip_pages import attention_page
    from avkeras.reports.visualize import draw_clip_attention
    from avkeras.serving.clip_attention import read_attention
    from avkeras.serving.predict import load_predictor

    predictor = load_predictor(folder / "saved_model", embedders=_run_embedders(folder))
    found = read_attention(
        keras.saving.load_model(folder / "model.keras", compile=False),
        audio=media,
        video=media if "video" in predictor.dims else None,
        audio_embedder=predictor.embedders["audio"],
        video_embedder=predictor.embedders.get("video"),
        frames=predictor.frames,
    )
    query = found.best_query if query is None else query
    found.window_of(query)  # before anything is written
    named = {"classes": predictor.classes, "threshold": predictor.threshold}
    files = []
    for name in formats:
        file = out / f"{media.name}.attention.{name}"
        if name == "html":
            files.append(attention_page(file, found, media=media, query=query, system=folder.name, **named))
        else:
            files.append(draw_clip_attention(file, found, query=query, title=media.name))
    return files


def _visualize_events(media: Path, folder: Path, out: Path, formats) -> list[Path]:
    from avkeras.reports.clip_pages import event_page
    from avkeras.reports.event_roll import event_roll_figure
    from avkeras.serving.predict_events import load_event_predictor

    prediction = load_event_predictor(folder).predict(media)
    return [
        (event_page if name == "html" else event_roll_figure)(out / f"{media.name}.events.{name}", prediction)
        for name in formats
    ]


def _system_folder(model: Path) -> Path:
    """Returns the folder that holds both `model.keras` and `saved_model` of a tagging system."""
    folder = model.parent if (model / "saved_model.pb").is_file() else model
    if systems := sorted(path.parent.name for path in folder.glob("*/model.keras")):
        raise AvkerasError(f"{model}: is a whole run; name one of its systems: {', '.join(systems)}")
    for name in ("model.keras", "saved_model"):
        if not (folder / name).exists():
            raise AvkerasError(
                f"{model}: there is no {name} in {folder}; give the folder of a system of a tagging run, which holds "
                "model.keras and saved_model, or the folder of a detection run"
            )
    return folder


def _run_embedders(folder: Path) -> Mapping[str, Embedder]:
    """Returns the embedders that the run's values name by their folder; those known by name are found without."""
    from avkeras.features.embedders import load_embedder
    from avkeras.serving.export import read_description

    description = read_description(folder / "saved_model")
    config = folder.parent / "config.json"
    if description["bundled"] or not config.is_file():
        return {}
    named = zip(("audio", "video"), json.loads(config.read_text(encoding="utf-8"))["embedders"], strict=True)
    return {
        modality: load_embedder(name, modality=modality)
        for modality, name in named
        if modality in description["embedders"] and Path(name).is_dir()
    }

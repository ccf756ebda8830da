"""`avkeras visualize`: what a model attends to, or which events it finds, in a media file, as pictures and a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.errors import AvkerasError
from avkeras.serving.trained_embedders import Given

if TYPE_CHECKING:
    from avkeras.serving.predictor import Predictor

FORMATS = ("png", "svg", "html")


def visualize(
    media: str | Path,
    *,
    model: str | Path,
    out: str | Path,
    query: int | None = None,
    formats: Sequence[str] = FORMATS,
    embedders: Given = (),
) -> list[Path]:
    """Draw a media file as a model sees and hears it (2019, figures 4 to 7; 2022: event roll and encoder weights).

    Of a tagging model the cross-modal attention of the last decoder block is drawn, to `MEDIA.attention.png` and so
    on; of a detection model the events and the weight that each encoder got, to `MEDIA.events.png` and so on. The
    `html` page is one file that needs nothing else, with the clip in it.

    Args:
        media: a file with sound, and perhaps pictures.
        model: as for `avkeras.load`; of a tagging model the folder of a run or of a system, as attention needs the
            Keras model.
        out: the folder to write to; made if need be.
        query: tagging: the query frame, from 0, which the pictures show and the page begins with; default: the frame
            in which the clip's most probable class is most probable.
        formats: which of `png`, `svg` and `html` to write.
        embedders: as for `avkeras.load`.

    Returns:
        The files, in the order of `formats`.

    Raises:
        MediaError: the file cannot be used.
        AvkerasError: the model tells no attention, an embedder cannot be had, or there is no such query or format.
    """
    from avkeras.serving.predictor import load

    media, model, out = Path(media), Path(model), Path(out)
    if unknown := [name for name in formats if name not in FORMATS]:
        raise AvkerasError(f"formats: '{unknown[0]}' is none of {', '.join(FORMATS)}")
    if model.name == "saved_model" and (model.parent / "model.keras").is_file():
        model = model.parent
    predictor = load(model, embedders=embedders)
    if predictor.kind == "tagging":
        return _visualize_attention(media, predictor, out, query, formats)
    if query is not None:
        raise AvkerasError(f"query: {model} is a detection model, whose picture has no query frame; leave it out")
    return _visualize_events(media, predictor, out, formats)


def _visualize_attention(media: Path, predictor: Predictor, out: Path, query: int | None, formats) -> list[Path]:
    from avkeras.reports.clip_pages import attention_page
    from avkeras.reports.visualize import draw_clip_attention
    from avkeras.serving.clip_attention import read_attention
    from avkeras.serving.trained_model import load_keras

    answer = predictor.answer
    if answer.front_end:
        raise AvkerasError(f"{predictor.folder}: its model has no cross-modal attention that could be drawn")
    found = read_attention(
        predictor.model.keras or load_keras(predictor.folder),
        audio=media,
        video=media if "video" in answer.dims else None,
        audio_embedder=predictor.embedders["audio"],
        video_embedder=predictor.embedders.get("video"),
        frames=answer.frames,
    )
    query = found.best_query if query is None else query
    found.window_of(query)  # before anything is written
    named = {"classes": predictor.classes, "threshold": answer.threshold, "system": predictor.folder.name}
    files = []
    for name in formats:
        file = out / f"{media.name}.attention.{name}"
        if name == "html":
            files.append(attention_page(file, found, media=media, query=query, **named))
        else:
            files.append(draw_clip_attention(file, found, query=query, title=media.name))
    return files


def _visualize_events(media: Path, predictor: Predictor, out: Path, formats) -> list[Path]:
    from avkeras.reports.clip_pages import event_page
    from avkeras.reports.event_roll import event_roll_figure

    prediction = predictor.predict(media)
    return [
        (event_page if name == "html" else event_roll_figure)(out / f"{media.name}.events.{name}", prediction)
        for name in formats
    ]

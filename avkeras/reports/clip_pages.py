"""Pages on which a person plays a clip and sees what a model attends to, or which events it finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from avkeras.reports.drawing import as_picture, log_mel, sound_slice
from avkeras.reports.event_roll import still_images
from avkeras.reports.page import write_page
from avkeras.reports.playable import data_uri, picture_uri, playable_copy

if TYPE_CHECKING:
    from avkeras.serving.clip_attention import ClipAttention
    from avkeras.serving.prediction import EventPrediction

_MOST_COLUMNS = 8000  # that browsers show of one picture


def attention_page(
    path: str | Path,
    found: ClipAttention,
    *,
    media: str | Path,
    classes: Sequence[str],
    threshold: float | Sequence[float],
    query: int,
    system: str = "",
) -> Path:
    """Write the page of a clip's cross-modal attention (2019, figures 4 to 7), one file with the clip in it.

    Args:
        path: the file to write.
        found: from `avkeras.serving.clip_attention.read_attention`.
        media: the clip, of which a small copy goes into the page.
        classes: class names.
        threshold: from which probability on a class counts as present; one, or one per class.
        query: the query frame that the page begins with.
        system: name of the model.

    Returns:
        The file.
    """
    spectrogram = log_mel(found.waveform)
    half = found.window / 2
    slices = [sound_slice(spectrogram, time - half, time + half) for time in found.times]
    pictures = None
    if found.pictures is not None:
        pictures = [
            picture_uri(picture) if seen else None for picture, seen in zip(found.pictures, found.seen, strict=True)
        ]
    thresholds = np.broadcast_to(threshold, (len(classes),))
    data = {
        "name": Path(media).name,
        "about": f"Model {system}: {found.second} asks (queries), {found.first} answers (keys); "
        f"{found.attention[0].shape[0]} heads. Attention and frame probabilities are those of the last epoch of the "
        "ensemble; the clip's probabilities are those of the whole.",
        "classes": classes,
        "threshold": float(np.mean(thresholds)),
        "thresholds": thresholds,
        "probabilities": _rounded(found.probabilities),
        "frameProbabilities": _rounded(found.frame_probabilities),
        "first": found.first,
        "second": found.second,
        "times": _rounded(found.times),
        "window": found.window,
        "windows": [
            {"start": start, "attention": _rounded(weights)}
            for start, weights in zip(found.starts, found.attention, strict=True)
        ],
        "query": query,
        "pictures": pictures,
        "slices": [picture_uri(as_picture(part, low=-70, high=0), lossless=True) for part in slices]
        if "audio" in (found.first, found.second)
        else [],
        "media": _media(found.waveform, media if found.pictures is not None else None),
        "notes": found.notes,
    }
    return write_page(path, "clip_attention", title=f"{data['name']}: attention", data=data)


def event_page(path: str | Path, prediction: EventPrediction, *, video: str | Path | None = None) -> Path:
    """Write the page of the events in a clip and of its encoders' weights (2022), one file with the clip in it.

    Args:
        path: the file to write.
        prediction: of a detection model, from `avkeras.load(...).predict`.
        video: the file with the pictures; default: the predicted file.

    Returns:
        The file.
    """
    from avkeras.media.audio import load_audio

    pictures, seen = still_images(video or prediction.path, prediction.duration)
    levels = prediction.log_mel.T[::-1]
    levels = levels[:, :: -(-levels.shape[1] // _MOST_COLUMNS)]
    heard = ", ".join(f"{name} ({prediction.probabilities[name]:.2f})" for name in prediction.labels)
    data = {
        "name": prediction.path.name,
        "about": f"In the whole clip: {heard or 'none of the classes'}.",
        "duration": prediction.duration,
        "classes": list(prediction.probabilities),
        "scores": _rounded(prediction.scores),
        "secondsPerVector": prediction.seconds_per_vector,
        "events": [event._asdict() for event in prediction.events],
        "weights": [
            {
                "start": place * prediction.window,
                "end": min((place + 1) * prediction.window, prediction.duration),
                "shares": shares,
            }
            for place, shares in enumerate(prediction.encoder_weights)
        ],
        "pictures": [picture_uri(picture) if there else None for picture, there in zip(pictures, seen, strict=True)],
        "spectrogram": picture_uri(as_picture(levels, low=levels.min(), high=levels.max()), lossless=True),
        "spectrogramSeconds": len(prediction.log_mel) * prediction.log_mel_hop,
        "media": _media(load_audio(prediction.path), (video or prediction.path) if seen.any() else None),
        "notes": prediction.notes,
    }
    return write_page(path, "clip_events", title=f"{data['name']}: events", data=data)


def _media(waveform: np.ndarray, video: str | Path | None) -> dict[str, str]:
    kind, copy = playable_copy(waveform, video)
    return {"kind": kind, "uri": data_uri(kind, copy)}


def _rounded(values: np.ndarray) -> list:
    return np.round(values.astype(np.float64), 4).tolist()

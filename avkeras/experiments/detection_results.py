"""The table of a detection run: tuned on validation, scored on parts of the test clips."""

from collections.abc import Sequence

import numpy as np

from avkeras.data.detection_set import DetectionSet
from avkeras.experiments.configs import SoundEventDetection
from avkeras.experiments.detection_files import write_predictions
from avkeras.experiments.detection_scores import score, tune
from avkeras.experiments.inputs import Features
from avkeras.experiments.postprocessing import score_postprocessing
from avkeras.runs.files import write_rows


def with_video(test: DetectionSet, features: Features) -> np.ndarray:
    """Returns which clips have video, `(clips,)`: by their features, or by the manifest where no model sees."""
    if features.with_video is None:
        return np.array([clip.video is not None for clip in test.clips], bool)
    return np.array([clip.id in features.with_video for clip in test.clips], bool)


def video_of(share: float) -> str:
    """Returns the name of the part of the test clips where a share of those with video keeps it.

    Example:
        >>> video_of(0.25)
        'video of 25 %'
    """
    return f"video of {100 * share:g} %"


def kept_videos(seen: np.ndarray, shares: Sequence[float]) -> dict[float, np.ndarray]:
    """Returns which clips keep their video by share, `(clips,)` boolean: the same in every run, more with each share.

    Args:
        seen: which clips have video.
        shares: of these clips, from 0 to 1.

    Example:
        >>> kept = kept_videos(np.array([True, False, True]), (0.5, 1.0))
        >>> [int(places.sum()) for places in kept.values()]
        [1, 2]
    """
    order = np.random.default_rng(0).permutation(np.flatnonzero(seen))
    kept = {share: np.zeros(len(seen), bool) for share in shares}
    for share, places in kept.items():
        places[order[: round(share * len(order))]] = True
    return kept


def _like(chosen: np.ndarray, values: np.ndarray) -> np.ndarray:
    return chosen.reshape(-1, *[1] * (values.ndim - 1))


def predict(
    student, clips: DetectionSet, values: SoundEventDetection, weight: float, *, without: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Returns the probabilities, at a weight of the audio encoder, with some inputs absent from every clip."""
    if not values.system:
        student.set_inference_weight(weight)

    def hide(inputs):
        return inputs | {f"{name}_mask": inputs[f"{name}_mask"] & False for name in without}

    return student.predict(clips.dataset(batch_size=sum(values.batch)).map(hide), verbose=0)


def tune_and_score(student, sets, values: SoundEventDetection, features: Features) -> list[dict]:
    """Returns the rows of the table; writes what validation chose and what is predicted for the test clips.

    What the 2022 paper's table 7 calls video ignored is the audio encoder's weight forced to 1, which is as if no clip
    had video; encoders of embedded sound keep their share. The paper does not say which thresholds and filters are used
    then: there is a row with those of the chosen weight, and one with those that are best on validation where video is
    ignored there too.
    """
    validation, test = sets["validation"], sets["test"]
    weights = values.weights if features.embedders and not values.system else (1.0,)
    tried = {weight: predict(student, validation, values, weight) for weight in weights}
    tuning = tune(validation, tried, decision=values.decision)
    predicted = predict(student, test, values, tuning.weight)
    seen = with_video(test, features)
    parts = {"all": np.ones(len(test), bool), "with video": seen, "without video": ~seen}
    rows = score(test, predicted, tuning, parts=parts)
    if values.postprocessing:
        frames = tried[tuning.weight]["frame"], test, predicted["frame"]
        others = score_postprocessing(values.postprocessing, validation, *frames, parts=parts)
        write_rows(values.out / "postprocessing.csv", others)
    if (visual := features.visual) and seen.any():
        weight = 1.0 if len(visual) == len(features.embedders) else tuning.weight
        ignored = predict(student, test, values, weight, without=visual)
        rows += score(test, ignored, tuning, parts={"with video, video ignored": seen})
        hidden = predict(student, validation, values, weight, without=visual)
        own = tune(validation, {weight: hidden}, decision=values.decision)
        rows += score(test, ignored, own, parts={"video ignored, own tuning": seen})
        own.write(values.out / "tuning_video_ignored.json")
        if not values.system:
            student.set_inference_weight(tuning.weight)
    if values.availability and seen.any():
        hidden = predict(student, test, values, tuning.weight, without=visual)
        for share, kept in kept_videos(seen, values.availability).items():
            mixed = {name: np.where(_like(kept, there), there, hidden[name]) for name, there in predicted.items()}
            rows += score(test, mixed, tuning, parts={video_of(share): seen})
    tuning.write(values.out / "tuning.json")
    write_predictions(test, predicted, tuning, values.out)
    return rows

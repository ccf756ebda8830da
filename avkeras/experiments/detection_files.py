"""What a detection run writes beside its scores: predictions in DCASE's form, and models."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from avkeras.data.detection_set import DetectionSet
from avkeras.experiments.detection_scores import Tuning
from avkeras.runs.files import file_name, whole_file, write_rows, write_text

if TYPE_CHECKING:
    from avkeras.training.mean_teacher import MeanTeacher


def write_predictions(test: DetectionSet, predicted, tuning: Tuning, folder: Path) -> None:
    """Writes what `avkeras evaluate` takes, and the clip probabilities."""
    from avkeras.evaluation.files import write_events
    from avkeras.evaluation.score_files import FrameScores, write_scores

    ids = tuple(clip.id for clip in test.clips)
    events = tuning.events(predicted["frame"], durations=test.durations)
    write_events(folder / "predictions.tsv", dict(zip(ids, events, strict=True)))
    write_events(folder / "ground_truth.tsv", dict(zip(ids, test.events, strict=True)))
    durations = [{"filename": id, "duration": seconds} for id, seconds in zip(ids, test.durations, strict=True)]
    write_rows(folder / "durations.tsv", durations, delimiter="\t")
    names = tuple(map(file_name, ids))
    write_scores(
        folder / "scores", FrameScores(names, test.classes, predicted["frame"], test.seconds_per_vector, test.durations)
    )
    probabilities = [
        {"id": id, **{name: f"{value:.6f}" for name, value in zip(test.classes, row, strict=True)}}
        for id, row in zip(ids, predicted["clip"], strict=True)
    ]
    write_rows(folder / "clip_probabilities.csv", probabilities)


def write_results(model: "MeanTeacher", classes: Sequence[str], rows, folder: Path) -> None:
    """Writes student and teacher, the classes, and the table of the results."""
    for name, trained in (("model.keras", model.student), ("teacher.keras", model.teacher)):
        with whole_file(folder / name) as partial:
            trained.save(partial)
    write_text(folder / "classes.txt", "\n".join(classes) + "\n")
    write_rows(folder / "results.csv", rows)

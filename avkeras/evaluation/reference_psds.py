"""PSDS by psds-eval itself: the reported value; `avkeras.evaluation.operating_points` gives the same, fast."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from avkeras.evaluation.metrics import ClipEvents, check_labels, labels_of
from avkeras.evaluation.psds import PsdsSettings


def reference_psds(
    ground_truth: ClipEvents,
    operating_points: Sequence[ClipEvents],
    *,
    classes: Sequence[str],
    durations: ArrayLike,
    settings: PsdsSettings,
) -> float:
    """PSDS by psds-eval, over operating points (usually 50 thresholds); classes without events are left out.

    Args:
        ground_truth: events of each clip; those of one class must not overlap.
        operating_points: for each operating point the predicted events of each clip.
        classes: class names.
        durations: lengths of the clips in seconds, `(clips,)`.
        settings: tolerances and weights, for instance `avkeras.evaluation.psds.PSDS1`.

    Raises:
        ValueError: events do not fit, or psds-eval refuses them.

    Example:
        >>> from avkeras.data.manifest import Event
        >>> from avkeras.evaluation.psds import PSDS1
        >>> truth = [[Event(0.0, 2.0, "Cat"), Event(3.0, 5.0, "Dog")]]
        >>> reference_psds(truth, [truth], classes=["Cat", "Dog"], durations=[10.0], settings=PSDS1)
        1.0
    """
    evaluator = _psds_eval(ground_truth, classes, durations, settings)
    with _quiet_psds_eval():
        for predictions in operating_points:
            check_labels(labels_of(ground_truth), labels_of(predictions), classes)
            evaluator.add_operating_point(_table(predictions))
        value = evaluator.psds(alpha_ct=settings.alpha_ct, alpha_st=settings.alpha_st, max_efpr=settings.max_efpr).value
    return float(value)


def _table(clips: ClipEvents):
    """Events as the table that psds-eval takes; a clip is named by its number."""
    import pandas

    rows = [(str(clip), *event) for clip, events in enumerate(clips) for event in events]
    table = pandas.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])
    return table.astype({"filename": object, "onset": float, "offset": float, "event_label": object})


def _psds_eval(ground_truth, classes, durations, settings):
    import pandas
    from psds_eval import PSDSEval

    check_labels(labels_of(ground_truth), labels_of(ground_truth), classes)
    durations = np.asarray(durations, np.float64)
    if len(durations) != len(ground_truth):
        raise ValueError(f"{len(durations)} durations for {len(ground_truth)} clips")
    metadata = pandas.DataFrame({"filename": [str(clip) for clip in range(len(durations))], "duration": durations})
    with _quiet_psds_eval():
        return PSDSEval(
            dtc_threshold=settings.dtc,
            gtc_threshold=settings.gtc,
            # It has no way to switch cross triggers off; their weight is 0 then
            cttc_threshold=0.3 if settings.cttc is None else settings.cttc,
            ground_truth=_table(ground_truth),
            metadata=metadata,
        )


@contextmanager
def _quiet_psds_eval() -> Iterator[None]:
    """Silence what psds-eval is known to warn of and what changes no result."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "DataFrame.fillna with 'method' is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "Conversion of an array with ndim > 0", DeprecationWarning)
        warnings.filterwarnings("ignore", "A similar operating point exists", UserWarning)
        yield

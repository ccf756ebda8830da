"""Random cases beside sed_eval, psds-eval and sed_scores_eval; `-m slow` runs the full number of 2,400.

One class and several, silent clips, events that touch, overlap, have no length, lie past the end of the clip, begin and
end on the frames' grid; scores with ties; predictions from scores, from the truth itself and none at all.
"""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import sed_scores_peer as peer

from avkeras.data.manifest import Event
from avkeras.evaluation.all_thresholds import detections_at_all_thresholds, frame_segments
from avkeras.evaluation.clip_counts import event_counts, intersection_counts, segment_counts
from avkeras.evaluation.exact_events import event_changes
from avkeras.evaluation.exact_psds import exact_psds, intersection_changes
from avkeras.evaluation.exact_segments import auroc, segment_changes
from avkeras.evaluation.operating_points import operating_points_of_events
from avkeras.evaluation.postprocess import decode_events
from avkeras.evaluation.psds import PSDS1, PSDS2, PsdsSettings, psds
from avkeras.evaluation.threshold_changes import average_precision, best_f1

CLASSES = ("Cat", "Dog", "Speech")
SEVERAL = PsdsSettings(dtc=0.5, gtc=0.5, cttc=0.3, alpha_ct=1.0, alpha_st=0.5, max_efpr=1000.0)


class Case:
    """A random data set; `apart` says what events of one class may do: "overlap", "touch" or neither ("gap")."""

    def __init__(self, seed, apart):
        self.random = np.random.default_rng([seed, len(apart)])
        random = self.random
        self.classes = CLASSES[: random.choice([1, 2, 3, 3])]
        self.durations = np.round(random.uniform(2.0, 6.0, random.integers(1, 6)), 2)
        self.hop = float(random.choice([0.1, 0.15625, 0.25, 0.3]))
        self.frames = int(np.ceil(self.durations.max() / self.hop))
        self.on_grid, self.apart = random.random() < 0.4, apart
        self.truth = [self.events(duration) for duration in self.durations]
        if not any(self.truth):
            self.truth[0] = (Event(0.0, 1.0, self.classes[0]),)
        scores = random.normal(-1.0, 1.5, (len(self.durations), self.frames, len(self.classes)))
        for clip, events in enumerate(self.truth):
            for event in events:
                first, last = int(event.onset / self.hop), int(event.offset / self.hop)
                scores[clip, first : last + 1, self.classes.index(event.label)] += random.uniform(0, 5)
        self.scores = 1 / (1 + np.exp(-scores))
        if random.random() < 0.5:
            self.scores = np.round(self.scores, 1)
        self.options = {"classes": self.classes, "seconds_per_frame": self.hop, "durations": self.durations}

    def events(self, duration):
        """Events of one clip, often none, the last of a class often past its end."""
        random, found = self.random, []
        for label in self.classes:
            time = random.uniform(0, 1)
            while random.random() < 0.6 and time < duration - 0.2:
                offset = time + random.choice([0.1, 0.2, 0.4, 1.0, 3.0]) * random.uniform(0.5, 1.5)
                if self.apart == "overlap" and random.random() < 0.1:
                    offset = time
                onset = time
                if self.on_grid:
                    onset, offset = (round(value / self.hop) * self.hop for value in (onset, offset))
                    offset = max(offset, onset + (0.0 if self.apart == "overlap" else self.hop))
                if onset < duration - 0.1:
                    found.append(Event(float(round(onset, 5)), float(round(offset, 5)), label))
                gaps = {"overlap": [-0.3, 0.0, 0.05, 0.3], "touch": [0.0, 0.0, 0.05, 0.5], "gap": [0.05, 0.3, 1.0]}
                time = max((found[-1].offset if found else offset) + random.choice(gaps[self.apart]), 0.0)
        return tuple(sorted(event for event in found if self.fits(event, found)))

    def fits(self, event, found):
        """Whether the rounded times still are what `apart` says."""
        if self.apart == "overlap":
            return True
        own = sorted(other for other in found if other.label == event.label)
        return all(
            one.offset <= other.onset if self.apart == "touch" else one.offset < other.onset
            for one, other in pairwise(own)
        )

    def predictions(self):
        """Events from scores, mostly; else a shaken truth, the truth itself, or none."""
        kind = self.random.random()
        if kind < 0.6:
            return decode_events(self.scores, thresholds=float(self.random.choice([0.3, 0.5, 0.7])), **self.options)
        if kind < 0.9:
            return [self.events(duration) for duration in self.durations]
        return list(self.truth) if kind < 0.97 else [()] * len(self.truth)


def as_dicts(events):
    return [{"onset": event.onset, "offset": event.offset, "event_label": event.label} for event in events]


def beside_sed_eval(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sed_eval.sound_event as reference
    case = Case(seed, "overlap")
    predictions = case.predictions()
    for metric, counts, substitutions in (
        (
            reference.EventBasedMetrics(
                event_label_list=list(case.classes),
                t_collar=0.2,
                percentage_of_length=0.2,
                event_matching_type="optimal",
            ),
            event_counts(case.truth, predictions, classes=case.classes),
            "Nsubs",
        ),
        (
            reference.SegmentBasedMetrics(event_label_list=list(case.classes), time_resolution=1.0),
            segment_counts(case.truth, predictions, classes=case.classes),
            "S",
        ),
    ):
        for true, claimed in zip(case.truth, predictions, strict=True):
            if true or claimed:
                metric.evaluate(as_dicts(true), as_dicts(claimed))
        for index, name in enumerate(case.classes):
            ours = [getattr(counts, column)[:, index].sum() for column in ("references", "predicted", "correct")]
            assert ours == [metric.class_wise[name][column] for column in ("Nref", "Nsys", "Ntp")], seed
        assert counts.substitutions.sum() == metric.overall[substitutions], seed


def beside_psds_eval(seed):
    pytest.importorskip("psds_eval", reason="psds-eval runs on numpy 1 and pandas 2 only")
    from avkeras.evaluation.reference_psds import reference_psds

    case = Case(seed, "touch")
    points = [case.predictions() for _ in range(2)]
    options = {"classes": case.classes, "durations": case.durations}
    present = {event.label for events in case.truth for event in events}
    if len(present) > 1:
        for settings in (PSDS2, SEVERAL):
            found = operating_points_of_events(points, case.truth, settings=settings, **options)
            expected = reference_psds(case.truth, points, settings=settings, **options)
            assert psds(found, settings) == pytest.approx(expected, abs=1e-9), seed
    # F1 of each class: with one class too
    from psds_eval import PSDSEval

    from avkeras.evaluation import reference_psds as module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = module._psds_eval(case.truth, case.classes, case.durations, PsdsSettings(cttc=0.3))
        assert isinstance(metric, PSDSEval)
        _, expected = metric.compute_macro_f_score(module._table(points[0]))
    f1 = dict(zip(case.classes, intersection_counts(case.truth, points[0], **options).class_f1(), strict=True))
    for name in present:
        # Where nothing is correct psds-eval divides 0 by 0
        assert f1[name] == pytest.approx(np.nan_to_num(expected[name]), abs=1e-12), seed


def beside_sed_scores_eval(seed):
    case = Case(seed, "gap")
    present = tuple(name for name in case.classes if any(e.label == name for events in case.truth for e in events))
    case.scores = case.scores[:, :, [case.classes.index(name) for name in present]]
    segments = frame_segments(
        case.scores,
        classes=present,
        seconds_per_frame=case.hop,
        durations=case.durations,
        filters=int(case.random.choice([1, 1, 3, 7])),
    )
    tables, events, seconds = peer.tables(segments, present), peer.events(case.truth), peer.seconds(case.durations)
    package, detections = peer.package(), detections_at_all_thresholds(segments)
    options = {"classes": present, "durations": case.durations}
    for settings in (PSDS1, PSDS2, SEVERAL):
        crossed = settings.alpha_ct and len(present) > 1
        tolerances = {"dtc": settings.dtc, "gtc": settings.gtc, "cttc": None}
        changes = intersection_changes(segments, case.truth, detections=detections, **tolerances, **options).changes
        if not all(len(change.threshold) for change in changes):
            continue  # nothing of a class is ever correct or false: sed_scores_eval fails by an IndexError
        expected, *_ = package.intersection_based.psds(
            tables,
            events,
            seconds,
            dtc_threshold=settings.dtc,
            gtc_threshold=settings.gtc,
            cttc_threshold=settings.cttc if crossed else None,
            alpha_ct=settings.alpha_ct if crossed else 0.0,
            alpha_st=settings.alpha_st,
            max_efpr=settings.max_efpr,
        )
        found = exact_psds(segments, case.truth, settings=settings, detections=detections, **options).score
        assert found == pytest.approx(expected, abs=1e-9), seed
    collars = {"onset_collar": 0.2, "offset_collar": 0.2, "offset_collar_rate": 0.2}
    expected, _, _, thresholds, _ = package.collar_based.best_fscore(tables, events, **collars)
    found = best_f1(event_changes(segments, case.truth, classes=present, detections=detections))
    assert found.per_class == pytest.approx({name: expected[name] for name in present}), seed
    assert found.macro == pytest.approx(expected["macro_average"]), seed
    # Of equally good thresholds it takes the one whose F1 is rounded up; their counts, and so the micro-average, differ
    if found.thresholds == {name: thresholds[name] for name in present}:
        assert found.micro == pytest.approx(expected["micro_average"]), seed
    active = segment_changes(segments, case.truth, **options)
    whole = {"audio_durations": seconds, "segment_length": 1.0}
    expected = package.segment_based.best_fscore(tables, events, **whole)[0]
    assert best_f1(active).per_class == pytest.approx({name: expected[name] for name in present}), seed
    expected = package.segment_based.average_precision(tables, events, **whole)[0]
    assert average_precision(active) == pytest.approx({name: expected[name] for name in present}), seed
    if (active.silent.sum(axis=0) > 0).all():  # else it divides 0 by 0
        for max_fpr in (1.0, 0.1):
            expected = package.segment_based.auroc(tables, events, **whole, max_fpr=max_fpr)[0]
            found = auroc(active, max_fpr=max_fpr)
            assert found == pytest.approx({name: expected[name] for name in present}), seed


@pytest.fixture(name="stable_sort")
def _stable_sort(monkeypatch):
    """sed_scores_eval sorts a ROC by the rate alone, so that steps of one rate may come in any order."""
    sort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda values, **options: sort(values, **{"kind": "stable", **options}))


BESIDE = {"sed_eval": beside_sed_eval, "psds_eval": beside_psds_eval, "sed_scores_eval": beside_sed_scores_eval}


@pytest.mark.parametrize(("tool", "number"), [("sed_eval", 150), ("psds_eval", 10), ("sed_scores_eval", 50)])
def test_some_random_cases(tool, number, stable_sort):
    for seed in range(number):
        BESIDE[tool](seed)


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "number"), [("sed_eval", 1200), ("psds_eval", 400), ("sed_scores_eval", 800)])
def test_all_random_cases(tool, number, stable_sort):
    for seed in range(1000, 1000 + number):
        BESIDE[tool](seed)


def test_the_random_cases_hold_what_they_should():
    cases = {apart: [Case(seed, apart) for seed in range(60)] for apart in ("overlap", "touch", "gap")}
    every = [case for some in cases.values() for case in some]
    assert {len(case.classes) for case in every} == {1, 2, 3}
    assert any(not events for case in every for events in case.truth)
    assert any(
        event.offset > duration
        for case in every
        for events, duration in zip(case.truth, case.durations, strict=True)
        for event in events
    )
    pairs = {
        apart: [
            other.onset - one.offset
            for case in some
            for events in case.truth
            for name in case.classes
            for one, other in pairwise([event for event in events if event.label == name])
        ]
        for apart, some in cases.items()
    }
    assert min(pairs["overlap"]) < 0 == min(pairs["touch"]) < min(pairs["gap"])

"""The figures of whole evaluations for the bootstrap: intervals of one, two systems beside each other."""

from avkeras.errors import AvkerasError
from avkeras.evaluation.bootstrap import RESAMPLES, Difference, Interval, bootstrap, compare, permutation_test
from avkeras.evaluation.evaluate import SCENARIOS, Evaluation, scenario_detections
from avkeras.evaluation.operating_points import changes_of_detections, changes_of_events
from avkeras.evaluation.resampled_figures import AurocFigure, BestF1Figure, F1Figure, Figure, PsdsFigure


def resampled_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Everything that an evaluation gives, as figures of resamples of its clips.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.

    Returns:
        F1 by `"clip"`, `"segment"`, `"event"` and `"intersection"`; and where there are scores or operating points the
        PSDS by name, `"segment_best"` and so on (F1 at the best thresholds), `"mAUC"` and `"mpAUC"`.
    """
    inputs, changes = evaluation.inputs, evaluation.changes
    figures: dict[str, Figure] = {kind: F1Figure(counts) for kind, counts in evaluation.counts.items()}
    options = {"durations": inputs.durations}
    if changes:
        for name, settings, _, detections in scenario_detections(inputs, evaluation.filters, evaluation.boxes):
            found = changes_of_detections(
                detections, inputs.merged, settings=settings, classes=inputs.scored, **options
            )
            figures[name] = PsdsFigure(found, settings)
        figures |= {f"{name}_all": PsdsFigure(changes[name], settings) for name, settings in SCENARIOS.items()}
        figures |= {f"{kind}_best": BestF1Figure(changes[kind]) for kind in ("segment", "event", "intersection")}
        figures |= {"mAUC": AurocFigure(changes["segment"]), "mpAUC": AurocFigure(changes["segment"], max_fpr=0.1)}
    elif evaluation.rocs:
        for name, settings in SCENARIOS.items():
            found = changes_of_events(
                inputs.points, inputs.merged, settings=settings, classes=inputs.classes, **options
            )
            figures[name] = PsdsFigure(found, settings)
    return figures


def intervals(evaluation: Evaluation, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, dict[str, Interval]]:
    """95 % intervals of every figure by the bootstrap over clips.

    Args:
        evaluation: from `avkeras.evaluation.evaluate.evaluate`.
        resamples: number of resamples.
        seed: of the draws.

    Returns:
        For each name of `resampled_figures` the averages and the classes.
    """
    return bootstrap(resampled_figures(evaluation), resamples=resamples, seed=seed)


def compare_systems(
    first: Evaluation, second: Evaluation, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[dict[str, dict[str, Difference]], dict[str, dict[str, float]]]:
    """Two systems on the same clips: paired bootstrap of every figure and, of F1, a permutation test.

    Args:
        first: evaluation of the first system.
        second: of the second.
        resamples: of the bootstrap, and permutations.
        seed: of the draws.

    Returns:
        The differences, by the names of `resampled_figures`, and the permutation test's p-values of the F1 figures.

    Raises:
        AvkerasError: the systems were not scored on the same clips and classes.
    """
    if first.inputs.names != second.inputs.names:
        odd = sorted(set(first.inputs.names) ^ set(second.inputs.names))
        one = f" ({odd[0]} in one only)" if odd else ""
        raise AvkerasError(f"the systems were not scored on the same clips{one}: list all clips with their durations")
    if first.inputs.classes != second.inputs.classes:
        raise AvkerasError("the systems were scored on other classes: name them for both")
    differences = compare(resampled_figures(first), resampled_figures(second), resamples=resamples, seed=seed)
    tests = {
        kind: permutation_test(counts, second.counts[kind], permutations=resamples, seed=seed)
        for kind, counts in first.counts.items()
    }
    return differences, tests

"""Scores and events as sed_scores_eval takes them, for tests that compare with it."""

import warnings

import numpy as np
import pandas
import pytest


def package():
    """sed_scores_eval, imported without the warnings of its old dependencies; where it does not run, a skip."""
    if int(pandas.__version__.split(".")[0]) >= 3:
        pytest.skip("sed_scores_eval runs on pandas 2 only: it writes to arrays that pandas 3 gives to read")
    pytest.importorskip("sed_scores_eval", reason="it is the extra `references`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sed_scores_eval
    return sed_scores_eval


def tables(segments, classes):
    """A table of scores for each clip of `SegmentScores`."""
    create_score_dataframe = package().base_modules.scores.create_score_dataframe
    found = {}
    for clip in range(segments.clips):
        own = segments.clip == clip
        times = np.append(segments.onset[own], segments.offset[own][-1])
        found[f"{clip:05d}"] = create_score_dataframe(segments.scores[own], times, list(classes))
    return found


def events(truth):
    """The events of each clip."""
    return {f"{clip:05d}": [tuple(event) for event in own] for clip, own in enumerate(truth)}


def seconds(durations):
    """The length of each clip."""
    return {f"{clip:05d}": float(duration) for clip, duration in enumerate(durations)}

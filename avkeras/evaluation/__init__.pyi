from .automatic_thresholds import (
    ascend_thresholds as ascend_thresholds,
    automatic_class_thresholds as automatic_class_thresholds,
)
from .clip_probabilities import (
    labels_of_probabilities as labels_of_probabilities,
    read_clip_probabilities as read_clip_probabilities,
)
from .decisions import Decision as Decision, choose_decision as choose_decision
from .evaluate import Evaluation as Evaluation, evaluate as evaluate
from .files import (
    read_durations as read_durations,
    read_events as read_events,
    read_operating_points as read_operating_points,
    write_events as write_events,
)
from .metrics import (
    F1Report as F1Report,
    clip_f1 as clip_f1,
    event_f1 as event_f1,
    intersection_f1 as intersection_f1,
    segment_f1 as segment_f1,
)
from .operating_points import (
    best_psds_filters as best_psds_filters,
    operating_points as operating_points,
    operating_points_of_detections as operating_points_of_detections,
    operating_points_of_events as operating_points_of_events,
)
from .postprocess import decode_events as decode_events, frame_times as frame_times, median_filter as median_filter
from .psds import OperatingPoints as OperatingPoints, PsdsSettings as PsdsSettings, psd_roc as psd_roc, psds as psds
from .score_files import (
    ClipScores as ClipScores,
    FrameScores as FrameScores,
    load_scores as load_scores,
    read_scores as read_scores,
    write_scores as write_scores,
)
from .search import SearchResult as SearchResult, search_settings as search_settings
from .thresholds import (
    best_class_thresholds as best_class_thresholds,
    best_global_threshold as best_global_threshold,
    micro_f1 as micro_f1,
)

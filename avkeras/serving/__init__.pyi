from .clip_attention import ClipAttention as ClipAttention, read_attention as read_attention
from .export_detection import export_detection_model as export_detection_model
from .export_run import export as export
from .export_tagging import export_model as export_model, read_description as read_description
from .prediction import EventPrediction as EventPrediction, Prediction as Prediction, Window as Window
from .predictor import Predictor as Predictor, load as load
from .tagger_scores import TaggerScores as TaggerScores, score_tagger as score_tagger

from .export import export_model as export_model, read_description as read_description
from .export_detection import export_detection_model as export_detection_model
from .export_run import export_run as export_run
from .predict import Predictor as Predictor, load_predictor as load_predictor
from .predict_events import EventPredictor as EventPredictor, load_event_predictor as load_event_predictor

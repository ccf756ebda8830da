from .detection import run_sound_event_detection as run_sound_event_detection
from .detection_scores import Tuning as Tuning, score as score, tune as tune
from .detection_values import SoundEventDetection as SoundEventDetection
from .tagging import run_audio_tagging as run_audio_tagging
from .tagging_values import AudioTagging as AudioTagging

from .configs import AudioTagging as AudioTagging, SoundEventDetection as SoundEventDetection
from .detection import run_sound_event_detection as run_sound_event_detection
from .detection_scores import Tuning as Tuning, score as score, tune as tune
from .tagging import run_audio_tagging as run_audio_tagging

from .audio import iter_audio as iter_audio, load_audio as load_audio
from .media import MediaInfo as MediaInfo, probe as probe
from .media_files import media_files as media_files
from .video import iter_frames as iter_frames, load_frames as load_frames

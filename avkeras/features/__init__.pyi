from .embedder import Embedder as Embedder
from .embedder_specs import EmbedderSpec as EmbedderSpec
from .embedders import load_embedder as load_embedder
from .extract import embed_clip as embed_clip, extract as extract
from .extract_detection import extract_detection as extract_detection
from .front_end import FrontEnd as FrontEnd
from .log_mel import log_mel as log_mel
from .regions import write_regions as write_regions
from .saved_model import export_embedder as export_embedder, fingerprint as fingerprint

from .audiovisual_transformer import AudiovisualTransformer as AudiovisualTransformer
from .ensemble import ensemble as ensemble
from .multi_encoder import AudioRequired as AudioRequired, MultiEncoder as MultiEncoder
from .sequence_model import SequenceModel as SequenceModel

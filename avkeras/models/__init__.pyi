from .audiovisual_transformer import AudiovisualTransformer as AudiovisualTransformer
from .ensemble import ensemble as ensemble
from .multi_encoder import MultiEncoder as MultiEncoder
from .sequence_model import AudioRequired as AudioRequired, SequenceModel as SequenceModel

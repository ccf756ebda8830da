from .attention import MultiHeadAttention as MultiHeadAttention, attention_weights as attention_weights
from .batch_norm import MaskedBatchNormalization as MaskedBatchNormalization
from .class_token import ClassToken as ClassToken
from .conformer import ConformerDecoderBlock as ConformerDecoderBlock, ConformerEncoderBlock as ConformerEncoderBlock
from .conv_frontend import ConvFrontend as ConvFrontend
from .convolution_module import ConvolutionModule as ConvolutionModule
from .dropout import Dropout as Dropout
from .feed_forward import FeedForward as FeedForward
from .fusion import MultiEncoderAttention as MultiEncoderAttention
from .length_limit import LengthLimit as LengthLimit
from .masking import Aggregation as Aggregation, CleanInput as CleanInput, StandIn as StandIn
from .positions import LearnedPositions as LearnedPositions, SinusoidalPositions as SinusoidalPositions
from .relative_attention import (
    RelativeMultiEncoderAttention as RelativeMultiEncoderAttention,
    RelativeMultiHeadAttention as RelativeMultiHeadAttention,
)
from .standardization import PerBandStandardization as PerBandStandardization
from .stream_weights import StreamWeights as StreamWeights
from .transformer import (
    TransformerDecoderBlock as TransformerDecoderBlock,
    TransformerEncoderBlock as TransformerEncoderBlock,
)

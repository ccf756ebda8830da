from .attention import MultiHeadAttention as MultiHeadAttention, attention_weights as attention_weights
from .attention_pooling import AttentionPooling as AttentionPooling
from .batch_norm import MaskedBatchNormalization as MaskedBatchNormalization
from .capsules import (
    CapsuleLength as CapsuleLength,
    CapsuleRouting as CapsuleRouting,
    PrimaryCapsules as PrimaryCapsules,
    squash as squash,
)
from .class_token import ClassToken as ClassToken
from .conformer import ConformerDecoderBlock as ConformerDecoderBlock, ConformerEncoderBlock as ConformerEncoderBlock
from .conv_frontend import ConvFrontend as ConvFrontend
from .convolution_module import ConvolutionModule as ConvolutionModule
from .dense import Dense as Dense
from .dropout import Dropout as Dropout
from .feed_forward import FeedForward as FeedForward
from .fusion import MultiEncoderAttention as MultiEncoderAttention
from .gated_convolution import GatedConvolution as GatedConvolution
from .instances import InstancePooling as InstancePooling, SplitRegions as SplitRegions
from .layer_norm import LayerNormalization as LayerNormalization
from .length_limit import LengthLimit as LengthLimit
from .masking import Aggregation as Aggregation, CleanInput as CleanInput, StandIn as StandIn
from .nearest_frames import NearestFrames as NearestFrames
from .noisy_levels import NoisyLevels as NoisyLevels
from .pair_mixup import PairMixup as PairMixup
from .positions import LearnedPositions as LearnedPositions, SinusoidalPositions as SinusoidalPositions
from .relative_attention import (
    RelativeMultiEncoderAttention as RelativeMultiEncoderAttention,
    RelativeMultiHeadAttention as RelativeMultiHeadAttention,
    SinusoidalRelativeAttention as SinusoidalRelativeAttention,
)
from .spec_augment import SpecAugment as SpecAugment
from .standardization import ClipMinMax as ClipMinMax, PerBandStandardization as PerBandStandardization
from .stream_weights import StreamWeights as StreamWeights
from .transformer import (
    TransformerDecoderBlock as TransformerDecoderBlock,
    TransformerEncoderBlock as TransformerEncoderBlock,
)

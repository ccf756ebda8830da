from .audioset import (
    audioset_classes as audioset_classes,
    audioset_mids as audioset_mids,
    yamnet_classes as yamnet_classes,
)
from .class_maps import ClassMap as ClassMap, class_map as class_map, find_class_map as find_class_map
from .clip_set import ClipSet as ClipSet
from .detection_set import DetectionSet as DetectionSet
from .labels import clip_targets as clip_targets, frame_mask as frame_mask, frame_targets as frame_targets
from .manifest import (
    Clip as Clip,
    Event as Event,
    Manifest as Manifest,
    read_manifest as read_manifest,
    write_manifest as write_manifest,
)
from .mixup import mixup as mixup
from .pair_mixup import pair_mixup as pair_mixup
from .records import RecordReader as RecordReader, RecordWriter as RecordWriter
from .sampling import BalancedSampler as BalancedSampler
from .streams import StreamSampler as StreamSampler, stream_dataset as stream_dataset
from .time_shift import time_shift as time_shift

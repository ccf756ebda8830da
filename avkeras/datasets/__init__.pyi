from . import (
    audioset as audioset,
    dcase2017 as dcase2017,
    dcase2018 as dcase2018,
    dcase2020 as dcase2020,
    vggsounder as vggsounder,
)
from .demo import make_demo as make_demo
from .demo_data import demo_manifest as demo_manifest
from .fetch import fetch as fetch
from .status import status as status

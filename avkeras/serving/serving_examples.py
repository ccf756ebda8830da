"""How to serve an exported model with TF Serving and ask it, by REST and by gRPC: text for its model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from avkeras.serving.warm_up import example_shapes

IMAGE = "tensorflow/serving:2.16.1"
NAME = "avkeras"
REST_PORT, GRPC_PORT = 8501, 8500
_SIGNATURE = "serving_default"


def serving_examples(signatures: Mapping[str, Any], *, lengths: Mapping[str, int], warm_up: bool) -> str:
    """Returns a docker line and Python programs that ask `serving_default` about one clip, in Markdown.

    Args:
        signatures: of the SavedModel.
        lengths: frames per input of a usual clip; default: 10.
        warm_up: whether the folder holds warm-up requests.
    """
    specs = signatures[_SIGNATURE].structured_input_signature[1]
    outputs = list(signatures[_SIGNATURE].structured_outputs)
    warmed = (
        "It answers the warm-up requests of this folder before it takes others."
        if warm_up
        else "This folder holds no warm-up requests: the first answer takes longer."
    )
    return f"""From the folder of this SavedModel (the one with `saved_model.pb`):

```sh
docker run --rm -p {GRPC_PORT}:{GRPC_PORT} -p {REST_PORT}:{REST_PORT} -e MODEL_NAME={NAME} \\
    --mount type=bind,source="$PWD",target=/models/{NAME}/1 {IMAGE}
curl http://localhost:{REST_PORT}/v1/models/{NAME}
```

{warmed} Nothing here asks who calls: keep the ports to yourself.

A clip; put its features in place of the zeros:

```python
import numpy as np

{_inputs(specs, lengths)}
```

By REST, with Python alone:

```python
import json
from urllib.request import urlopen

instance = {{name: array[0].tolist() for name, array in inputs.items()}}
body = json.dumps({{"signature_name": "{_SIGNATURE}", "instances": [instance]}}).encode()
with urlopen("http://localhost:{REST_PORT}/v1/models/{NAME}:predict", body) as response:
    prediction = json.load(response)["predictions"][0]
{_rest_outputs(outputs)}
```

By gRPC (`pip install "tensorflow-serving-api>=2.16,<2.17"`):

```python
import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

request = predict_pb2.PredictRequest()
request.model_spec.name = "{NAME}"
request.model_spec.signature_name = "{_SIGNATURE}"
for name, array in inputs.items():
    request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
with grpc.insecure_channel("localhost:{GRPC_PORT}") as channel:
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
{_lines(f'{name} = tf.make_ndarray(response.outputs["{name}"])[0]' for name in outputs)}
```"""


def _lines(lines) -> str:
    return "\n".join(lines)


def _inputs(specs: Mapping[str, Any], lengths: Mapping[str, int]) -> str:
    rows = ["inputs = {"]
    for name, shape in example_shapes(specs, lengths=lengths).items():
        of = "ones" if specs[name].dtype.is_bool else "zeros"
        comment = "  # true where a frame is real" if of == "ones" else ""
        rows.append(f'    "{name}": np.{of}({shape}, "{specs[name].dtype.name}"),{comment}')
    return _lines([*rows, "}"])


def _rest_outputs(outputs: list[str]) -> str:
    if len(outputs) == 1:  # TF Serving leaves the name of an only output out
        return f"{outputs[0]} = np.array(prediction)"
    return _lines(f'{name} = np.array(prediction["{name}"])' for name in outputs)

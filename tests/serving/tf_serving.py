"""A model server on loopback with TF Serving's two interfaces, which answers from a SavedModel."""

import json
import threading
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


@contextmanager
def serving(loaded, *, name="avkeras"):
    """Serves a loaded SavedModel under a name; gives the ports of REST and of gRPC."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Grpc(loaded, name), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    rest = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Rest,), {"loaded": loaded, "name": name}))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    try:
        yield rest.server_address[1], grpc_port
    finally:
        rest.shutdown()
        rest.server_close()
        server.stop(None).wait()


def answer(loaded, request):
    """Answers a PredictRequest; raises ValueError if an input is missing, unknown or of another type or shape."""
    signature = loaded.signatures[request.model_spec.signature_name or "serving_default"]
    inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
    response = predict_pb2.PredictResponse()
    for name, value in _run(signature, inputs).items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return response


def _run(signature, inputs):
    specs = signature.structured_input_signature[1]
    if inputs.keys() != specs.keys():
        raise ValueError(f"inputs {sorted(inputs)}, the signature takes {sorted(specs)}")
    for name, array in inputs.items():
        if array.dtype != specs[name].dtype or not specs[name].shape.is_compatible_with(array.shape):
            raise ValueError(f"{name} is {array.dtype} {array.shape}, the signature takes {specs[name]}")
    return {name: value.numpy() for name, value in signature(**{k: tf.constant(v) for k, v in inputs.items()}).items()}


class _Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, loaded, name):
        self.loaded, self.name = loaded, name

    def Predict(self, request, context):
        if request.model_spec.name != self.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
        try:
            return answer(self.loaded, request)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


class _Rest(BaseHTTPRequestHandler):
    """The REST interface: row format (`instances`) and columnar format (`inputs`)."""

    def log_message(self, *_):
        pass

    def _reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        found = self.path == f"/v1/models/{self.name}"
        versions = [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
        self._reply(200 if found else 404, {"model_version_status": versions} if found else {"error": "not found"})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != f"/v1/models/{self.name}:predict":
            self._reply(404, {"error": "not found"})
            return
        try:
            self._reply(200, self._predict(request))
        except (ValueError, KeyError) as error:
            self._reply(400, {"error": str(error)})

    def _predict(self, request):
        signature = self.loaded.signatures[request.get("signature_name", "serving_default")]
        specs = signature.structured_input_signature[1]
        rows = "instances" in request
        if rows:
            names = request["instances"][0]
            columns = {name: [instance[name] for instance in request["instances"]] for name in names}
        else:
            columns = request["inputs"]
        arrays = {name: np.array(column, specs[name].dtype.as_numpy_dtype) for name, column in columns.items()}
        outputs = {name: value.tolist() for name, value in _run(signature, arrays).items()}
        only = next(iter(outputs.values())) if len(outputs) == 1 else None
        if not rows:
            return {"outputs": outputs if only is None else only}
        if only is not None:
            return {"predictions": only}
        return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}

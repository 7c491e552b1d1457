"""A model's networks as ONNX files, for runtimes without torch."""

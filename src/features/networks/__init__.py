"""Image networks: architectures, weights, ONNX export, runtimes, fine-tuning, heat maps."""

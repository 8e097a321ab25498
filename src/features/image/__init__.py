"""What is measured on one image: decoding for features, pixels, statistics."""

"""From the files of a delivery to what SQL loads: hashes, the image manifest, a server."""

"""Where in the image an answer comes from: Grad-CAM and attention rollout, without torch.

An embedding is the mean of feature maps, rooted and scaled to length 1, and a linear model takes a
weighted sum of it. So the gradient that Grad-CAM asks for is the same at every place of a map and
can be written down: the map itself, which any runtime gives, is all that is needed. The tests
compare it with torch's own differentiation.
"""

import numpy as np
from numpy.typing import NDArray

from src.data.image_decode import Pixels
from src.features.networks.architectures import ROOT_EPSILON
from src.features.networks.runtime import Engine, Floats

# Of the hottest place, and its colour.
OPACITY = 0.7
HOT = (214, 40, 30)
# Grey levels within which the ground is of one colour, and the least share of the frame that is.
GROUND_TOLERANCE = 16
GROUND_LEAST = 0.6


def explain(
    engine: Engine, images: Pixels, directions: NDArray[np.floating] | None = None
) -> Floats | None:
    """Return one heat map an image, (n, h, w) of 0..1, at the resolution of the last map.

    None where the network gives no maps.

    `images` are (n, size, size, 3) uint8. `directions`, (d,) or (n, d), are the gradient of the
    score with respect to the embedding: for a linear model the row of coefficients of the class,
    divided by the scaler's deviations if there is one. None shows what the network responds to at
    all. Transformers ignore it: rollout knows no class.
    """
    embeddings, maps = engine(images, True)
    if maps is None:
        return None
    if maps.shape[1] == 1:
        return _to_unit(maps[:, 0] - maps[:, 0].min(axis=(1, 2), keepdims=True))
    return grad_cam(embeddings, maps, directions)


def grad_cam(
    embeddings: Floats, maps: Floats, directions: NDArray[np.floating] | None = None
) -> Floats:
    """Grad-CAM of a linear score on embeddings (Selvaraju et al. 2017, eq. 1 and 2).

    The embeddings, (n, d), have length 1; their last c columns belong to the maps, (n, c, h, w),
    before averaging over places. Heat, (n, h, w), is 0..1, all zero where nothing speaks for the
    class.

    With p the means of the maps, r = sign(p) sqrt(|p| + eps), L the length of all r and e = r / L,
    the slope of a score g.e is ds/dp = (g - (g.e) e) / L / (2 sqrt(|p| + eps)). The heat is
    max(0, sum over channels of ds/dp times the map).
    """
    n, channels = maps.shape[:2]
    means = maps.reshape(n, channels, -1).mean(axis=2)
    roots = np.sqrt(np.abs(means) + ROOT_EPSILON)
    ends = embeddings[:, -channels:]
    if directions is None:
        slopes = ends
    else:
        wanted = np.broadcast_to(np.asarray(directions, dtype=np.float32), embeddings.shape)
        along = (wanted * embeddings).sum(axis=1, keepdims=True)
        # All of r has length L and e has length 1, so the part that belongs to the maps gives L.
        root_length = np.linalg.norm(np.sign(means) * roots, axis=1, keepdims=True)
        length = root_length / np.maximum(np.linalg.norm(ends, axis=1, keepdims=True), 1e-12)
        slopes = (wanted[:, -channels:] - along * ends) / np.maximum(length, 1e-12) / (2 * roots)
    return _to_unit(np.maximum(np.einsum("nc,nchw->nhw", slopes, maps), 0))


def _to_unit(heat: Floats) -> Floats:
    top = heat.max(axis=(1, 2), keepdims=True)
    return np.asarray(heat / np.where(top > 0, top, 1), dtype=np.float32)


def overlay(image: Pixels, heat: Floats) -> Pixels:
    """Lay a heat map, 0..1 at any size, over the square that the network saw, (h, w, 3) uint8.

    The redder, the hotter; where it is 0, and on the ground around the product, the image shows
    through unchanged.
    """
    import cv2

    height, width = image.shape[:2]
    smooth = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    smooth *= ~_ground(image)
    opacity = (OPACITY * smooth / max(smooth.max(), 1e-6))[:, :, None]
    return np.round(image * (1 - opacity) + np.array(HOT) * opacity).astype(np.uint8)


def _ground(image: Pixels) -> NDArray[np.bool_]:
    """Return which pixels are ground: of the frame's one colour, and joined to the frame.

    Maps are a few cells wide, so that a cell of the product reaches over the ground beside it.
    """
    import cv2

    inside = np.zeros(image.shape[:2], dtype=bool)
    inside[1:-1, 1:-1] = True
    colour = np.median(image[~inside], axis=0)
    alike = np.abs(image - colour).max(axis=2) <= GROUND_TOLERANCE
    if alike[~inside].mean() < GROUND_LEAST:
        return np.zeros_like(inside)
    _, parts = cv2.connectedComponents(alike.astype(np.uint8))
    ground = alike & np.isin(parts, np.unique(parts[alike & ~inside]))
    return np.zeros_like(inside) if ground.all() else ground


def overlay_png(image: Pixels, heat: Floats) -> bytes:
    """Return `overlay` as a PNG file."""
    import cv2

    shown = overlay(image, heat)
    done, data = cv2.imencode(".png", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"an image of shape {shown.shape} can't be written as PNG")
    return bytes(data)

"""Product classification from text and image: data, features, models, evaluation, serving."""

import os

# OpenMP's threads spin while they wait: where others want the cores, boosted trees took ten times
# as long. It is read when a library loads OpenMP, so before any does.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

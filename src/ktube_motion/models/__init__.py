"""What every model shares: a config in, one folder out, checkpoints read with care, fingerprints.

`HubModel` is the base of the models that have a folder of their own,
`StandardizedModel` holds the statistics of the features a model reads, and the
functions read and write checkpoints, ours and other people's, and run models on
rows of different length.
"""

from ._checkpoints import load_checkpoint, load_state, load_stats, save_checkpoint
from ._fingerprints import fingerprint, hash_weights
from ._hub import HubModel, StandardizedModel
from ._positions import sinusoids
from ._running import equal_lengths, evaluating, map_rows
from ._torch_files import load_torch_file

__all__ = [
    "HubModel",
    "StandardizedModel",
    "equal_lengths",
    "evaluating",
    "fingerprint",
    "hash_weights",
    "load_checkpoint",
    "load_state",
    "load_stats",
    "load_torch_file",
    "map_rows",
    "save_checkpoint",
    "sinusoids",
]

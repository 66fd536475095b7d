"""Files from strangers: arrays come through, code never runs."""

import os
import pickle

import numpy as np
import pytest
import torch

from ktube_motion.errors import FormatError
from ktube_motion.io._poses import load_poses
from ktube_motion.io._untrusted import load_pickle


class Touch:
    """Pickles into a call that would create a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickles_never_run(tmp_path):
    trap, path = str(tmp_path / "trap"), tmp_path / "a.pkl"
    inner = pickle.dumps(Touch(trap), 2)
    for protocol in range(6):
        path.write_bytes(pickle.dumps({"people": {1: Touch(trap)}}, protocol))
        with pytest.raises(FormatError, match=r"a\.pkl: This pickle may not be opened.*mkdir"):
            load_poses(path)
    # A pickle inside torch's own pickle format, which torch itself would open without a check.
    call = b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + len(inner).to_bytes(4, "little")
    path.write_bytes(call + inner + b"\x85R.")
    with pytest.raises(FormatError, match="damaged"):
        load_poses(path)
    torch.save({"smpl_params_global": Touch(trap)}, tmp_path / "a.pt")
    with pytest.raises(FormatError, match="no PyTorch file of tensors"):
        load_poses(tmp_path / "a.pt")
    np.save(tmp_path / "a.npy", np.array([Touch(trap)], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", poses=np.array([Touch(trap)], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(FormatError):
            load_poses(tmp_path / name)
    for name in (
        b"cbuiltins\neval\n",
        b"cos\nsystem\n",
        b"cbuiltins\ngetattr\n",
        b"cnumpy\nload\n",
        b"cposix\nsystem\n",
    ):
        path.write_bytes(name + b"(S'1'\ntR.")
        with pytest.raises(FormatError, match="may not be opened"):
            load_pickle(path)
    assert not os.path.exists(trap)


def test_plain_pickles_come_through(tmp_path):
    path = tmp_path / "a.pkl"
    value = {"a": np.arange(3), "b": [np.float32(2), (1, {2})], "c": np.asfortranarray(np.eye(2)), "d": {"e": b"x"}}
    for protocol in range(6):
        path.write_bytes(pickle.dumps(value, protocol))
        back = load_pickle(path)
        np.testing.assert_array_equal(back["a"], [0, 1, 2])
        np.testing.assert_array_equal(back["c"], np.eye(2))
        assert back["b"] == [2, (1, {2})]
        assert back["d"] == {"e": b"x"}
    path.write_bytes(pickle.dumps({"t": torch.ones(2), "p": torch.nn.Parameter(torch.zeros(1))}))
    assert load_pickle(path)["t"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "state",
    [
        (1, (10**6,), "f8", False, b"\0" * 8),
        (1, (-1,), "f8", False, b""),
        (1, (2**62, 4), "f8", False, b""),
        (1, (1,), "O", False, b"\xff" * 8),
        (1, (2,), "O", False, [1]),
        (1, [1], "f8", False, b"\0" * 8),
        (1, (1,), "V8", False, b"\0" * 8),
        (1, (1,), "M8[ns]", False, b"\0" * 8),
    ],
)
def test_arrays_that_would_crash_numpy(tmp_path, state):
    class Forged:
        def __reduce__(self):
            rebuild, arguments, _ = np.zeros(1).__reduce__()
            return rebuild, arguments, (*state[:2], np.dtype(state[2]), *state[3:])

    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"people": Forged()}))
    with pytest.raises(FormatError, match=r"a\.pkl: This pickle is damaged"):
        load_pickle(path)


def test_dtypes_and_cycles(tmp_path):
    path, loop = tmp_path / "a.pkl", []
    loop.append(loop)
    value = {k: np.arange(3).astype(k) for k in (">f4", "<i2", "?", "U3", "S2", "c16", "f2")}
    value |= {"object": np.array([[1, None], ["x", (2,)]], dtype=object), "empty": np.zeros((0, 3)), "loop": loop}
    for protocol in range(6):
        path.write_bytes(pickle.dumps(value, protocol))
        back = load_pickle(path)
        for name in value.keys() - {"loop"}:
            assert type(back[name]) is np.ndarray
            assert back[name].dtype.newbyteorder("=") == value[name].dtype.newbyteorder("=")  # NumPy swaps on loading
            np.testing.assert_array_equal(back[name], value[name])
        assert back["loop"][0] is back["loop"]


def test_states_of_functions_are_refused(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"c_codecs\nencode\n(N}S'__defaults__'\n(S'x'\ntstb.")
    with pytest.raises(FormatError, match="damaged"):
        load_pickle(path)
    path.write_bytes(pickle.dumps(np.arange(2)))
    np.testing.assert_array_equal(load_pickle(path), [0, 1])

"""Quantizers by themselves: what they count, what they re-seed, alone and in several processes."""

import socket

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from ktube_motion.vq import QUANTIZERS, TokenizerConfig, codebook_use, make_quantizer
from ktube_motion.vq._codebooks import VectorQuantizer


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(quantizer, num_codes=16, code_dim=8, **options):
    torch.manual_seed(0)
    return make_quantizer(
        TokenizerConfig(width=8, code_dim=code_dim, num_codes=num_codes, quantizer=quantizer, **options)
    )


@pytest.mark.parametrize("name", QUANTIZERS)
def test_one_interface(name):
    quantizer = make(name, num_quantizers=3 if name == "residual" else 1)
    x, mask = vectors(2, 40, 8).requires_grad_(), torch.rand(2, 40) < 0.7
    output = quantizer(x, mask)
    books = (3,) if name == "residual" else ()
    assert output.quantized.shape == x.shape
    assert output.tokens.shape == (2, 40, *books)
    assert (output.tokens[~mask] == -1).all()
    assert (output.tokens[mask] >= 0).all()
    assert output.loss.shape == output.perplexity.shape == ()
    (output.quantized.sum() + output.loss).backward()
    assert (x.grad[mask].abs().sum(-1) > 0).all()

    quantizer.eval()
    tokens = quantizer.encode(x)
    output = quantizer(x)
    assert torch.equal(output.tokens, tokens)
    torch.testing.assert_close(quantizer.decode(tokens), output.quantized, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_masked_vectors_do_not_count(name):
    """Whatever stands in the padding, the same is learned."""
    states = []
    for garbage in (0.0, 1e3):
        quantizer = make(name)
        for step in range(3):
            x, mask = vectors(3, 20, 8, seed=step), torch.ones(3, 20, dtype=torch.bool)
            mask[0, 12:] = mask[2, 5:] = False
            torch.manual_seed(step)
            output = quantizer(torch.where(mask[..., None], x, garbage), mask)
        states.append((quantizer.state_dict(), output))
    (first, output), (second, other) = states
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert output.loss == other.loss
    assert output.perplexity == other.perplexity


@pytest.mark.parametrize(
    ("num_codes", "options", "levels"),
    [(128, {}, [8, 4, 4]), (512, {}, [8, 8, 8]), (4, {}, [4]), (100, {"levels": (5, 5, 4)}, [5, 5, 4])],
)
def test_levels_of_fsq(num_codes, options, levels):
    assert make("fsq", num_codes, quantizer_options=options).fsq._levels.tolist() == levels


@pytest.mark.parametrize("bits", range(2, 13))
def test_levels_multiply_to_the_codes(bits):
    levels = make("fsq", 2**bits).fsq._levels
    assert levels.prod() == 2**bits
    assert levels.min() >= 3


def test_nearest_code():
    quantizer = make("orig")
    x = vectors(50, 8)
    want = torch.cdist(x, quantizer.codebook).argmin(-1)
    assert torch.equal(quantizer.encode(x), want)


def test_dead_codes_come_back_from_the_whole_batch():
    quantizer = VectorQuantizer(8, 2, ema=True, reseed=True)
    quantizer(torch.zeros(1, 64, 2))
    spread = vectors(4, 64, 2, seed=3) * 5
    quantizer(spread)
    batch = spread.reshape(-1, 2)
    nearest = (quantizer.codebook[:, None] - batch).abs().sum(-1).min(-1)
    reseeded = nearest.values == 0
    assert reseeded.sum() >= 7
    rows = nearest.indices[reseeded]
    assert rows.unique().numel() == len(rows)  # no vector twice
    assert (rows > 64).any()  # not only from the first clip
    assert torch.equal(quantizer.ema_count[reseeded], torch.ones(int(reseeded.sum())))
    assert torch.equal(quantizer.ema_sum[reseeded], quantizer.codebook[reseeded])
    for seed in range(10):
        output = quantizer(vectors(4, 64, 2, seed=seed) * 5)
    assert codebook_use(output.tokens, 8) == 1


def test_draws_differ_from_step_to_step():
    quantizer = VectorQuantizer(8, 2, ema=True, reseed=True)
    total = torch.tensor(1000)
    draws = []
    for _ in range(50):
        draws.append(quantizer._draw(total))
        quantizer.updates += 1
    draws = torch.stack(draws)
    assert all(len(set(row.tolist())) == 8 for row in draws)
    assert draws.min() >= 0
    assert draws.max() < 1000
    for low in range(0, 1000, 100):  # all parts of the batch have their turn
        assert ((draws >= low) & (draws < low + 100)).sum() > 15


def test_fewer_vectors_than_codes():
    quantizer = VectorQuantizer(64, 4, ema=True, reseed=True)
    for seed in range(3):
        quantizer(vectors(1, 5, 4, seed=seed))
    assert torch.isfinite(quantizer.codebook).all()
    assert torch.unique(quantizer.codebook, dim=0).shape[0] == 64  # noise keeps copies apart


def test_ema_without_reset_survives_disuse():
    """Unused for ever, a count underflows to 0: the code must stay what it was, not become 0 / 0."""
    quantizer = VectorQuantizer(4, 2, ema=True, reseed=False, decay=0.5)
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [9.0, 9.0]])
    quantizer(x[None])
    for _ in range(200):
        quantizer(x[None, :3])
    torch.testing.assert_close(quantizer.codebook, x, atol=1e-5, rtol=1e-5)


def test_evaluation_learns_nothing():
    quantizer = make("ema_reset")
    quantizer(vectors(4, 16, 8))
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.eval()(vectors(4, 16, 8, seed=1))
    quantizer.train().encode(vectors(4, 16, 8, seed=2))
    assert all(torch.equal(value, before[name]) for name, value in quantizer.state_dict().items())


def test_a_loaded_codebook_is_not_started_again():
    trained = make("ema_reset")
    trained(vectors(4, 16, 8))
    for fresh in (make("ema_reset"), make("ema_reset")):
        fresh.load_state_dict(trained.state_dict())
        before = fresh.codebook.clone()
        output = fresh(vectors(4, 64, 8, seed=1) * 0.9)
        torch.testing.assert_close(output.quantized, before[output.tokens])


def test_perplexity_and_use():
    quantizer = make("orig").eval()
    output = quantizer(quantizer.codebook[None])
    assert float(output.perplexity.detach()) == pytest.approx(16, abs=1e-3)
    assert codebook_use(output.tokens, 16) == 1
    assert codebook_use(np.array([-1, -1]), 4) == 0


def test_autocast_keeps_full_precision():
    quantizer = make("ema_reset").eval()
    x = vectors(2, 10, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = quantizer(x)
    assert output.quantized.dtype == torch.float32
    assert torch.equal(output.tokens, quantizer(x).tokens)


def _train(rank, world, port, x, mask, path):
    if world > 1:
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    torch.manual_seed(rank)  # other random states in every process
    quantizer = VectorQuantizer(16, 4, ema=True, reseed=True)
    for step in range(4):
        perplexity = quantizer(x[step].chunk(world)[rank], mask[step].chunk(world)[rank]).perplexity
    torch.save((quantizer.state_dict(), perplexity), f"{path}{rank}.pt")
    if world > 1:
        dist.destroy_process_group()


def test_two_processes_equal_one_with_the_double_batch(tmp_path):
    x = vectors(4, 6, 10, 4) * torch.tensor([1.0, 5.0, 0.1, 3.0])[:, None, None, None]
    mask = torch.rand(4, 6, 10, generator=torch.Generator().manual_seed(1)) < 0.8
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _train(0, 1, port, x, mask, f"{tmp_path}/one")
    mp.spawn(_train, (2, port, x, mask, f"{tmp_path}/two"), nprocs=2)
    one, perplexity = torch.load(f"{tmp_path}/one0.pt", weights_only=True)
    for rank in range(2):
        two, other = torch.load(f"{tmp_path}/two{rank}.pt", weights_only=True)
        torch.testing.assert_close(other, perplexity)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-5, msg=name)

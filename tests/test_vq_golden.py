"""The tokenizer against outputs recorded from T2M-GPT."""

import numpy as np
import pytest
import torch

from ktube_motion.skeletons import KIT_21, SMPL_22
from ktube_motion.vq import TokenizerOutput, load_t2m_gpt_tokenizer, to_t2m_gpt_state_dict, tokenizer_loss
from ktube_motion.vq._codebooks import VectorQuantizer

EVAL = ["ema_reset_t2m_relu_none", "ema_reset_kit_relu_none", "orig_t2m_relu_none"]
TRAIN = ["ema_reset_t2m_relu_none", "orig_t2m_relu_none"]


def load(golden, name, kind):
    return np.load(golden / "vq" / f"{name}_{kind}.npz", allow_pickle=False)


def close(found, expected, tolerance):
    np.testing.assert_allclose(torch.as_tensor(found).detach().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", EVAL)
def test_evaluation(golden, name):
    tokenizer, want = load_t2m_gpt_tokenizer(golden / "vq" / f"{name}.pth"), load(golden, name, "eval")
    with torch.no_grad():
        features = torch.from_numpy(want["x"])
        output = tokenizer(features)
        close(tokenizer.encoder(features).transpose(1, 2), want["encoder_out"], 1e-5)
    close(output.reconstruction, want["x_out"], 1e-5)
    close(output.commitment_loss, want["commit_loss"], 1e-5)
    close(output.perplexity, want["perplexity"], 1e-5)
    assert (output.tokens.numpy() == want["ids"]).all()
    assert (tokenizer.encode(want["x"]) == want["ids"]).all()
    close(tokenizer.decode(want["ids"][:1]), want["decode_ids_row0"], 1e-5)


def test_lengths(golden):
    """196 frames; 67 frames, of which the reference silently drops 3; a batch, which it decodes as one sequence."""
    name = "ema_reset_t2m_relu_none"
    tokenizer, want = load_t2m_gpt_tokenizer(golden / "vq" / f"{name}.pth"), load(golden, name, "eval")
    assert (tokenizer.encode(want["x196"]) == want["ids196"]).all()
    close(tokenizer.decode(want["ids196"]), want["decode_ids196"], 1e-5)

    # The network alone drops 3 of 67 frames, as the reference does; the tokenizer keeps them.
    with torch.no_grad():
        tokens = tokenizer.quantizer.encode(tokenizer.encoder(torch.from_numpy(want["x67"])))
    assert (tokens.numpy() == want["ids67"]).all()
    close(tokenizer.decode(tokens), want["x67_out"], 1e-5)
    assert tokenizer.encode(want["x67"]).shape == (1, 17)
    assert tokenizer(torch.from_numpy(want["x67"])).reconstruction.shape == (1, 67, 263)

    folded = tokenizer.decode(want["ids"].reshape(1, -1))
    close(folded, want["decode_batch2_folded"], 1e-5)


@pytest.mark.parametrize("name", TRAIN)
def test_training_step(golden, name):
    tokenizer, want = load_t2m_gpt_tokenizer(golden / "vq" / f"{name}.pth").train(), load(golden, name, "trainstep")
    quantizer = tokenizer.quantizer
    close(quantizer.codebook, want["codebook_before"], 0)
    if quantizer.ema:
        quantizer.ema_count.copy_(torch.from_numpy(want["code_count_before"]))
        quantizer.ema_sum.copy_(torch.from_numpy(want["code_sum_before"]))
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=2e-4, betas=(0.9, 0.99), weight_decay=0)
    output = tokenizer(torch.from_numpy(want["x"]))
    loss = tokenizer_loss(output)
    close(output.reconstruction[0], want["pred_row0"], 1e-4)
    for part, key in (("total", ""), ("reconstruction", "_recons"), ("commitment", "_commit"), ("velocity", "_vel")):
        close(getattr(loss, part), want[f"loss{key}"], 1e-4)
    close(output.perplexity, want["perplexity"], 1e-4)
    close(quantizer.codebook, want["codebook_after_forward"], 1e-4)
    loss.total.backward()

    norms = dict(zip(want["grad_names"], want["grad_norms"], strict=True))
    for parameter in tokenizer.parameters():
        parameter.data, parameter.keep = parameter.grad, parameter.data  # read the gradients through the key map
    found = {key.removeprefix("vqvae."): value.norm() for key, value in to_t2m_gpt_state_dict(tokenizer).items()}
    for parameter in tokenizer.parameters():
        parameter.data = parameter.keep
    assert len(norms) == len(list(tokenizer.parameters()))
    for key, norm in norms.items():
        close(found[key.removeprefix("vqvae.")], norm, 1e-4)

    optimizer.step()
    close(quantizer.codebook, want["codebook_after_opt"], 1e-4)
    if quantizer.ema:
        close(quantizer.ema_count, want["code_count_after"], 1e-4)
        close(quantizer.ema_sum, want["code_sum_after"], 1e-4)
        after = torch.load(golden / "vq" / f"{name}_after_step.pth", weights_only=True)["net"]
        found = to_t2m_gpt_state_dict(tokenizer)
        assert found.keys() == after.keys()
        for key, value in after.items():
            close(found[key], value.numpy(), 1e-4)


def test_quantizer_steps(golden):
    """Four updates from an empty codebook; codes that were re-seeded in either are left out."""
    want = np.load(golden / "vq" / "quantizer_only_ema_reset_4steps.npz", allow_pickle=False)
    quantizer = VectorQuantizer(16, 32, ema=True, reseed=True)
    alive = np.ones(16, bool)
    for step in range(4):
        x = torch.from_numpy(want[f"s{step}_x"]).requires_grad_()
        output = quantizer(x.transpose(1, 2))
        alive_before, alive = alive, alive & (want[f"s{step}_code_count_after"] >= 1)
        assert alive.sum() >= 4
        close(quantizer.ema_count[alive], want[f"s{step}_code_count_after"][alive], 1e-5)
        close(quantizer.ema_sum[alive], want[f"s{step}_code_sum_after"][alive], 1e-4)
        close(quantizer.codebook[alive], want[f"s{step}_codebook_after"][alive], 1e-4)
        if alive_before.all():  # the whole codebook was the reference's when this batch was quantized
            close(output.quantized.transpose(1, 2), want[f"s{step}_out"], 1e-5)
            close(output.loss, want[f"s{step}_commit"], 1e-5)
            (output.loss + output.quantized.square().mean()).backward()
            close(x.grad, want[f"s{step}_grad_x"], 1e-6)
            close(output.perplexity, want[f"s{step}_ppl"], 1e-5)


@pytest.mark.parametrize("skeleton", [SMPL_22, KIT_21], ids=["22", "21"])
@pytest.mark.parametrize("kind", ["l1", "l2", "l1_smooth"])
def test_losses(golden, skeleton, kind):
    want, joints = np.load(golden / "losses" / "recons_losses.npz"), skeleton.num_joints
    pred, given = (torch.from_numpy(want[f"{name}_{joints}"]) for name in ("pred", "gt"))
    zero = torch.zeros(())
    output = TokenizerOutput(pred, given, pred, given, zero, zero, zero)
    loss = tokenizer_loss(output, skeleton=skeleton, reconstruction=kind)
    close(loss.reconstruction, want[f"{kind}_{joints}"], 1e-6)
    close(loss.velocity, want[f"{kind}_vel_{joints}"], 1e-6)
    close(loss.total, want[f"{kind}_{joints}"] + 0.5 * want[f"{kind}_vel_{joints}"], 1e-6)


@pytest.mark.parametrize("name", EVAL)
def test_state_dict_round_trip(golden, name):
    path = golden / "vq" / f"{name}.pth"
    theirs, ours = torch.load(path, weights_only=True)["net"], to_t2m_gpt_state_dict(load_t2m_gpt_tokenizer(path))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())

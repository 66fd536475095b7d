r"""Evaluate a motion tokenizer on the test split, the original's step 4.1.

The documented command, after train-vq:

    ktube-motion eval-vq --batch-size 256 --lr 2e-4 --total-iter 10000 --lr-scheduler 5000 \
        --nb-code 128 --down-t 2 --depth 3 --dilation-growth-rate 3 --out-dir output \
        --dataname ktube --vq-act relu --quantizer ema_reset --loss-vel 0.5 \
        --recons-loss l1_smooth --exp-name TEST_VQVAE --resume-pth output/VQVAE/net_best_fid.pth

Reads the tokenizer of --resume-pth, the corpus it was trained on and that corpus's evaluator. What the
checkpoint says otherwise than a flag wins; one table lists it (--strict: an error).

Writes OUT_DIR/EXP_NAME: report.md and report.json with the figures, pictures of them, and the joints of
every clip, NAME_gt.npy and NAME_pred.npy, which render and export read. A run that was stopped goes on
with --resume.
"""

from argparse import ArgumentParser, Namespace

from ._shared._experiments import TOKENIZER_FLAGS, Experiment
from ._shared._options import VQ, add_flags
from ._shared._places import open_corpus, protocol_of

USES = "dataname resume-pth out-dir exp-name seed"
TOKENIZER = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer beta"""
OURS = "resume strict follow-links evaluator evaluator-iter min-frames max-frames repeats"


def add_options(parser: ArgumentParser) -> None:
    """Add the flags of T2M-GPT's parser, and ours."""
    add_flags(parser, VQ, uses=USES, checkpoint=TOKENIZER, ours=OURS)


def run(options: Namespace) -> None:
    """Evaluate a tokenizer."""
    from ..evaluation import evaluate_tokenizer
    from ..evaluation._samples import collect_samples
    from ._shared._checkpoints import about_checkpoint, load_tokenizer
    from ._shared._encoders import load_evaluator

    with Experiment(options) as experiment:
        path = options.resume_pth
        dataname = about_checkpoint(path or "").get("dataname", options.dataname)
        experiment.settle("dataname", dataname, path)
        corpus = open_corpus(dataname, options)
        tokenizer = load_tokenizer(path, options=options, corpus=corpus)
        experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, path)
        protocol = protocol_of(options, dataname, repeats=options.repeats, seed=options.seed)
        collect_samples(corpus, protocol)  # too few to measure: told before an evaluator is trained
        evaluator = load_evaluator(options, dataname, corpus, say=experiment.say)
        experiment.start()
        report = evaluate_tokenizer(
            tokenizer, corpus, evaluator=evaluator, folder=experiment.folder, save_predictions=True,
            config=protocol,
        )  # fmt: skip
        experiment.say(report.to_markdown())
        experiment.say_left_out(corpus)

r"""Train the motion tokenizer (VQ-VAE), the original's step 3.1.

A tokenizer turns motion into few whole numbers and back. The documented command:

    ktube-motion train-vq --batch-size 256 --lr 2e-4 --total-iter 100000 --lr-scheduler 50000 \
        --nb-code 128 --down-t 2 --depth 3 --dilation-growth-rate 3 --out-dir output \
        --dataname ktube --vq-act relu --quantizer ema_reset --loss-vel 0.5 \
        --recons-loss l1_smooth --exp-name VQVAE

Reads the corpus of --dataname. The evaluator that picks the best checkpoints lies in
checkpoints/DATANAME or is given by --evaluator; for ktube it is trained first where there is none.

Writes OUT_DIR/EXP_NAME: net_last.pth, net_best_fid.pth, net_best_div.pth, net_best_top1.pth and
net_best_matching.pth, which T2M-GPT's code reads; the same models as folders, best_fid/ and others,
last/; run.log, log.jsonl and TensorBoard's files. Ctrl-C saves and stops, --resume goes on.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ._shared._experiments import TOKENIZER_FLAGS, Experiment
from ._shared._options import VQ, add_flags
from ._shared._places import choosing_protocol, open_corpus

if TYPE_CHECKING:
    from ..evaluation import EvaluationConfig
    from ..training import TokenizerTraining
    from ..vq import TokenizerConfig

USES = """dataname batch-size window-size total-iter warm-up-iter lr lr-scheduler gamma weight-decay commit loss-vel
recons-loss code-dim output-emb-width nb-code mu down-t stride-t width depth dilation-growth-rate vq-act vq-norm
quantizer beta resume-pth out-dir exp-name print-iter eval-iter seed"""
OURS = """resume strict follow-links evaluator evaluator-iter min-frames max-frames save-iter accumulation
mixed-precision compile joint-weight trajectory-weight"""


def add_options(parser: ArgumentParser) -> None:
    """Add the flags of T2M-GPT's parser, and ours."""
    add_flags(parser, VQ, uses=USES, ours=OURS)


def run(options: Namespace) -> None:
    """Train a tokenizer."""
    from ..training import train_tokenizer
    from ._shared._checkpoints import Checkpoints, load_tokenizer
    from ._shared._encoders import evaluator_to_choose

    if "output_emb_width" in options.given and options.output_emb_width != options.code_dim:
        raise ConfigError("--output-emb-width and --code-dim are the same here.", expected=options.code_dim)
    with Experiment(options) as experiment:
        corpus, protocol = open_corpus(options.dataname, options), choosing_protocol(options)
        start = None
        if options.resume_pth is not None:
            start = load_tokenizer(options.resume_pth, options=options, corpus=corpus)
            experiment.settle_all(start.config, TOKENIZER_FLAGS, options.resume_pth)
        config = training(options, start.config if start else architecture(options), protocol)
        evaluator = evaluator_to_choose(experiment, corpus, protocol, spoken=False, stats=True)
        experiment.start()
        checkpoints = Checkpoints(experiment, dataname=str(options.dataname))
        model = train_tokenizer(
            config, corpus, experiment.folder, evaluator=evaluator, start=start, resume=options.resume,
            on_best=checkpoints.on_best,
        )  # fmt: skip
        experiment.say_left_out(corpus)
        checkpoints.finish(model)


def architecture(options: Namespace) -> "TokenizerConfig":
    """Read the architecture from the flags."""
    from ..vq import TokenizerConfig

    return TokenizerConfig(
        width=options.width,
        code_dim=options.code_dim,
        num_codes=options.nb_code,
        down_t=options.down_t,
        stride_t=options.stride_t,
        depth=options.depth,
        dilation_growth_rate=options.dilation_growth_rate,
        activation=options.vq_act,
        norm=options.vq_norm,
        quantizer=options.quantizer,
        num_quantizers=4 if options.quantizer == "residual" else 1,
        mu=options.mu,
        beta=options.beta,
    )


def training(options: Namespace, tokenizer: "TokenizerConfig", protocol: "EvaluationConfig") -> "TokenizerTraining":
    """Read the training from the flags."""
    from ..training import TokenizerTraining

    return TokenizerTraining.t2m_gpt(
        tokenizer=tokenizer,
        window=options.window_size,
        reconstruction=options.recons_loss,
        velocity_weight=options.loss_vel,
        commitment_weight=options.commit,
        joint_weight=options.joint_weight,
        trajectory_weight=options.trajectory_weight,
        steps=options.total_iter,
        batch_size=options.batch_size,
        learning_rate=options.lr,
        weight_decay=options.weight_decay,
        warmup=options.warm_up_iter,
        milestones=tuple(options.lr_scheduler),
        decay=options.gamma,
        accumulation=options.accumulation,
        mixed_precision=options.mixed_precision,
        compile=options.compile,
        seed=options.seed,
        log_every=options.print_iter,
        evaluate_every=options.eval_iter,
        save_every=options.save_iter,
        evaluation=protocol,
    )

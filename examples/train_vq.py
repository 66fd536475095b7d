"""Train a motion tokenizer: the original's documented command, step 3.1."""

from _options import VQ, read_options
from _workflow import (
    TOKENIZER_FLAGS,
    Checkpoints,
    Experiment,
    choosing_protocol,
    evaluator_to_choose,
    load_tokenizer,
    open_corpus,
    run,
)

from ktube_motion.errors import ConfigError
from ktube_motion.training import TokenizerTraining, train_tokenizer
from ktube_motion.vq import TokenizerConfig

USES = """dataname batch-size window-size total-iter warm-up-iter lr lr-scheduler gamma weight-decay commit loss-vel
recons-loss code-dim output-emb-width nb-code mu down-t stride-t width depth dilation-growth-rate vq-act vq-norm
quantizer beta resume-pth out-dir exp-name print-iter eval-iter seed"""
OURS = """resume strict evaluator evaluator-iter min-frames max-frames save-iter accumulation mixed-precision
compile joint-weight trajectory-weight"""


def main():
    options = read_options(__doc__, VQ, uses=USES, ours=OURS)
    if "output_emb_width" in options.given and options.output_emb_width != options.code_dim:
        raise ConfigError("--output-emb-width and --code-dim are the same here.", expected=options.code_dim)
    experiment = Experiment(options)
    corpus, protocol = open_corpus(options.dataname), choosing_protocol(options)
    start = None
    if options.resume_pth is not None:
        start = load_tokenizer(options.resume_pth, options=options, corpus=corpus)
        experiment.settle_all(start.config, TOKENIZER_FLAGS, options.resume_pth)
    config = training(options, start.config if start else tokenizer(options), protocol)
    evaluator = evaluator_to_choose(experiment, options.dataname, corpus, protocol)
    experiment.start()
    checkpoints = Checkpoints(experiment, dataname=options.dataname)
    model = train_tokenizer(
        config, corpus, experiment.folder, evaluator=evaluator, start=start, resume=options.resume,
        on_best=checkpoints.on_best,
    )  # fmt: skip
    checkpoints.finish(model)
    experiment.say(f"Done: {experiment.folder}/net_last.pth, net_best_fid.pth and the others.")


def tokenizer(options):
    """Read the architecture from the flags."""
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


def training(options, architecture, protocol):
    """Read the training from the flags."""
    return TokenizerTraining.t2m_gpt(
        tokenizer=architecture,
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


if __name__ == "__main__":
    run(main)

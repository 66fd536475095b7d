"""Train the transformer that writes motion tokens from an utterance: the original's documented command, step 3.2."""

from _encoders import choose_text_encoder
from _options import TRANSFORMER, read_options
from _workflow import (
    TOKENIZER_FLAGS,
    TRANSFORMER_FLAGS,
    Checkpoints,
    Experiment,
    choosing_protocol,
    evaluator_to_choose,
    load_tokenizer,
    load_transformer,
    open_corpus,
    run,
    tokenizer_of,
)

from ktube_motion.errors import ConfigError
from ktube_motion.gpt import TransformerConfig
from ktube_motion.io.corpus import check_name
from ktube_motion.text import TextAugmentation
from ktube_motion.training import TransformerTraining, train_transformer

USES = """dataname batch-size total-iter warm-up-iter lr lr-scheduler gamma weight-decay optimizer block-size
embed-dim-gpt clip-dim num-layers n-head-gpt ff-rate drop-out-rate resume-pth resume-trans out-dir exp-name vq-name
print-iter eval-iter seed pkeep"""
TOKENIZER = """code-dim nb-code mu down-t stride-t width depth dilation-growth-rate output-emb-width vq-act vq-norm
quantizer quantbeta"""
OURS = """resume strict evaluator evaluator-iter text-encoder text-tokenizer text-pooling paraphrases
text-dropout min-frames max-frames save-iter accumulation mixed-precision compile"""


def main():
    options = read_options(__doc__, TRANSFORMER, uses=USES, checkpoint=TOKENIZER, ours=OURS)
    if options.optimizer == "adam" and options.weight_decay:
        raise ConfigError("Adam without decay is AdamW without decay.", fix="Give --weight-decay 0 with adam.")
    experiment = Experiment(options)
    corpus, protocol = open_corpus(options.dataname), choosing_protocol(options)
    cache = corpus.root / check_name(options.vq_name)
    start, how = None, {"options": options, "corpus": corpus}
    if options.resume_trans is not None:
        start = load_transformer(options.resume_trans, heads=options.n_head_gpt)
        tokenizer = tokenizer_of(start, options.resume_pth, because=options.resume_trans, **how)
        experiment.settle_all(start.config, TRANSFORMER_FLAGS, options.resume_trans)
    else:
        tokenizer = load_tokenizer(options.resume_pth, **how)
    experiment.settle_all(tokenizer.config, TOKENIZER_FLAGS, options.resume_pth)
    encoder, chosen = choose_text_encoder(options, options.dataname)
    check_text(options, encoder, start)
    config = training(options, start.config if start else architecture(options), protocol)
    evaluator = evaluator_to_choose(experiment, options.dataname, corpus, protocol)
    experiment.start()
    how = {"text_encoder": chosen, "tokenizer_path": options.resume_pth}
    checkpoints = Checkpoints(experiment, dataname=options.dataname, **how)
    model = train_transformer(
        config, corpus, experiment.folder, tokenizer=tokenizer, text_encoder=encoder, evaluator=evaluator,
        cache=cache, start=start, resume=options.resume, on_best=checkpoints.on_best,
        augmentation=options.paraphrases and TextAugmentation.from_table(options.paraphrases),
    )  # fmt: skip
    checkpoints.finish(model)
    experiment.say(f"Done: {experiment.folder}/net_last.pth, net_best_fid.pth and the others.")


def check_text(options, encoder, start):
    """Raise unless the text vectors are those that were asked for and trained with."""
    if options.clip_dim not in (None, encoder.dim):
        raise ConfigError(
            "--clip-dim is not the text encoder's size.",
            expected=f"{encoder.dim}, as {encoder.identity} has",
            found=options.clip_dim,
            fix=f"Give --clip-dim {encoder.dim}, or leave it out.",
        )
    if start is not None and start.config.text_encoder not in ("", encoder.identity):
        raise ConfigError(
            "--resume-trans knows another text encoder.", expected=start.config.text_encoder, found=encoder.identity
        )


def architecture(options):
    """Read the architecture from the flags; codes and text follow from tokenizer and encoder."""
    return TransformerConfig(
        width=options.embed_dim_gpt, block_size=options.block_size, num_layers=options.num_layers,
        num_heads=options.n_head_gpt, ff_rate=options.ff_rate, dropout=options.drop_out_rate,
    )  # fmt: skip


def training(options, transformer, protocol):
    """Read the training from the flags."""
    return TransformerTraining(
        transformer=transformer, keep_probability=options.pkeep, text_dropout=options.text_dropout,
        steps=options.total_iter, batch_size=options.batch_size, learning_rate=options.lr,
        weight_decay=options.weight_decay, warmup=options.warm_up_iter, milestones=tuple(options.lr_scheduler),
        decay=options.gamma, accumulation=options.accumulation, mixed_precision=options.mixed_precision,
        compile=options.compile, seed=options.seed, log_every=options.print_iter, evaluate_every=options.eval_iter,
        save_every=options.save_iter, evaluation=protocol,
    )  # fmt: skip


if __name__ == "__main__":
    run(main)

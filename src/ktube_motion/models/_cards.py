"""The card of a model that is shared: what it is, how it is loaded, whose terms hold, what it was trained on."""

from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from .. import __version__

__all__ = ["model_card"]

# kind: (title, class, what it does)
_KINDS = {
    "motion_tokenizer": ("Motion tokenizer", "vq.MotionTokenizer", "turns human motion into tokens and back (VQ-VAE)"),
    "motion_transformer": ("Motion transformer", "gpt.MotionTransformer", "writes motion tokens from text (GPT)"),
    "motion_evaluator": ("Motion evaluator", "evaluators.MotionEvaluator", "puts motion and text into one space"),
    "speech_evaluator": ("Speech evaluator", "evaluators.SpeechEvaluator", "tells whether motion fits words in time"),
    "utterance_to_motion": (
        "Utterance to motion",
        "pipeline.UtteranceToMotion",
        "turns Korean into human motion",
    ),
}
_PAPERS = {
    "T2M-GPT, tokenizer and transformer": "https://arxiv.org/abs/2301.06052",
    "HumanML3D, motion vectors and protocol": "https://openaccess.thecvf.com/content/CVPR2022/papers/"
    "Guo_Generating_Diverse_and_Natural_3D_Human_Motions_From_Text_CVPR_2022_paper.pdf",
    "SMPL-X, the poses": "https://arxiv.org/abs/1904.05866",
}


def model_card(
    kind: str, *, facts: Mapping[str, Any], license: str | None = None, data: str | None = None
) -> ModelCard:
    """Write the card of a model.

    Parameters
    ----------
    kind : str
        As in its ``config.json``.
    facts : mapping
        What is known of it, a line each.
    license : str, optional
        Of the weights, as the hub calls it (``"cc-by-4.0"``).
    data : str, optional
        What it was trained on, and under which terms.

    Returns
    -------
    card : huggingface_hub.ModelCard

    Examples
    --------
    >>> card = model_card("motion_tokenizer", facts={"codes": 512}, license="cc-by-4.0", data="my own videos")
    >>> card.data.license, "- codes: 512" in card.text, "my own videos" in card.text
    ('cc-by-4.0', True, True)
    """
    title, name, purpose = _KINDS.get(kind, (kind, kind, "is a model of ktube_motion"))
    room, _, single = name.partition(".")
    head = ModelCardData(
        library_name="ktube_motion", language="ko", license=license or "other",
        license_name=None if license else "not-stated",
        tags=["ktube_motion", "text-to-motion", "gesture", "korean", kind.replace("_", "-")],
    )  # fmt: skip
    terms = (
        f"The weights: {license}."
        if license
        else "The licence of the weights is not stated; it follows from the data they were trained on."
    )
    load = [f"from ktube_motion.{room} import {single}", f'model = {single}.from_pretrained("USER/NAME")']
    lines = [
        "---", head.to_yaml(), "---", f"# {title}", "", f"It {purpose}.", "", "```python", *load, "```",
        "", "## What it is", "", *(f"- {fact}: {value}" for fact, value in facts.items()), "",
        "## Licence", "", f"{terms} The code, ktube_motion {__version__}: Apache-2.0.", "",
        "## Training data", "", data or "Not stated.", "",
        "## Papers", "", *(f"- {what}: {where}" for what, where in _PAPERS.items()), "",
    ]  # fmt: skip
    return ModelCard("\n".join(lines))

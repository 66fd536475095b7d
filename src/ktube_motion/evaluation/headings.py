"""How metrics are named and ordered in tables and pictures."""

from collections.abc import Collection

__all__ = ["columns", "label"]

# How a metric is written in tables, and whether a smaller (↓) or larger (↑) number is better.
COLUMNS = {
    "fid": "FID ↓",
    "fgd": "FGD ↓",
    "r_precision_top1": "R top 1 ↑",
    "r_precision_top2": "R top 2 ↑",
    "r_precision_top3": "R top 3 ↑",
    "matching_score": "Matching ↓",
    "diversity": "Diversity →",
    "multimodality": "Multimodality ↑",
    "mpjpe_mm": "MPJPE mm ↓",
    "root_mpjpe_mm": "Root MPJPE mm ↓",
    "pa_mpjpe_mm": "PA-MPJPE mm ↓",
    "acceleration_error": "Acceleration error m/s² ↓",
    "symmetric_jerk_error": "Jerk error ↓",
    "jerk": "Jerk m/s³ →",
    "foot_skating": "Foot skating ↓",
    "codes_used": "Codes used ↑",
    "perplexity": "Perplexity ↑",
}


def columns(present: Collection[str]) -> list[str]:
    """Put the names of metrics in their order."""
    return [name for name in COLUMNS if name in present] + sorted(set(present) - set(COLUMNS))


def label(name: str) -> str:
    """Give the heading of a metric."""
    if name.startswith("class_accuracy_"):
        return f"Class {name.removeprefix('class_accuracy_')} ↑"
    return COLUMNS.get(name, name)

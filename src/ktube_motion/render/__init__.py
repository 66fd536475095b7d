"""Seeing motion and handing it on: video, mesh, web page, BVH, GLB, VRM animation, USD."""

from ._bvh import save_bvh
from ._fonts import find_korean_font
from ._glb import save_glb
from ._mesh import save_mesh_video
from ._skeleton import save_skeleton_video
from ._usd import save_usd
from ._vrma import save_vrma
from ._web import save_gallery, save_html

__all__ = [
    "find_korean_font",
    "save_bvh",
    "save_gallery",
    "save_glb",
    "save_html",
    "save_mesh_video",
    "save_skeleton_video",
    "save_usd",
    "save_vrma",
]

"""Seeing motion and handing it on: video, mesh, web page, BVH, GLB."""

from .bvh import save_bvh
from .fonts import find_korean_font
from .glb import save_glb
from .mesh import save_mesh_video
from .skeleton import save_skeleton_video
from .web import save_gallery, save_html

__all__ = [
    "find_korean_font",
    "save_bvh",
    "save_gallery",
    "save_glb",
    "save_html",
    "save_mesh_video",
    "save_skeleton_video",
]

"""Turn a GLB of save_glb into FBX: blender --background --python glb_to_fbx.py -- 20 talk.glb talk.fbx"""

import sys

import bpy

fps, source, target = sys.argv[-3:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = int(fps)  # before the import, which counts frames by it
bpy.ops.import_scene.gltf(filepath=source)
skeleton = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
first, last = skeleton.animation_data.action.frame_range
bpy.context.scene.frame_start, bpy.context.scene.frame_end = int(first), round(last)
bpy.ops.export_scene.fbx(
    filepath=target, add_leaf_bones=False, bake_anim_simplify_factor=0, path_mode="COPY"
)

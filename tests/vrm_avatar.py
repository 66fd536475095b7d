"""A small VRM 1.0 avatar of our own: other proportions, bones with their own names and rest rotations, a mouth."""

import numpy as np
from scipy.spatial.transform import Rotation

from ktube_motion.render._gltf import FLOAT, SHORT, TRIANGLES, UNSIGNED_BYTE, VERTICES, Container
from ktube_motion.render._rigs import bone_names
from ktube_motion.skeletons import SMPLX_55

NAMES = bone_names(SMPLX_55.joint_names, "vrm")
MOUTHS = ("aa", "ih", "ou", "ee", "oh")
_CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
_SIDES = np.array(
    [0, 1, 3, 0, 3, 2, 4, 6, 7, 4, 7, 5, 0, 4, 5, 0, 5, 1, 2, 3, 7, 2, 7, 6, 0, 2, 6, 0, 6, 4, 1, 5, 7, 1, 7, 3]
).reshape(12, 3)


def rest_places(height=0.95, seed=0):
    """Joints of the rest pose ``(55, 3)``: a child's legs, a big head, on the ground."""
    rng = np.random.default_rng(seed)
    offsets = SMPLX_55.offsets * rng.uniform(0.8, 1.2, (55, 1))
    offsets[[4, 5, 7, 8]] *= 0.7
    places = np.zeros((55, 3))
    for joint, parent in enumerate(SMPLX_55.parents):
        places[joint] = offsets[joint] + (places[parent] if parent >= 0 else 0)
    places -= [0, places[:, 1].min() - 0.03, 0]
    return places * height / (places[:, 1].max() + 0.15)


def boxes(places):
    """One box around each bone: vertices, triangles and the joint of each vertex."""
    vertices, faces, owners = [], [], []
    for joint, parent in enumerate(SMPLX_55.parents):
        if joint in (22, 23, 24) or parent < 0:
            continue
        start, end = places[parent], places[joint]
        size = np.maximum(np.abs(end - start) / 2, 0.012 if joint > 24 else 0.03)
        vertices.append((start + end) / 2 + _CUBE * size)
        faces.append(_SIDES + 8 * len(owners))
        owners.append(parent)
    head = places[15] + [0, 0.07, 0.02]
    vertices.append(head + _CUBE * 0.08)
    faces.append(_SIDES + 8 * len(owners))
    owners.append(15)
    mouth = places[15] + [0, 0.04, 0.105]
    vertices.append(mouth + _CUBE * [0.025, 0.004, 0.006])
    faces.append(_SIDES + 8 * len(owners))
    owners.append(15)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(faces), np.repeat(owners, 8)


def save_avatar(path, *, height=0.95, turned=True, seed=0):
    """Write the avatar; give where its joints rest."""
    places = rest_places(height, seed)
    rng = np.random.default_rng(seed + 1)
    turns = Rotation.from_rotvec(rng.normal(0, 0.6 if turned else 0, (55, 3)))
    vertices, faces, owners = boxes(places)
    open_mouth = np.zeros_like(vertices)
    open_mouth[-8:, 1] = np.where(_CUBE[:, 1] < 0, -0.03, 0.005)
    container = Container()
    nodes = []
    for joint, parent in enumerate(SMPLX_55.parents):
        above = turns[parent] if parent >= 0 else Rotation.identity()
        place = above.inv().apply(places[joint] - (places[parent] if parent >= 0 else 0))
        node = {"name": f"骨_{NAMES[joint]}", "translation": place.tolist()}
        node["rotation"] = (above.inv() * turns[joint]).as_quat().tolist()
        children = [child for child, up in enumerate(SMPLX_55.parents) if up == joint]
        nodes.append(node | ({"children": children} if children else {}))
    inverse = np.tile(np.eye(4), (55, 1, 1))
    inverse[:, :3, :3] = turns.inv().as_matrix()
    inverse[:, :3, 3] = -turns.inv().apply(places)
    joints = np.zeros((len(owners), 4), np.uint8)
    joints[:, 0] = owners
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (len(owners), 1))
    normals = np.tile(_CUBE / np.sqrt(3), (len(owners) // 8, 1)).astype(np.float32)
    primitive = {
        "attributes": {
            "POSITION": container.add(vertices, FLOAT, target=VERTICES, limits=True),
            "NORMAL": container.add(normals, FLOAT, target=VERTICES),
            "JOINTS_0": container.add(joints, UNSIGNED_BYTE, target=VERTICES),
            "WEIGHTS_0": container.add(weights, FLOAT, target=VERTICES),
        },
        "indices": container.add(faces.reshape(-1, 1).astype(np.uint16), SHORT, target=TRIANGLES),
        "material": 0,
        "targets": [{"POSITION": container.add(open_mouth, FLOAT, target=VERTICES, limits=True)}],
    }
    matrices = container.add(inverse.swapaxes(1, 2).reshape(-1, 16).astype(np.float32), FLOAT)
    bind = {"node": 55, "index": 0, "weight": 1.0}
    vrm = {
        "specVersion": "1.0",
        "meta": {
            "name": "작은 사람",
            "authors": ["ktube_motion"],
            "licenseUrl": "https://vrm.dev/licenses/1.0/",
        },
        "humanoid": {"humanBones": {name: {"node": joint} for joint, name in enumerate(NAMES)}},
        "expressions": {"preset": {name: {"morphTargetBinds": [bind]} for name in MOUTHS}},
    }
    document = {
        "extensionsUsed": ["VRMC_vrm"],
        "extensions": {"VRMC_vrm": vrm},
        "scene": 0,
        "scenes": [{"nodes": [0, 55]}],
        "nodes": [*nodes, {"name": "body", "mesh": 0, "skin": 0}],
        "meshes": [{"name": "body", "primitives": [primitive], "weights": [0.0]}],
        "materials": [{"name": "skin", "pbrMetallicRoughness": {"baseColorFactor": [0.85, 0.55, 0.35, 1.0]}}],
        "skins": [{"joints": list(range(55)), "skeleton": 0, "inverseBindMatrices": matrices}],
    }
    container.write(path, document)
    return places

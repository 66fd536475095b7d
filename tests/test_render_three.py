"""BVH and GLB in three.js, and a VRM avatar in a browser: what a web page plays."""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from test_finishing import gesture
from test_render_vrma import expected, modules
from vrm_avatar import NAMES, save_avatar

from ktube_motion.kinematics import load_body, pose_to_joints
from ktube_motion.kinematics._ground import on_ground
from ktube_motion.render import save_bvh, save_glb, save_vrma
from ktube_motion.render._rigs import STYLES, bone_names
from ktube_motion.skeletons import SMPLX_55

WEB = Path(__file__).parent / "web"


def played(path, times):
    command = ["node", str(WEB / "three.mjs"), str(modules()), str(path), json.dumps(times)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("suffix", [".bvh", ".glb"])
@pytest.mark.parametrize("style", STYLES)
def test_three_js_plays_it(tmp_path, suffix, style):
    poses = on_ground(gesture(2), load_body())
    save = save_bvh if suffix == ".bvh" else save_glb
    path = save(poses, tmp_path / f"인사{suffix}", bone_names=style)
    times = [0, 0.5, 1.2, 1.95]
    result = played(path, times)
    true = pose_to_joints(poses, skeleton=SMPLX_55).positions * (100 if suffix == ".bvh" else 1)
    names = [name.replace(":", "") if suffix == ".glb" else name for name in bone_names(SMPLX_55.joint_names, style)]
    moved = []
    for time, bones in zip(times, result["frames"], strict=True):
        places = np.array([bones[name] for name in names])
        moved.append(np.linalg.norm(places - true[round(20 * time)], axis=-1).max())
    if suffix == ".bvh" and style == "mixamo:":
        assert result["warnings"]  # three.js cannot read such names, which is why the colon is not the default
    else:
        assert max(moved) < (0.05 if suffix == ".bvh" else 1e-4)
        assert not result["warnings"]


PAGE = """<!doctype html><meta charset="utf-8"><style>body { margin: 0; background: #eee }</style>
<script type="importmap">{"imports": {"three": "/node/three/build/three.module.js",
 "three/addons/": "/node/three/examples/jsm/"}}</script><script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { VRMLoaderPlugin } from '/node/@pixiv/three-vrm/lib/three-vrm.module.js';
import { VRMAnimationLoaderPlugin, createVRMAnimationClip }
  from '/node/@pixiv/three-vrm-animation/lib/three-vrm-animation.module.js';
const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
const vrm = (await loader.loadAsync('avatar.vrm')).userData.vrm;
const clip = createVRMAnimationClip((await loader.loadAsync('talk.vrma')).userData.vrmAnimations[0], vrm);
const mixer = new THREE.AnimationMixer(vrm.scene);
mixer.clipAction(clip).play();
mixer.setTime(TIME);
vrm.update(0);
const scene = new THREE.Scene();
scene.background = new THREE.Color(0xf4f1ea);
scene.add(vrm.scene, new THREE.HemisphereLight(0xffffff, 0x888888, 2));
const sun = new THREE.DirectionalLight(0xffffff, 2);
sun.position.set(1, 2, 3);
scene.add(sun, new THREE.GridHelper(2, 20, 0xbbbbbb, 0xdddddd));
const camera = new THREE.PerspectiveCamera(30, 1, 0.1, 20);
camera.position.set(0.5, 0.8, 2.6);
camera.lookAt(0, 0.5, 0);
const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
renderer.setSize(600, 600);
document.body.append(renderer.domElement);
renderer.render(scene, camera);
const bones = {};
for (const name of Object.keys(vrm.humanoid.humanBones))
  bones[name] = vrm.humanoid.getRawBoneNode(name).getWorldPosition(new THREE.Vector3()).toArray();
const told = document.createElement('pre');
told.id = 'bones';
told.textContent = JSON.stringify({ bones, triangles: renderer.info.render.triangles });
document.body.append(told);
</script>"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def site(tmp_path):
    """Serve a folder, with Node's modules in it, on this machine."""
    (tmp_path / "node").symlink_to(modules())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_browser_shows_an_avatar_that_moves(site, tmp_path_factory):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    folder, address = site
    poses = on_ground(gesture(2), load_body())
    places = save_avatar(folder / "avatar.vrm")
    save_vrma(poses, folder / "talk.vrma")
    (folder / "index.html").write_text(PAGE.replace("TIME", "1.0"), encoding="utf-8")
    profile, shot = tmp_path_factory.mktemp("profile"), folder / "shot.png"
    command = [
        "chromium", "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
        f"--user-data-dir={profile}", "--virtual-time-budget=30000", "--window-size=620,620", f"--screenshot={shot}",
        "--dump-dom", f"{address}/index.html",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert '<pre id="bones">' in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    told = json.loads(done.stdout.split('<pre id="bones">')[1].split("</pre>")[0])
    bones = np.array([told["bones"][name] for name in NAMES])
    assert np.linalg.norm(bones - expected(poses, 20, places), axis=-1).max() < 1e-5
    assert told["triangles"] > 500

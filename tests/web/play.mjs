// Plays a VRM animation on an avatar and prints where its bones are: node play.mjs MODULES AVATAR ANIMATION TIMES
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules, avatar, animation, times] = process.argv.slice(2);
globalThis.self = globalThis;
globalThis.ProgressEvent ??= class extends Event {};
const bring = (path) => import(pathToFileURL(`${modules}/${path}`).href);
const THREE = await bring('three/build/three.module.js');
const { GLTFLoader } = await bring('three/examples/jsm/loaders/GLTFLoader.js');
const { VRMLoaderPlugin } = await bring('@pixiv/three-vrm/lib/three-vrm.module.js');
const { VRMAnimationLoaderPlugin, createVRMAnimationClip } = await bring(
  '@pixiv/three-vrm-animation/lib/three-vrm-animation.module.js');

const warnings = [];
console.warn = (...words) => warnings.push(words.join(' '));
const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
const load = (path) => {
  const bytes = readFileSync(path);
  return loader.parseAsync(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), '');
};
const vrm = (await load(avatar)).userData.vrm;
const clip = createVRMAnimationClip((await load(animation)).userData.vrmAnimations[0], vrm);
const mixer = new THREE.AnimationMixer(vrm.scene);
mixer.clipAction(clip).play();
const frames = JSON.parse(times).map((time) => {
  mixer.setTime(time);
  vrm.update(0);
  vrm.scene.updateMatrixWorld(true);
  const bones = {};
  for (const name of Object.keys(vrm.humanoid.humanBones)) {
    bones[name] = vrm.humanoid.getRawBoneNode(name).getWorldPosition(new THREE.Vector3()).toArray();
  }
  const faces = Object.fromEntries(vrm.expressionManager.expressions.map((e) => [e.expressionName, e.weight]));
  return { bones, faces };
});
console.log(JSON.stringify({ frames, warnings, tracks: clip.tracks.length, duration: clip.duration,
  three: THREE.REVISION }));

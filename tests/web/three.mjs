// Plays a .bvh or .glb in three.js and prints where its bones are: node three.mjs MODULES FILE TIMES
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules, path, times] = process.argv.slice(2);
globalThis.self = globalThis;
globalThis.ProgressEvent ??= class extends Event {};
const bring = (file) => import(pathToFileURL(`${modules}/${file}`).href);
const THREE = await bring('three/build/three.module.js');
const warnings = [];
console.warn = (...words) => warnings.push(words.join(' '));
console.error = (...words) => warnings.push(words.join(' '));

let root, clip;
if (path.endsWith('.bvh')) {
  const { BVHLoader } = await bring('three/examples/jsm/loaders/BVHLoader.js');
  const result = new BVHLoader().parse(readFileSync(path, 'utf8'));
  root = result.skeleton.bones[0];
  clip = result.clip;
} else {
  const { GLTFLoader } = await bring('three/examples/jsm/loaders/GLTFLoader.js');
  const bytes = readFileSync(path);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const gltf = await new GLTFLoader().parseAsync(buffer, '');
  root = gltf.scene;
  clip = gltf.animations[0];
}
const mixer = new THREE.AnimationMixer(root);
mixer.clipAction(clip).play();
const frames = JSON.parse(times).map((time) => {
  mixer.setTime(time);
  root.updateMatrixWorld(true);
  const bones = {};
  root.traverse((node) => {
    if (node.isBone && !(node.name in bones)) bones[node.name] = node.getWorldPosition(new THREE.Vector3()).toArray();
  });
  return bones;
});
console.log(JSON.stringify({ frames, warnings, name: clip.name, three: THREE.REVISION }));
